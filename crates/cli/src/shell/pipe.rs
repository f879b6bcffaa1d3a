//! Mass insertion from standard input.

use std::io::{self, BufReader, Write};
use std::time::Duration;

use anyhow::Result;
use redistrib_ops::client::{Insertion, Requests, insert, pass_on};

use super::format::{Lines, write_harmless};
use super::options::Options;
use super::session::Session;

/// Waiting for ever, in a word.
const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);

/// Sends the commands on standard input, to one server as they are or to a cluster each to its owner. Tells
/// whether none was refused.
pub(super) fn run(options: &Options, patience: Option<Duration>) -> Result<bool> {
    let mut session = Session::new(options, false);
    let mut refused = |text: &[u8]| {
        let mut out = io::stderr().lock();
        let _ = write_harmless(text, Lines::One, &mut out).and_then(|()| out.write_all(b"\n"));
    };
    session.connect()?;
    let tally = if options.cluster {
        let requests = Requests::new(BufReader::with_capacity(64 << 10, io::stdin().lock()));
        let settings = session.client.settings().clone();
        insert(
            requests,
            &options.endpoint,
            session.state.database,
            &settings,
            &session.cancel,
            &mut refused,
        )?
    } else {
        let link = session.client.connection()?;
        let patience = patience.unwrap_or(FOR_EVER);
        pass_on(&mut io::stdin().lock(), link, patience, &session.cancel, &mut refused)?
    };
    report(&session, tally)?;
    Ok(tally.errors == 0)
}

fn report(session: &Session, tally: Insertion) -> io::Result<()> {
    session.printer.line("All data transferred. Waiting for the last reply...")?;
    session.printer.line("Last reply received from server.")?;
    session.printer.line(&format!("errors: {}, replies: {}", tally.errors, tally.replies))
}
