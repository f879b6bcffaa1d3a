//! Commands as a client writes them, read from a stream: arrays of bulk strings, and inline commands.

use std::io::{self, BufRead, Read};

use redistrib_resp::Command;

use super::words;

/// The most words of one command; servers take no more.
const MOST_WORDS: u64 = 1024 * 1024;
/// The most bytes of one word; the servers' own `proto-max-bulk-len`.
const MOST_BYTES: u64 = 512 << 20;
/// The most bytes of a line: of a length, or of an inline command.
const LONGEST_LINE: u64 = 64 << 10;

/// What is wrong with a stream of commands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The stream failed.
    #[error("reading the commands: {0}")]
    Io(#[from] io::Error),
    /// The stream ends within a command.
    #[error("the input ends in the middle of command {0}")]
    CutShort(u64),
    /// The bytes are no command.
    #[error("command {number} of the input is not in the Redis protocol: {what}")]
    Malformed {
        /// Which command, counted from 1.
        number: u64,
        /// What was expected.
        what: &'static str,
    },
}

/// Reads the commands of a stream one after the other.
///
/// ```
/// use redistrib_ops::client::Requests;
///
/// let input = &b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nSET b 1\r\n\r\n"[..];
/// let commands: Result<Vec<_>, _> = Requests::new(input).collect();
/// let commands = commands?;
/// assert_eq!(commands[0].args().collect::<Vec<_>>(), [b"GET".as_slice(), b"a"]);
/// assert_eq!(commands[1].name(), b"SET");
/// # Ok::<(), redistrib_ops::client::RequestError>(())
/// ```
#[derive(Debug)]
pub struct Requests<R> {
    input: R,
    /// The line and the word read last: their room is used again.
    line: Vec<u8>,
    word: Vec<u8>,
    /// How many commands were begun.
    number: u64,
    failed: bool,
}

impl<R: BufRead> Requests<R> {
    /// Reads from `input`.
    pub fn new(input: R) -> Self {
        Self { input, line: Vec::new(), word: Vec::new(), number: 0, failed: false }
    }

    /// The next command that has words; `None` at the end of the stream.
    fn read(&mut self) -> Result<Option<Command>, RequestError> {
        loop {
            if self.input.fill_buf()?.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            self.read_line()?;
            let command = match self.line.strip_prefix(b"*") {
                Some(_) => self.bulk_strings()?,
                None => self.inline()?,
            };
            match command {
                None => self.number -= 1,
                command => return Ok(command),
            }
        }
    }

    /// The command of a line in plain words; `None` for a blank one.
    fn inline(&self) -> Result<Option<Command>, RequestError> {
        let words =
            words::split(&self.line).map_err(|_| self.malformed("a quote is not closed"))?;
        Ok(if words.is_empty() { None } else { Some(Command::from_args(words)) })
    }

    /// The command whose number of words the line holds; `None` where that is 0.
    fn bulk_strings(&mut self) -> Result<Option<Command>, RequestError> {
        let count = self.announced(MOST_WORDS, "a number of words up to 1048576")?;
        if count == 0 {
            return Ok(None);
        }
        self.read_word()?;
        let mut command = Command::new(&self.word);
        for _ in 1..count {
            self.read_word()?;
            command.push(&self.word);
        }
        if self.word.capacity() as u64 > LONGEST_LINE {
            self.word = Vec::new();
        }
        Ok(Some(command))
    }

    fn read_word(&mut self) -> Result<(), RequestError> {
        if self.input.fill_buf()?.is_empty() {
            return Err(RequestError::CutShort(self.number));
        }
        self.read_line()?;
        if !self.line.starts_with(b"$") {
            return Err(self.malformed("a bulk string"));
        }
        let length = self.announced(MOST_BYTES, "a length up to 512 MiB")?;
        // Room is taken as bytes arrive, whatever the length says.
        self.word.clear();
        self.input.by_ref().take(length + 2).read_to_end(&mut self.word)?;
        if self.word.len() as u64 != length + 2 {
            return Err(RequestError::CutShort(self.number));
        }
        if !self.word.ends_with(b"\r\n") {
            return Err(self.malformed("CRLF behind a bulk string"));
        }
        self.word.truncate(self.word.len() - 2);
        Ok(())
    }

    /// Reads a line; its end (LF, CR LF, or that of the stream) is left out.
    fn read_line(&mut self) -> Result<(), RequestError> {
        self.line.clear();
        self.input.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        let text = match self.line.strip_suffix(b"\n") {
            Some(text) => text.strip_suffix(b"\r").unwrap_or(text).len(),
            None if self.line.len() as u64 == LONGEST_LINE => {
                return Err(self.malformed("a shorter line"));
            }
            None => self.line.len(),
        };
        self.line.truncate(text);
        Ok(())
    }

    /// The number behind the line's first byte.
    fn announced(&self, most: u64, what: &'static str) -> Result<u64, RequestError> {
        self.number(self.line.get(1..).unwrap_or_default(), most, what)
    }

    fn number(&self, digits: &[u8], most: u64, what: &'static str) -> Result<u64, RequestError> {
        let text = std::str::from_utf8(digits).ok().filter(|text| !text.starts_with('+'));
        let number = text.and_then(|text| text.parse().ok()).filter(|&number| number <= most);
        number.ok_or_else(|| self.malformed(what))
    }

    fn malformed(&self, what: &'static str) -> RequestError {
        RequestError::Malformed { number: self.number, what }
    }
}

impl<R: BufRead> Iterator for Requests<R> {
    type Item = Result<Command, RequestError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let next = self.read().transpose();
        self.failed = matches!(next, Some(Err(_)));
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Result<Vec<Vec<String>>, String> {
        let text = |word: &[u8]| word.escape_ascii().to_string();
        Requests::new(input)
            .map(|command| Ok(command.map_err(|e| e.to_string())?.args().map(text).collect()))
            .collect()
    }

    #[test]
    fn reads_both_ways_of_writing() {
        let input = b"*1\r\n$4\r\nPING\r\n\r\n*0\r\nSET k \"a b\"\n*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$4\r\n\r\n\0*\r\nGET x";
        let commands = read(input).unwrap();
        assert_eq!(
            commands,
            [
                vec!["PING"],
                vec!["SET", "k", "a b"],
                vec!["SET", "k", r"\r\n\x00*"],
                vec!["GET", "x"]
            ]
        );
    }

    #[test]
    fn says_which_command_is_broken() {
        for (input, word) in [
            (&b"PING\r\n*1\r\n$4\r\nPI"[..], "middle of command 2"),
            (b"PING\r\n*1\r\n:4\r\n", "command 2"),
            (b"*x\r\n", "number of words"),
            (b"*1\r\n$-1\r\n", "length"),
            (b"*1\r\n$999999999999\r\n", "length"),
            (b"*1\r\n$1\r\nab\r\n", "CRLF"),
            (b"GET \"a\r\n", "quote"),
            (b"PING\r\n*1\r\n", "middle of command 2"),
        ] {
            let error = read(input).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
    }
}
