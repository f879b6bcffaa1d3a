//! Text and colours on a grid of cells. Everything that is drawn goes through here, and is escaped here.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::prelude::IntoCrossterm;
use ratatui::style::{Color, Modifier, Style};

use crate::escape::Escaped;
use crate::style::Tone;

/// How many colours there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Theme {
    /// None: letters and signs are enough.
    Plain,
    /// The sixteen of every terminal.
    Sixteen,
    /// The 256 of xterm.
    Many,
}

/// Neighbours are easy to distinguish; red is left for what is wrong.
const SIXTEEN: [Color; 10] = [
    Color::Blue,
    Color::Green,
    Color::Magenta,
    Color::Cyan,
    Color::Yellow,
    Color::LightBlue,
    Color::LightGreen,
    Color::LightMagenta,
    Color::LightCyan,
    Color::Gray,
];
const MANY: [u8; 14] = [33, 71, 133, 37, 178, 68, 107, 175, 73, 137, 62, 29, 97, 144];

/// From cold to hot, of xterm's cube; none is the red of what is wrong.
const HEAT: [u8; 10] = [16, 17, 18, 54, 90, 126, 166, 208, 214, 227];

impl Theme {
    /// As many colours as the terminal says that it has.
    pub fn of_terminal() -> Self {
        let says = |name: &str, words: &[&str]| {
            std::env::var(name).is_ok_and(|value| words.iter().any(|word| value.contains(word)))
        };
        if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || says("TERM", &["dumb"])
        {
            Self::Plain
        } else if says("COLORTERM", &["truecolor", "24bit"]) || says("TERM", &["256", "direct"]) {
            Self::Many
        } else {
            Self::Sixteen
        }
    }

    /// The style of what belongs to a shard: its colour as the ground.
    pub(super) fn shard(self, number: usize) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Sixteen => Style::new().fg(Color::Black).bg(SIXTEEN[number % SIXTEEN.len()]),
            Self::Many => {
                Style::new().fg(Color::Black).bg(Color::Indexed(MANY[number % MANY.len()]))
            }
        }
    }

    /// The style of a slot that carries so much, from 0 to 9; none where it is not known.
    pub(super) fn heat(self, level: Option<usize>) -> Style {
        let Some(level) = level.map(|level| level.min(HEAT.len() - 1)) else { return self.faint() };
        match self {
            Self::Plain => Style::new(),
            Self::Sixteen => match level {
                0 => self.faint(),
                1..=3 => Style::new().fg(Color::Black).bg(Color::Blue),
                4..=6 => Style::new().fg(Color::Black).bg(Color::Magenta),
                _ => Style::new().fg(Color::Black).bg(Color::Yellow),
            },
            Self::Many => {
                let ink = if level < 5 { Color::White } else { Color::Black };
                Style::new().fg(ink).bg(Color::Indexed(HEAT[level]))
            }
        }
    }

    /// The style of what is good, odd or bad.
    pub(super) fn tone(self, tone: Tone) -> Style {
        if self == Self::Plain {
            return Style::new();
        }
        let style = match tone {
            Tone::Good => Style::new().fg(Color::Green),
            Tone::Odd => Style::new().fg(Color::Yellow),
            Tone::Bad => Style::new().fg(Color::Red),
        };
        style.add_modifier(Modifier::BOLD)
    }

    /// The style of a slot that something is wrong with.
    pub(super) fn mark(self, tone: Tone) -> Style {
        match (self, tone) {
            (Self::Plain, _) => Style::new(),
            (_, Tone::Bad) => {
                Style::new().fg(Color::White).bg(Color::Red).add_modifier(Modifier::BOLD)
            }
            _ => Style::new().fg(Color::Red).bg(Color::White).add_modifier(Modifier::BOLD),
        }
    }

    /// The style of what lies under the cursor.
    pub(super) fn cursor(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// The style of headings.
    pub(super) fn head(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            _ => Style::new().add_modifier(Modifier::BOLD),
        }
    }

    /// The style of what matters less.
    pub(super) fn faint(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            _ => Style::new().fg(Color::DarkGray),
        }
    }
}

/// A text in a shard's colours, for a line that is not part of a screen.
pub(crate) fn painted(text: &str, shard: usize, theme: Theme) -> String {
    if theme == Theme::Plain {
        return text.to_owned();
    }
    theme.shard(shard).into_crossterm().apply(text).to_string()
}

