//! Receiving a server's data set, as a replica does at its first synchronisation.

use std::io::{self, Read, Write};

use redistrib_resp::Command;

use super::Connection;
use super::stream::Deadline;
use crate::error::{Error, Result};
use crate::{Cancel, Stop};

/// The longest line before the data set; it has an error or a replication id.
const LONGEST_LINE: usize = 4096;
/// The length of the mark that ends a data set whose length the server does not know beforehand.
const MARK: usize = 40;

/// How a data set comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// So many bytes.
    Length(u64),
    /// Bytes until these: the server writes it as it sends it, and did not say that it would not
    /// (`REPLCONF capa eof`).
    UntilMark(Vec<u8>),
    /// It does not: the server continues where the replica has stopped (`+CONTINUE`).
    Nothing,
}

/// What a server answers to SYNC and PSYNC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synchronisation {
    /// The data set to come.
    pub payload: Payload,
    /// The line that answers PSYNC: `+FULLRESYNC` or `+CONTINUE` with what follows it.
    pub line: Option<String>,
}

impl Connection {
    /// Asks for the whole data set (SYNC) and writes the RDB file to `sink` as it comes. Returns its length
    /// in bytes. The server keeps sending its write stream afterwards, so the connection ends here. It ends
    /// within about a second after `cancel` was pressed, too.
    ///
    /// # Errors
    /// Those of [`Connection::begin_sync`] and [`Connection::read_payload`].
    pub fn dump(mut self, sink: &mut impl Write, cancel: &Cancel) -> Result<u64> {
        let start = self.begin_sync(&Command::new("SYNC"), cancel)?;
        self.read_payload(&start.payload, sink, cancel)
    }

    /// Sends SYNC or PSYNC and reads the answer as far as the data set. The connection is a replica's from then on.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; [`Error::Cancelled`]; [`Error::Unexpected`] for a server that answers in
    /// another form.
    pub fn begin_sync(&mut self, command: &Command, cancel: &Cancel) -> Result<Synchronisation> {
        self.send(std::slice::from_ref(command))?;
        let first = self.read_line(command, cancel)?;
        if let Some(reply) = first.strip_prefix('-') {
            let (node, command) = (self.endpoint.clone(), super::describe(command));
            return Err(Error::Refused { node, command, reply: reply.to_owned() });
        }
        if first.starts_with("+CONTINUE") {
            return Ok(Synchronisation { payload: Payload::Nothing, line: Some(first) });
        }
        let (header, line) = match first.starts_with("+FULLRESYNC") {
            true => (self.read_line(command, cancel)?, Some(first)),
            false => (first, None),
        };
        let payload = read_header(&header)
            .ok_or_else(|| self.unexpected(command, format!("{header:?} in place of a length")))?;
        Ok(Synchronisation { payload, line })
    }

    /// Writes the data set that [`Connection::begin_sync`] has announced to `sink` as it comes, and returns its
    /// length in bytes.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; [`Error::Cancelled`]; [`Error::Unwritten`] for a sink that does not take the bytes.
    pub fn read_payload(
        &mut self,
        payload: &Payload,
        sink: &mut dyn Write,
        cancel: &Cancel,
    ) -> Result<u64> {
        match payload {
            Payload::Length(length) => self.read_length(*length, sink, cancel),
            Payload::UntilMark(mark) => self.read_until(mark, sink, cancel),
            Payload::Nothing => Ok(0),
        }
    }

    fn read_length(&mut self, length: u64, sink: &mut dyn Write, cancel: &Cancel) -> Result<u64> {
        let sync = Command::new("SYNC");
        let mut left = length;
        let mut buffer = vec![0; 64 * 1024];
        while left > 0 {
            let most = buffer.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            let read = self.read_raw(&sync, &mut buffer[..most], cancel)?;
            sink.write_all(&buffer[..read]).map_err(|source| self.unwritten(source))?;
            left -= read as u64;
        }
        Ok(length)
    }

    /// The server sends nothing behind the mark before it is acknowledged: it ends a read.
    fn read_until(&mut self, mark: &[u8], sink: &mut dyn Write, cancel: &Cancel) -> Result<u64> {
        let sync = Command::new("SYNC");
        let (mut held, mut length) = (Vec::new(), 0);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = self.read_raw(&sync, &mut buffer, cancel)?;
            held.extend_from_slice(&buffer[..read]);
            let sure = held.len().saturating_sub(mark.len());
            sink.write_all(&held[..sure]).map_err(|source| self.unwritten(source))?;
            length += sure as u64;
            if held.ends_with(mark) {
                return Ok(length);
            }
            held.drain(..sure);
        }
    }

    /// What is left of the data set would be taken for answers: the connection is given up.
    fn unwritten(&mut self, source: io::Error) -> Error {
        self.broken = true;
        Error::Unwritten { node: self.endpoint.clone(), source }
    }

    /// Reads a line, without its end. While the server is still writing its file it sends empty ones.
    fn read_line(&mut self, command: &Command, cancel: &Cancel) -> Result<String> {
        let mut line = Vec::new();
        loop {
            let mut byte = [0];
            self.read_raw(command, &mut byte, cancel)?;
            match byte[0] {
                b'\n' if line.is_empty() => {}
                b'\n' => break,
                other if line.len() < LONGEST_LINE => line.push(other),
                _ => break,
            }
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn read_raw(&mut self, command: &Command, buffer: &mut [u8], cancel: &Cancel) -> Result<usize> {
        if cancel.requested() != Stop::No {
            let what = format!("the data of {} has not all come", self.endpoint());
            return Err(Error::Cancelled(what));
        }
        let deadline = Deadline::after(self.timeout);
        loop {
            let read = self.stream.arm(&deadline).and_then(|()| self.stream.read(buffer));
            match read {
                Ok(0) => return Err(self.closed(Some(command))),
                Ok(read) => return Ok(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.broke(Some(command), error)),
            }
        }
    }
}

/// `$<length>`, or `$EOF:` and a mark.
fn read_header(line: &str) -> Option<Payload> {
    let header = line.strip_prefix('$')?;
    match header.strip_prefix("EOF:") {
        Some(mark) if mark.len() == MARK => Some(Payload::UntilMark(mark.as_bytes().to_vec())),
        Some(_) => None,
        None => header.parse().ok().map(Payload::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        let mark = "a1".repeat(20);
        let until = Payload::UntilMark(mark.clone().into_bytes());
        assert_eq!(read_header("$12"), Some(Payload::Length(12)));
        assert_eq!(read_header(&format!("$EOF:{mark}")), Some(until));
        for wrong in ["", "12", "$", "$-1", "$EOF:", "$EOF:a", "+OK"] {
            assert_eq!(read_header(wrong), None, "{wrong}");
        }
    }
}
