//! The debugger for Lua scripts that servers have: a script stops at each line, and what is typed then goes to it.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use redistrib_ops::resp::{Command, Kind, Reply, View};
use redistrib_ops::words::{Closing, Unbalanced};

use super::{Next, ShellPrompt};
use crate::shell::format::{LineEnds, ReplyForm, write_harmless};
use crate::shell::lines::{self, Line};
use crate::shell::oneshot;
use crate::shell::options::{Mode, Options};

/// What a server says last of a script.
const END: &[u8] = b"<endsession>";

/// Which script is debugged, and how far it is.
#[derive(Debug, Default)]
pub(super) struct Debugger {
    script: Option<Script>,
    phase: DebugPhase,
}

/// The script of `--eval`, its keys and arguments.
#[derive(Clone, Debug)]
struct Script {
    file: PathBuf,
    words: Vec<Vec<u8>>,
    sync: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum DebugPhase {
    #[default]
    Off,
    /// The server was told by hand to debug the next EVAL; `sync`: without a copy of itself.
    Armed { sync: bool },
    /// What is typed goes to the script; `named` where the prompt says so.
    On { sync: bool, named: bool },
}

impl Debugger {
    pub(super) fn new(options: &Options) -> Self {
        let script = match &options.mode {
            Mode::Debug { file, words, sync } => {
                Some(Script { file: file.clone(), words: words.clone(), sync: *sync })
            }
            _ => None,
        };
        Self { script, phase: DebugPhase::Off }
    }

    pub(super) fn is_on(&self) -> bool {
        matches!(self.phase, DebugPhase::On { .. })
    }

    pub(super) fn has_script(&self) -> bool {
        self.script.is_some()
    }

    /// The prompt, where it is not the usual one.
    pub(super) fn prompt(&self) -> Option<&'static str> {
        matches!(self.phase, DebugPhase::On { named: true, .. }).then_some("lua debugger> ")
    }

    /// The script is gone, with its connection.
    pub(super) fn stop(&mut self) {
        self.phase = DebugPhase::Off;
    }

    /// Takes note of what was sent by hand.
    pub(super) fn note(&mut self, words: &[Vec<u8>]) {
        let is = |at: usize, name: &str| {
            words.get(at).is_some_and(|word: &Vec<u8>| word.eq_ignore_ascii_case(name.as_bytes()))
        };
        if words.len() == 3 && is(0, "script") && is(1, "debug") {
            self.phase = match (is(2, "yes"), is(2, "sync")) {
                (false, false) => DebugPhase::Off,
                (_, sync) => DebugPhase::Armed { sync },
            };
        } else if let (DebugPhase::Armed { sync }, true) = (self.phase, is(0, "eval")) {
            self.phase = DebugPhase::On { sync, named: false };
        }
    }
}

/// Reads a line of which a script is to have all that is not for the session: code after `eval` is one word.
pub(super) fn read(line: &[u8], closing: Closing) -> Result<Line, Unbalanced> {
    let line = line.trim_ascii_end();
    for name in [&b"e"[..], b"eval"] {
        if let Some(code) = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(b" ")) {
            return Ok(Line::Command { words: vec![name.to_vec(), code.to_vec()], times: 1 });
        }
    }
    Ok(match lines::read(line, closing)? {
        Line::Help(topic) => {
            Line::Command { words: [vec![b"help".to_vec()], topic].concat(), times: 1 }
        }
        meant => meant,
    })
}

