//! As a replica: `--rdb` and `--functions-rdb` take the data set, `--replica`, SYNC and PSYNC the commands that follow.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use redistrib_ops::resp::Command;
use redistrib_ops::{Cancel, Connection, Error, Payload, Stop, Synchronisation, write_whole};

use super::format::ReplyForm;
use super::options::{Options, Peer};
use super::printer::Printer;
use super::scan::session_with;
use super::session::ShellSession;
use crate::interrupt::Ending;

/// How often a server that has sent a data set until a mark is told that it has arrived, until it continues.
const ACKNOWLEDGE: Duration = Duration::from_secs(1);
/// How long a wait is before the request to stop is looked at again.
const LOOK_UP: Duration = Duration::from_millis(50);

/// Writes the data set of a server to a file, or to standard output for `-`.
pub(super) fn save(options: &Options, file: &Path, functions_only: bool) -> Result<bool> {
    // What is half written is removed before a signal ends the program.
    let ending = Ending::tidily()?;
    let saved = save_until(options, file, functions_only, ending.cancel());
    ending.heed();
    saved
}

fn save_until(
    options: &Options,
    file: &Path,
    functions_only: bool,
    cancel: &Cancel,
) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    let link = session.client.connection()?;
    configure(link, "capa", "eof")?;
    configure(link, "rdb-only", "1")?;
    if functions_only && !configure(link, "rdb-filter-only", "functions")? {
        bail!("Failed requesting functions only RDB from server, aborting");
    }
    let start = begin(link, &Command::new("SYNC"), options.peer, cancel)?;
    let (from, to) = (master(options.peer), file.display());
    let length = match &start.payload {
        Payload::Length(length) => format!("writing {length} bytes to"),
        _ => "writing bytes of bulk transfer until EOF marker to".to_owned(),
    };
    say(&format!("SYNC sent to {from}, {length} '{to}'"))?;
    let length = write_to(file, |sink| link.read_payload(&start.payload, sink, cancel))?;
    say(&match start.payload {
        Payload::UntilMark(_) => format!("Transfer finished with success after {length} bytes"),
        _ => "Transfer finished with success.".to_owned(),
    })?;
    if session.printer.form() == ReplyForm::Lossless && file.as_os_str() != "-" {
        let document = serde_json::json!({ "file": file, "bytes": length });
        session.printer.line(&document.to_string())?;
    }
    Ok(true)
}

/// Has `fill` write to what the name stands for: standard output, a device or a pipe that is there, or a new file.
fn write_to(
    file: &Path,
    fill: impl FnOnce(&mut dyn Write) -> redistrib_ops::Result<u64>,
) -> Result<u64> {
    if file.as_os_str() == "-" {
        let mut out = io::stdout().lock();
        let length = fill(&mut out)?;
        out.flush()?;
        return Ok(length);
    }
    if file.metadata().is_ok_and(|there| !there.is_file()) {
        let opened = OpenOptions::new().write(true).open(file);
        let mut sink = opened.with_context(|| format!("Error opening '{}'", file.display()))?;
        return Ok(fill(&mut sink)?);
    }
    let mut length = 0;
    write_whole(file, |sink| {
        length = fill(sink)?;
        Ok(())
    })?;
    Ok(length)
}

/// Prints the commands that a server sends its replicas, without end.
pub(super) fn run(options: &Options) -> Result<bool> {
    let mut session = session_with(options, &options.endpoint)?;
    let link = session.client.connection()?;
    configure(link, "capa", "eof")?;
    configure(link, "rdb-filter-only", "")?;
    follow(&mut session, &Command::new("SYNC"), options.peer)
}

/// Sends SYNC or PSYNC, passes over the data set and prints the commands that follow, until the user or the server
/// ends it. The connection is a replica's, and is given up then.
pub(super) fn follow(session: &mut ShellSession, command: &Command, peer: Peer) -> Result<bool> {
    let (printer, cancel) = (session.printer.clone(), session.cancel.clone());
    let ended = match session.client.connection() {
        Ok(link) => stream(link, command, peer, &printer, &cancel),
        Err(error) => Err(error.into()),
    };
    session.client.disconnect();
    ended.map(|()| true)
}

/// Sends SYNC or PSYNC; a refusal is reported in the peer's words.
fn begin(
    link: &mut Connection,
    command: &Command,
    peer: Peer,
    cancel: &Cancel,
) -> Result<Synchronisation> {
    link.begin_sync(command, cancel).map_err(|error| match error {
        Error::Refused { reply, .. } => anyhow!("SYNC with {} failed: -{reply}", master(peer)),
        other => other.into(),
    })
}

fn stream(
    link: &mut Connection,
    command: &Command,
    peer: Peer,
    printer: &Printer,
    cancel: &Cancel,
) -> Result<()> {
    let start = begin(link, command, peer, cancel)?;
    if let Some(line) = &start.line {
        say(&format!("PSYNC replied {line}"))?;
    }
    let from = master(peer);
    let what = if start.payload == Payload::Nothing { "Partial resync" } else { "Full resync" };
    say(&match &start.payload {
        Payload::Length(length) => {
            format!("{what} with {from}, discarding {length} bytes of bulk transfer...")
        }
        Payload::UntilMark(_) => {
            format!("{what} with {from}, discarding bytes of bulk transfer until EOF marker...")
        }
        Payload::Nothing => format!("{what} with {from}..."),
    })?;
    let length = link.read_payload(&start.payload, &mut io::sink(), cancel)?;
    let mark = match &start.payload {
        Payload::UntilMark(mark) => Some(mark.len() as u64),
        _ => None,
    };
    let after = mark.map(|mark| format!(" after {} bytes", length + mark)).unwrap_or_default();
    say(&format!("{what} done{after}. Logging commands from {from}."))?;
    print_commands(link, mark.is_some(), printer, cancel)
}

fn print_commands(
    link: &mut Connection,
    mut acknowledge: bool,
    printer: &Printer,
    cancel: &Cancel,
) -> Result<()> {
    let mut last = Instant::now();
    while cancel.requested() == Stop::No {
        if acknowledge && last.elapsed() >= ACKNOWLEDGE {
            // It is not answered.
            link.send(&[Command::new("REPLCONF").arg("ACK").arg("0")])?;
            last = Instant::now();
        }
        let Some(command) = link.poll(LOOK_UP)? else { continue };
        acknowledge = false;
        printer.replicated(command.view())?;
    }
    Ok(())
}

/// Announces to the server what this replica can do; returns whether it takes that. Older servers do not know all of it.
fn configure(link: &mut Connection, option: &str, value: &str) -> Result<bool> {
    say(&format!("sending REPLCONF {option} {value}"))?;
    let reply = link.request(&Command::new("REPLCONF").arg(option).arg(value))?;
    if let Some(text) = reply.view().as_error() {
        let text = String::from_utf8_lossy(text);
        say(&crate::escape::Escaped(format!("REPLCONF {option} error: {text}")).to_string())?;
        return Ok(false);
    }
    Ok(true)
}

fn master(peer: Peer) -> &'static str {
    match peer {
        Peer::RedisCli => "master",
        Peer::ValkeyCli => "primary",
    }
}

fn say(text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "{text}")
}
