//! The user's command, run for one node.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use redistrib_cluster_model::NodeLabel;

use crate::base::child::withhold_passwords;
use crate::error::{Error, Result};
use crate::{Context, Endpoint, Event, RollError, Stop, limits};

/// The time between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long each line of its last output is waited for: what it has started may hold its output open.
const LAST_WORDS: Duration = Duration::from_millis(200);
/// How long it may take to end when it is asked to, and what it has started may go on to print once it has ended.
const GRACE: Duration = Duration::from_secs(2);
/// How much of a line is reported at a time.
const LINE: u64 = 4096;
/// How many lines may wait to be reported.
const WAITING: usize = 64;

/// Runs `command` by `sh -c`, reports what it prints, and returns when it has ended successfully. It is in a process group of its own, out of
/// a Ctrl-C's way: only the second one ends it, and all that it has started there.
///
/// # Errors
/// [`RollError::Command`] where it fails or does not end in time; [`Error::Cancelled`]; [`Error::File`] where there is no shell.
pub(super) fn run(
    command: &str,
    (node, endpoint, role): (&NodeLabel, &Endpoint, &str),
    deadline: Duration,
    context: Context<'_>,
) -> Result<()> {
    let mut shell = Command::new("sh");
    shell.args(["-c", command]).process_group(0);
    shell.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell.env("REDIS_TRIB_HOST", endpoint.host());
    shell.env("REDIS_TRIB_PORT", endpoint.port().unwrap_or_default().to_string());
    shell.env("REDIS_TRIB_ID", node.id.to_string()).env("REDIS_TRIB_ROLE", role);
    withhold_passwords(&mut shell);
    let no_shell = |source| Error::File { path: "sh".into(), source };
    let mut child = shell.spawn().map_err(no_shell)?;
    let lines = match listen(&mut child) {
        Ok(lines) => lines,
        Err(source) => {
            end(&mut child);
            return Err(Error::Threads { source });
        }
    };
    let tell = |text: String| context.tell(Event::NodeOutput { node: node.clone(), text });
    let failed = |how: String| RollError::Command { node: node.clone(), how }.into();
    let outcome = await_end(&mut child, &lines, deadline, context, &tell).map_err(no_shell)?;
    let ended = Instant::now();
    while ended.elapsed() < GRACE
        && let Ok(line) = lines.recv_timeout(LAST_WORDS)
    {
        tell(line);
    }
    match outcome {
        CommandEnd::Ended(status) if status.success() => Ok(()),
        CommandEnd::Ended(status) => Err(failed(format!("failed ({status})"))),
        CommandEnd::Late => {
            Err(failed(format!("did not end within {} s, and was ended", deadline.as_secs())))
        }
        CommandEnd::Cancelled => {
            Err(Error::Cancelled(format!("the command for {node} was ended before its end")))
        }
    }
}

enum CommandEnd {
    Ended(ExitStatus),
    Late,
    Cancelled,
}

fn await_end(
    child: &mut Child,
    lines: &Receiver<String>,
    deadline: Duration,
    context: Context<'_>,
    tell: &impl Fn(String),
) -> std::io::Result<CommandEnd> {
    let started = Instant::now();
    loop {
        match lines.recv_timeout(LOOK) {
            Ok(line) => tell(line),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => thread::sleep(LOOK),
        }
        if let Some(status) = child.try_wait()? {
            return Ok(CommandEnd::Ended(status));
        }
        let is_cancelled = context.cancel.requested() == Stop::Now;
        if is_cancelled || started.elapsed() > deadline {
            end(child);
            return Ok(if is_cancelled { CommandEnd::Cancelled } else { CommandEnd::Late });
        }
    }
}

/// Ends the command and all of its process group: asked first, then by force.
fn end(child: &mut Child) {
    let group = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let _ = killpg(group, Signal::SIGTERM);
    let since = Instant::now();
    while since.elapsed() < GRACE && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(LOOK);
    }
    let _ = killpg(group, Signal::SIGKILL);
    let _ = child.wait();
}

/// Both its outputs, line by line.
fn listen(child: &mut Child) -> std::io::Result<Receiver<String>> {
    let (sender, lines) = mpsc::sync_channel(WAITING);
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        drop(limits::spawn(move || pass_on(stdout, &sender))?);
    }
    if let Some(stderr) = child.stderr.take() {
        drop(limits::spawn(move || pass_on(stderr, &sender))?);
    }
    Ok(lines)
}

/// Reads to the end even where nobody listens any more: a server that the command has started may still write.
fn pass_on(output: impl Read, lines: &SyncSender<String>) {
    let mut output = BufReader::new(output);
    let mut line = Vec::new();
    while matches!(output.by_ref().take(LINE).read_until(b'\n', &mut line), Ok(1..)) {
        let text = String::from_utf8_lossy(&line);
        let _ = lines.send(text.trim_end_matches(['\r', '\n']).to_owned());
        line.clear();
    }
}
