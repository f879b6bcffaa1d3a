//! One picture as text.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::draw::{Scene, draw};

/// The picture of a screen of this size, line by line, without colours.
pub fn frame(scene: &Scene<'_>, width: u16, height: u16) -> Vec<String> {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(&mut buffer, area, scene);
    let line = |y: u16| {
        let mut line = String::new();
        let mut covered = 0;
        for x in 0..width {
            let symbol = buffer.cell((x, y)).map_or(" ", ratatui::buffer::Cell::symbol);
            // A wide character covers the cell behind it.
            if covered == 0 {
                line.push_str(symbol);
                covered = usize::from(ratatui::text::Span::raw(symbol).width() > 1);
            } else {
                covered = 0;
            }
        }
        line.trim_end().to_owned()
    };
    (0..height).map(line).collect()
}
