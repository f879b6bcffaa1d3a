//! The picture of a cluster: a pure function of what was seen, what the user looks at, and the size of the screen.

mod header;
mod heat;
mod map;
mod nodes;
mod page;
mod paint;
mod plan;
mod underway;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::history::History;
use super::view::{Page, TopView};
pub(crate) use map::most_frequent;
pub use map::steps;
use paint::Canvas;
pub use paint::Theme;
pub(crate) use paint::painted;

/// All that a picture is made of.
#[derive(Debug)]
pub struct Scene<'a> {
    /// What was seen.
    pub history: &'a History,
    /// What the user looks at.
    pub view: &'a TopView,
    /// The colours.
    pub theme: Theme,
    /// What stands beside the name: where the samples come from.
    pub source: &'a str,
    /// Whether there are keys to press.
    pub has_keys: bool,
}

/// How the lines of the screen are shared out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScreenLayout {
    header: u16,
    map: u16,
    nodes: u16,
    underway: u16,
    keys: u16,
}

impl ScreenLayout {
    /// What is wrong comes first, in as many lines as it takes within bounds, then the nodes; the map and what is under way
    /// have their place where there is room.
    pub(crate) fn of(height: u16, header: u16, node_count: usize) -> Self {
        let keys = u16::from(height >= 8);
        let most = match height {
            0..=6 => height.min(3),
            7..=15 => 4,
            16..=39 => height / 3,
            _ => 16,
        };
        let header = header.min(most);
        let left = height - header - keys;
        let wanted = u16::try_from(node_count).unwrap_or(u16::MAX).saturating_add(1);
        let underway = if left >= 14 { (left / 5).clamp(3, 12) } else { 0 };
        let left = left - underway;
        // Heading, cursor and at least two lines of cells; more where most of the nodes find no place anyway.
        let most = (left * 2 / 5).clamp(4, 20);
        let map = match left {
            0..10 => 0,
            _ if wanted > 2 * left => most,
            _ => left.saturating_sub(wanted).clamp(4, most),
        };
        let nodes = (left - map).min(wanted.max(3));
        // What the nodes do not need is for the news.
        let underway = underway + left - map - nodes;
        Self { header, map, nodes, underway, keys }
    }
}

pub(crate) fn layout(width: u16, height: u16, history: &History) -> ScreenLayout {
    let Some(sample) = history.last() else { return ScreenLayout::of(height, 0, 0) };
    ScreenLayout::of(height, header::height(width, history), sample.nodes.len())
}

/// Draws the picture.
pub fn draw(buffer: &mut Buffer, area: Rect, scene: &Scene<'_>) {
    let mut screen = Canvas::new(buffer, area, scene.theme);
    if scene.history.last().is_none() {
        screen.text(0, 0, "no sample yet", scene.theme.faint());
        return;
    }
    let layout = layout(screen.area.width, screen.area.height, scene.history);
    header::draw(&mut screen.lines(0, layout.header), scene);
    let rest = screen.area.height - layout.header - layout.keys;
    if scene.view.page == Page::Cluster {
        map::draw(&mut screen.lines(layout.header, layout.map), scene);
        let top = layout.header + layout.map;
        nodes::draw(&mut screen.lines(top, layout.nodes), scene);
        underway::draw(&mut screen.lines(top + layout.nodes, layout.underway), scene);
    } else {
        page::draw(&mut screen.lines(layout.header, rest), scene);
    }
    let last = screen.area.height - layout.keys;
    if scene.has_keys {
        page::keys(&mut screen.lines(last, layout.keys), scene);
    }
}