/// A part of the screen to write on.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    pub(super) area: Rect,
    pub(super) theme: Theme,
}

impl<'a> Canvas<'a> {
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect, theme: Theme) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area, theme }
    }

    /// Some of its lines.
    pub(super) fn lines(&mut self, from: u16, count: u16) -> Canvas<'_> {
        let top = self.area.y.saturating_add(from.min(self.area.height));
        let height = count.min(self.area.height.saturating_sub(from));
        let area = Rect { y: top, height, ..self.area };
        Canvas { buffer: self.buffer, area, theme: self.theme }
    }

    /// Writes a text, as far as it fits, and returns where it ends.
    pub(super) fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let left = self.area.width.saturating_sub(x);
        if left == 0 || y >= self.area.height {
            return x;
        }
        let (at_x, at_y) = (self.area.x + x, self.area.y + y);
        let text = Escaped(text).to_string();
        let (end, _) = self.buffer.set_stringn(at_x, at_y, text, usize::from(left), style);
        end.saturating_sub(self.area.x)
    }

    /// Writes a text within so many cells; one that does not fit ends with a mark.
    pub(super) fn cell(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) {
        let text = Escaped(text).to_string();
        let text = if text.chars().count() > usize::from(width) {
            let kept: String = text.chars().take(usize::from(width).saturating_sub(1)).collect();
            kept + "…"
        } else {
            text
        };
        let right = self.area.width.min(x.saturating_add(width));
        let mut narrow = Canvas {
            buffer: self.buffer,
            area: Rect { width: right, ..self.area },
            theme: self.theme,
        };
        narrow.text(x, y, &text, style);
    }

    /// Gives a line a style, whatever stands on it.
    pub(super) fn style_line(&mut self, y: u16, style: Style) {
        if y < self.area.height {
            let line = Rect { y: self.area.y + y, height: 1, ..self.area };
            self.buffer.set_style(line, style);
        }
    }

    /// Writes lines of words, broken where they are too long, and returns how many lines it took.
    pub(super) fn words(&mut self, y: u16, most: u16, text: &str, style: Style) -> u16 {
        let lines = broken(&Escaped(text).to_string(), usize::from(self.area.width));
        let shown = lines.len().min(usize::from(most));
        for (row, line) in (y..).zip(&lines[..shown]) {
            let is_cut = usize::from(row - y) + 1 == shown && shown < lines.len();
            let line = if is_cut { format!("{line} …") } else { line.clone() };
            self.cell(0, row, self.area.width, &line, style);
        }
        u16::try_from(shown).unwrap_or(most)
    }
}

/// How many lines [`Canvas::words`] takes for a text.
pub(super) fn lines_of(text: &str, width: u16, most: u16) -> u16 {
    let lines = broken(&Escaped(text).to_string(), usize::from(width)).len();
    u16::try_from(lines).unwrap_or(u16::MAX).min(most)
}

/// A text in lines of so many characters at most; all but the first are indented.
fn broken(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let mut word: String = word.to_owned();
        loop {
            let line = lines.last_mut().map(|line| (line.chars().count(), line));
            let Some((used, line)) = line else { break };
            let gap = usize::from(!line.trim_start().is_empty());
            let long = word.chars().count();
            if used + gap + long <= width {
                line.push_str(if gap == 1 { " " } else { "" });
                line.push_str(&word);
                break;
            }
            if gap == 0 {
                // Longer than a line: it is broken where the line ends.
                let kept: String = word.chars().take(width - used).collect();
                word = word.chars().skip(width - used).collect();
                line.push_str(&kept);
            }
            lines.push("    ".into());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_broken_between_words() {
        assert_eq!(broken("one two three", 9), ["one two", "    three"]);
        assert_eq!(broken("0123456789abc", 8), ["01234567", "    89ab", "    c"]);
        assert_eq!(broken("", 9), [""]);
        for width in 0..30 {
            let lines =
                broken("a bb  ccc dddd  eeeee ffffff 0123456789012345678901234567890", width);
            assert!(lines.iter().all(|line| line.chars().count() <= width.max(8)), "{lines:?}");
        }
    }
}
