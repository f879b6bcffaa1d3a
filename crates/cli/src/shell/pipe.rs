//! Mass insertion from standard input.

use std::io::{self, BufReader, Write};
use std::time::Duration;

use anyhow::{Result, anyhow};
use redistrib_ops::Error;
use redistrib_ops::client::{InsertTally, Requests, await_last_reply, insert, pass_on};
use serde_json::json;

use super::format::{LineEnds, ReplyForm, write_harmless};
use super::options::Options;
use super::printer::Printer;
use super::session::{OutputReader, ShellSession};
use crate::voice;

/// Waiting for ever, in a word.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Sends the commands on standard input, to one server as they are or to a cluster each to its owner. Tells
/// whether none was refused. How far it has come is reported even where it fails.
pub(super) fn run(options: &Options, patience: Option<Duration>) -> Result<bool> {
    let mut session = ShellSession::new(options, OutputReader::Program);
    let mut refused = |text: &[u8]| {
        let mut out = io::stderr().lock();
        let _ = write_harmless(text, LineEnds::One, &mut out).and_then(|()| out.write_all(b"\n"));
    };
    session.connect()?;
    let mut tally = InsertTally::new(&mut refused);
    let end = send(&mut session, options, patience, &mut tally);
    let counts = tally.counts();
    let errors = counts.errors + u64::from(end.is_err());
    if session.printer.form() == ReplyForm::Lossless {
        let document = json!({ "errors": errors, "replies": counts.replies });
        session.printer.line(&document.to_string())?;
        end?;
        return Ok(errors == 0);
    }
    if end.is_ok() {
        session.printer.line("Last reply received from server.")?;
    }
    session.printer.line(&format!("errors: {errors}, replies: {}", counts.replies))?;
    end?;
    Ok(errors == 0)
}

fn send(
    session: &mut ShellSession,
    options: &Options,
    patience: Option<Duration>,
    tally: &mut InsertTally<'_>,
) -> Result<()> {
    let cancel = session.cancel.clone();
    if options.cluster {
        let requests = Requests::new(BufReader::with_capacity(64 << 10, io::stdin().lock()));
        let settings = session.client.settings().clone();
        let database = session.state.database;
        insert(requests, &options.endpoint, database, &settings, &cancel, tally)?;
        return say_all_sent(&session.printer);
    }
    let link = session.client.connection()?;
    pass_on(&mut io::stdin().lock(), link, &cancel, tally)?;
    say_all_sent(&session.printer)?;
    let patience = patience.unwrap_or(FOR_EVER);
    await_last_reply(link, patience, &cancel, tally).map_err(|error| {
        match (&error, voice::peer()) {
            (Error::Timeout { .. }, Some(_)) => {
                anyhow!("No replies for {} seconds: exiting.", patience.as_secs())
            }
            _ => error.into(),
        }
    })
}

fn say_all_sent(printer: &Printer) -> Result<()> {
    if printer.form() != ReplyForm::Lossless {
        printer.line("All data transferred. Waiting for the last reply...")?;
    }
    Ok(())
}
