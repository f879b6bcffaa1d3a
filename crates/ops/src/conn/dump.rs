//! Receiving a server's data set, as a replica does at its first synchronisation.

use std::io::{self, Read, Write};

use redistrib_resp::Command;

use super::Connection;
use super::stream::Deadline;
use crate::error::{Error, Result};
use crate::{Cancel, Stop};

/// The longest header line: `$` and the digits of a length.
const LONGEST_HEADER: usize = 32;

impl Connection {
    /// Asks for the whole data set (SYNC) and writes the RDB file to `sink` as it comes. Returns its length
    /// in bytes. The server goes on sending its write stream afterwards, so the connection ends here. It ends
    /// within about a second after `cancel` was pressed, too.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; [`Error::Cancelled`]; [`Error::Unexpected`] for a server that answers in
    /// another form; [`Error::Io`] for a sink that does not take the bytes.
    pub fn dump(mut self, sink: &mut impl Write, cancel: &Cancel) -> Result<u64> {
        let sync = Command::new("SYNC");
        self.send(std::slice::from_ref(&sync))?;
        let length = self.bulk_header(&sync, cancel)?;
        let mut left = length;
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = self.read_raw(&sync, &mut buffer[..most], cancel)?;
            sink.write_all(&buffer[..read]).map_err(|error| self.broke(&sync, error))?;
            left -= read as u64;
        }
        Ok(length)
    }

    /// Reads `$<length>\r\n`. While the server is still writing its file it sends empty lines.
    fn bulk_header(&mut self, command: &Command, cancel: &Cancel) -> Result<u64> {
        let mut line = Vec::with_capacity(LONGEST_HEADER);
        loop {
            let mut byte = [0];
            self.read_raw(command, &mut byte, cancel)?;
            match byte[0] {
                b'\n' if line.is_empty() => {}
                b'\n' => break,
                other if line.len() < LONGEST_HEADER => line.push(other),
                _ => break,
            }
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end();
        text.strip_prefix('$')
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| self.unexpected(command, format!("{text:?} in place of a length")))
    }

    fn read_raw(&mut self, command: &Command, buffer: &mut [u8], cancel: &Cancel) -> Result<usize> {
        if cancel.wish() != Stop::No {
            let what = format!("the data of {} has not all come", self.endpoint());
            return Err(Error::Cancelled(what));
        }
        let deadline = Deadline::after(self.timeout);
        loop {
            let read = self.stream.arm(&deadline).and_then(|()| self.stream.read(buffer));
            match read {
                Ok(0) => return Err(self.closed(command)),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broke(command, error)),
            }
        }
    }
}
