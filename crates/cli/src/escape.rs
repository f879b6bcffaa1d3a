//! Text from servers, made harmless for a terminal.

use std::fmt::{self, Display, Write};

/// Displays a text with every control character replaced by its escape, so that whoever wrote it cannot
/// move the cursor, change colours or forge lines.
///
/// ```
/// use redistrib_cli::escape::Escaped;
/// assert_eq!(Escaped("ERR \u{1b}[2Jbang\r\n").to_string(), "ERR \\x1b[2Jbang\\r\\n");
/// assert_eq!(Escaped("naïve 🦀").to_string(), "naïve 🦀");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Escaped<T>(pub T);

impl<T: Display> Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Filter(f), "{}", self.0)
    }
}

struct Filter<'a, 'b>(&'a mut fmt::Formatter<'b>);

impl Write for Filter<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '\n' => self.0.write_str("\\n"),
            '\r' => self.0.write_str("\\r"),
            '\t' => self.0.write_str("\\t"),
            c if c.is_ascii_control() => write!(self.0, "\\x{:02x}", u32::from(c)),
            c if c.is_control() || is_direction(c) => write!(self.0, "\\u{{{:x}}}", u32::from(c)),
            c => self.0.write_char(c),
        })
    }
}

/// Marks that change the direction of writing, with which a text can show as another one.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        let all: String = (0..0x3000).filter_map(char::from_u32).collect();
        let escaped = Escaped(&all).to_string();
        assert!(!escaped.chars().any(|c| c.is_control() || is_direction(c)));
        assert_eq!(Escaped("\u{9b}31m\u{202e}").to_string(), "\\u{9b}31m\\u{202e}");
    }
}
