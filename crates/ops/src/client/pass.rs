//! A stream of commands passed on to one server as it is.

use std::hash::{BuildHasher, RandomState};
use std::io::Read;
use std::time::{Duration, Instant};

use redistrib_resp::Command;

use super::insert::InsertTally;
use crate::error::{Error, Result};
use crate::{Cancel, Connection, Stop};

/// How much is read from the stream before replies are looked at.
const CHUNK: usize = 64 << 10;

/// Sends the bytes of `input` as they are and counts the replies that arrive meanwhile.
///
/// # Errors
/// [`Error::File`] where the input fails, [`Error::Cancelled`], those of [`Connection::request`].
pub fn pass_on(
    input: &mut dyn Read,
    connection: &mut Connection,
    cancel: &Cancel,
    tally: &mut InsertTally<'_>,
) -> Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = input
            .read(&mut chunk)
            .map_err(|source| Error::File { path: "standard input".into(), source })?;
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
        connection.send_raw(bytes)?;
        while let Some(reply) = connection.arrived()? {
            tally.count(&reply);
        }
        stop_if_asked(cancel)?;
    }
    Ok(())
}

/// Counts the replies to what was passed on. How many there must be nobody knows, so an ECHO with a text of our own
/// ends the stream, and the wait with it.
///
/// # Errors
/// [`Error::Timeout`] where no reply comes for `patience`, [`Error::Cancelled`], those of [`Connection::request`].
pub fn await_last_reply(
    connection: &mut Connection,
    patience: Duration,
    cancel: &Cancel,
    tally: &mut InsertTally<'_>,
) -> Result<()> {
    let last = last_words();
    // The blank line ends an inline command that the stream left open; servers pass over it otherwise.
    connection.send_raw(b"\r\n")?;
    let echo = Command::new("ECHO").arg(&last);
    connection.send(std::slice::from_ref(&echo))?;
    let mut since = Instant::now();
    loop {
        match connection.poll(Duration::from_millis(100))? {
            Some(reply) if reply.view().as_str() == Some(last.as_str()) => return Ok(()),
            Some(reply) => {
                tally.count(&reply);
                since = Instant::now();
            }
            None if since.elapsed() >= patience => {
                let (node, command) = (connection.endpoint().clone(), "the last command".into());
                return Err(Error::Timeout { node, command, after: patience });
            }
            None => stop_if_asked(cancel)?,
        }
    }
}

fn stop_if_asked(cancel: &Cancel) -> Result<()> {
    match cancel.requested() {
        Stop::No => Ok(()),
        _ => Err(Error::Cancelled("commands already sent have been executed".into())),
    }
}

/// Twenty characters that no command of the stream echoes by chance.
fn last_words() -> String {
    let random = RandomState::new();
    format!("{:016x}{:04x}", random.hash_one("last"), random.hash_one("words") & 0xffff)
}