impl ShellPrompt<'_> {
    /// Has the server debug the script from its first line on; returns whether it does. A script that it cannot
    /// compile is over at once.
    pub(super) fn begin_debugging(&mut self) -> Result<Next> {
        let Some(Script { file, words, sync }) = self.debugger.script.clone() else {
            return Ok(Next::Line);
        };
        self.session.client.disconnect();
        self.debugger.stop();
        self.session.connect()?;
        self.session.printer.line(BANNER)?;
        let eval = oneshot::eval_words(&file, &words)?;
        let debug = Command::from_args(["SCRIPT", "DEBUG", if sync { "sync" } else { "yes" }]);
        let mut reply = self.session.client.request_connected(&debug, &mut ())?;
        if reply.view().as_error().is_none() {
            let eval = Command::from_args(&eval);
            reply = self.session.client.request_connected(&eval, &mut ())?;
            self.show(&reply)?;
            if !is_over(reply.view()) {
                self.debugger.phase = DebugPhase::On { sync, named: true };
                return Ok(Next::Line);
            }
            reply = self.session.client.receive(&eval, &mut ())?;
        }
        self.session.printer.line("Eval debugging session can't start:")?;
        self.session.printer.use_form(ReplyForm::Terminal);
        self.session.printer.reply(&[], reply.view())?;
        Ok(Next::End)
    }

    /// Ends the session with the script, and starts again.
    pub(super) fn restart(&mut self) -> Result<Next> {
        if !self.debugger.has_script() {
            self.session.printer.aside("Use 'restart' only in Lua debugging mode.")?;
            return Ok(Next::Line);
        }
        self.session.printer.line("")?;
        self.begin_debugging().or_else(|error| {
            self.tell(&[], error)?;
            Ok(Next::Line)
        })
    }

    /// Sends a command to the script and shows what it says; at its end, what the script has answered.
    pub(super) fn debug(&mut self, words: &[Vec<u8>]) -> Result<()> {
        let command = Command::from_args(words);
        let reply = self.session.client.request_connected(&command, &mut ())?;
        self.show(&reply)?;
        let DebugPhase::On { sync, .. } = self.debugger.phase else { return Ok(()) };
        if !is_over(reply.view()) {
            return Ok(());
        }
        let answer = self.session.client.receive(&command, &mut ())?;
        self.session.printer.use_form(ReplyForm::Terminal);
        self.session.printer.reply(&[], answer.view())?;
        let rolled_back = if sync { "" } else { " -- dataset changes rolled back" };
        self.session.printer.line(&format!("\n(Lua debugging session ended{rolled_back})\n"))?;
        self.debugger.stop();
        // The copy of the server that had the connection has ended; Valkey ends it in either mode.
        self.session.client.disconnect();
        self.reconnect();
        Ok(())
    }

    fn show(&self, reply: &Reply) -> io::Result<()> {
        let is_coloured = std::env::var("TERM").is_ok_and(|terminal| terminal.contains("xterm"));
        let mut out = io::stdout().lock();
        write_lines(reply.view(), is_coloured, &mut out)?;
        out.flush()
    }
}

const BANNER: &str = "Lua debugging session started, please use:
quit    -- End the session.
restart -- Restart the script in debug mode again.
help    -- Show Lua script debugging commands.
";

fn is_over(reply: View<'_>) -> bool {
    is_end(reply) || reply.elements().any(is_end)
}

fn is_end(line: View<'_>) -> bool {
    line.kind() == Kind::Simple && line.as_bytes().is_some_and(|text| text.starts_with(END))
}

/// Writes what a debugger says, a line each, in colours by what it is.
fn write_lines(reply: View<'_>, is_coloured: bool, out: &mut dyn Write) -> io::Result<()> {
    if !matches!(reply.kind(), Kind::Array) {
        write_line(reply, is_coloured, out)?;
    }
    for (position, line) in reply.elements().enumerate() {
        if position > 0 {
            out.write_all(b"\n")?;
        }
        write_line(line, is_coloured, out)?;
    }
    out.write_all(b"\n")
}

fn write_line(line: View<'_>, is_coloured: bool, out: &mut dyn Write) -> io::Result<()> {
    let text = line.as_error().or_else(|| line.as_bytes()).unwrap_or_default();
    if is_end(line) {
        return Ok(());
    }
    if !is_coloured || line.kind() != Kind::Simple {
        return write_harmless(text, LineEnds::Many, out);
    }
    let (bold, colour) = colour(text);
    write!(out, "\x1b[{};{colour};49m", u8::from(bold))?;
    write_harmless(text, LineEnds::Many, out)?;
    out.write_all(b"\x1b[0m")
}

/// Whether a line is bold, and its colour's number.
fn colour(line: &[u8]) -> (bool, u8) {
    let has = |mark: &str| line.windows(mark.len()).any(|part| part == mark.as_bytes());
    if let [_, second, third, digit, _, ..] = line
        && digit.is_ascii_digit()
        && (*second == b'>' || *third == b'#')
    {
        return if *second == b'>' { (false, 33) } else { (true, 37) };
    }
    // The last of these that a line has counts.
    const MARKS: [(&str, (bool, u8)); 7] = [
        ("<retval>", (false, 35)),
        ("<value>", (false, 35)),
        ("<hint>", (true, 37)),
        ("<error>", (false, 31)),
        ("<reply>", (false, 36)),
        ("<redis>", (false, 32)),
        ("<debug>", (true, 37)),
    ];
    MARKS.iter().find(|(mark, _)| has(mark)).map_or((false, 37), |(_, colour)| *colour)
}
