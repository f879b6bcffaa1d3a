//! What is asked again and again for the figures that come of it goes on when the server has been away.

use std::io::{self, Write};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use redistrib_ops::Error;
use redistrib_ops::resp::{Command, Reply};

use super::format::ReplyForm;
use super::session::ShellSession;

/// How long a server that has gone is left alone before it is tried again.
const BETWEEN: Duration = Duration::from_secs(1);
/// "First column" and "erase line".
const ANEW: &str = "\r\x1b[0K";

/// The reply to a command, from a server that was there when the session began: if it goes, it is waited for, and in one line is
/// said how often it was tried.
///
/// # Errors
/// Those of connections that are not lost, and those of writing.
pub(super) fn request(session: &mut ShellSession, command: &Command) -> Result<Reply> {
    let is_silent = session.printer.form() == ReplyForm::Lossless;
    let mut tries = 0_u64;
    loop {
        let connected = session.client.connection();
        match connected.and_then(|connection| connection.request(command)) {
            Ok(reply) => {
                if tries > 0 && !is_silent {
                    print(ANEW)?;
                }
                return Ok(reply);
            }
            Err(error) if !is_lost(&error) => return Err(error.into()),
            Err(_) => {}
        }
        tries += 1;
        if !is_silent {
            print(&format!("{ANEW}Reconnecting... {tries}\r"))?;
        }
        thread::sleep(BETWEEN);
    }
}

/// Whether the connection has been lost, or could not be made anew.
fn is_lost(error: &Error) -> bool {
    matches!(error, Error::Connect { .. } | Error::Closed { .. } | Error::Io { .. })
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
