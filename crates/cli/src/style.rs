//! Colours, where there is a terminal that wants them.

use std::fmt::{self, Display};
use std::io::IsTerminal;

/// Whether and how lines are coloured. The colours are those of redis-cli.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    colours: bool,
    /// The peers' lines end in plain after their end, and their warnings are red.
    is_peers: bool,
}

impl Style {
    /// No colours.
    pub const PLAIN: Self = Self { colours: false, is_peers: false };
    /// With colours.
    pub const COLOURED: Self = Self { colours: true, is_peers: false };

    /// Colours if standard output is a terminal that has them, and `NO_COLOR` is not set (see no-color.org).
    pub fn of_stdout() -> Self {
        Self::of(std::io::stdout().is_terminal())
    }

    /// The same for standard error.
    pub fn of_stderr() -> Self {
        Self::of(std::io::stderr().is_terminal())
    }

    /// As `redis-cli --cluster` and valkey-cli colour their lines: for any xterm, and into pipes and files, too. They do
    /// not know `NO_COLOR`, which is heeded all the same.
    pub(crate) fn of_peers() -> Self {
        let able = std::env::var("TERM").is_ok_and(|term| term.contains("xterm"));
        Self { colours: able && are_wanted(), is_peers: true }
    }

    /// Colours wherever the output goes, unless `NO_COLOR` is set.
    pub(crate) fn wherever_wanted() -> Self {
        Self { colours: are_wanted(), is_peers: false }
    }

    fn of(is_terminal: bool) -> Self {
        let able = std::env::var_os("TERM").is_some_and(|term| term != "dumb");
        Self { colours: is_terminal && able && are_wanted(), is_peers: false }
    }

    /// A text in the colour of its tone.
    pub fn tinted(self, text: impl Display, tone: Tone) -> String {
        let colour = match tone {
            Tone::Good => "32;1",
            Tone::Odd => "33;1",
            Tone::Bad => "31;1",
        };
        self.painted(text, colour)
    }

    /// A text in a colour, which is named by a terminal's numbers (`CSI … m`).
    pub fn painted(self, text: impl Display, colour: &'static str) -> String {
        let text = text.to_string();
        Painted { text: &text, colour: self.colours.then_some(colour) }.to_string()
    }

    /// A line that begins with `>>>`, `[OK]`, `[ERR]`, `[WARNING]` or `***`, in the colour that goes with it.
    pub fn line(self, text: impl Display) -> String {
        let text = text.to_string();
        match self.colour_of(&text) {
            Some(colour) => self.painted(text, colour),
            None => text,
        }
    }

    /// The same with the line's end.
    pub fn whole_line(self, text: impl Display) -> String {
        let text = text.to_string();
        match self.colour_of(&text).filter(|_| self.is_peers) {
            Some(colour) => self.painted(text + "\n", colour),
            None => self.line(text) + "\n",
        }
    }

    fn colour_of(self, text: &str) -> Option<&'static str> {
        Some(match text.split_whitespace().next()? {
            ">>>" => "29;1",
            "[OK]" => "32;1",
            "[WARNING]" if self.is_peers => "31;1",
            "[ERR]" => "31;1",
            "[WARNING]" | "***" => "33;1",
            _ => return None,
        })
    }
}

fn are_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How good the news of a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// Well.
    Good,
    /// Not well, for a moment perhaps.
    Odd,
    /// Not well.
    Bad,
}

struct Painted<'a> {
    text: &'a str,
    colour: Option<&'static str>,
}

impl Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.colour {
            Some(colour) => write!(f, "\u{1b}[{colour}m{}\u{1b}[0m", self.text),
            None => f.write_str(self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_marked_lines_are_coloured() {
        assert_eq!(Style::COLOURED.line("[OK] done"), "\u{1b}[32;1m[OK] done\u{1b}[0m");
        assert_eq!(Style::COLOURED.whole_line("[OK] a"), "\u{1b}[32;1m[OK] a\u{1b}[0m\n");
        assert_eq!(Style::COLOURED.line("M: 127.0.0.1:7000"), "M: 127.0.0.1:7000");
        assert_eq!(Style::PLAIN.line("[ERR] no"), "[ERR] no");
        let peers = Style { colours: true, is_peers: true };
        assert_eq!(peers.whole_line("[OK] done"), "\u{1b}[32;1m[OK] done\n\u{1b}[0m");
    }
}
