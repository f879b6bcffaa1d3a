//! A picture as a file: the cells of a screen as SVG.

use std::fmt::Write;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier};

use super::draw::{Scene, draw};

/// The size of a cell in the picture.
const WIDE: u32 = 8;
const HIGH: u32 = 17;
const GROUND: &str = "#16181d";
const INK: &str = "#d8dce3";

/// How a run of cells looks.
#[derive(Clone, Debug, PartialEq)]
struct Look {
    ink: String,
    ground: Option<String>,
    is_bold: bool,
}

/// The picture of a screen of this size as an SVG document.
pub fn picture(scene: &Scene<'_>, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(&mut buffer, area, scene);
    let (across, down) = (u32::from(width) * WIDE, u32::from(height) * HIGH);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {across} {down}\" width=\"{across}\" height=\"{down}\" \
         font-family=\"ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"{GROUND}\"/>\n"
    );
    for y in 0..height {
        line(&mut svg, &buffer, y);
    }
    svg + "</svg>\n"
}

/// Cells that look the same are one piece.
fn line(svg: &mut String, buffer: &Buffer, y: u16) {
    let cells: Vec<&Cell> = (0..buffer.area.width).filter_map(|x| buffer.cell((x, y))).collect();
    let mut x = 0;
    for run in cells.chunk_by(|one, other| look(one) == look(other)) {
        let text: String = run.iter().map(|cell| cell.symbol()).collect();
        piece(svg, (x, u32::from(y)), run.len() as u32, &text, &look(run[0]));
        x += run.len() as u32;
    }
}

fn piece(svg: &mut String, (x, y): (u32, u32), cells: u32, text: &str, look: &Look) {
    let (left, top, long) = (x * WIDE, y * HIGH, cells * WIDE);
    // Writing to a text does not fail.
    if let Some(ground) = &look.ground {
        let _ = writeln!(
            svg,
            "<rect x=\"{left}\" y=\"{top}\" width=\"{long}\" height=\"{HIGH}\" fill=\"{ground}\"/>"
        );
    }
    let shown = text.trim_end();
    if shown.is_empty() {
        return;
    }
    // The length keeps the cells in their places, whatever the font.
    let long = u32::try_from(shown.chars().count()).unwrap_or(cells) * WIDE;
    let weight = if look.is_bold { " font-weight=\"bold\"" } else { "" };
    let _ = writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\" fill=\"{}\"{weight} textLength=\"{long}\" xml:space=\"preserve\">{}</text>",
        top + HIGH - 4,
        look.ink,
        escaped(shown)
    );
}

fn look(cell: &Cell) -> Look {
    let ink = colour(cell.fg).unwrap_or_else(|| INK.into());
    let ground = colour(cell.bg);
    let is_bold = cell.modifier.contains(Modifier::BOLD);
    if cell.modifier.contains(Modifier::REVERSED) {
        let ground = ground.unwrap_or_else(|| GROUND.into());
        return Look { ink: ground, ground: Some(ink), is_bold };
    }
    Look { ink, ground, is_bold }
}

/// What XML would take for its own; control characters have been escaped when the picture was drawn.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A colour as SVG has it; none for that of the terminal.
fn colour(colour: Color) -> Option<String> {
    let named = match colour {
        Color::Reset => return None,
        Color::Indexed(index @ 16..=231) => {
            let level = |part: u8| if part == 0 { 0 } else { part * 40 + 55 };
            let index = index - 16;
            let (red, green, blue) = (level(index / 36), level(index / 6 % 6), level(index % 6));
            return Some(format!("#{red:02x}{green:02x}{blue:02x}"));
        }
        Color::Black => "#101216",
        Color::Red => "#e5534b",
        Color::Green => "#57ab5a",
        Color::Yellow => "#d9a62e",
        Color::Blue => "#539bf5",
        Color::Magenta => "#b083f0",
        Color::Cyan => "#39c5cf",
        Color::DarkGray => "#768390",
        Color::White => "#ffffff",
        _ => INK,
    };
    Some(named.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_names_stays_text() {
        assert_eq!(escaped("<a href='x'>&"), "&lt;a href='x'&gt;&amp;");
        assert_eq!(colour(Color::Indexed(33)).as_deref(), Some("#0087ff"));
    }
}
