//! The prompt, and lines from standard input where that is no terminal.

mod commands;
mod debugger;
mod editor;
mod ended;
mod help;
mod hints;
mod history;
mod syntax;

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;
use std::time::Duration;

use anyhow::Result;
use redistrib_ops::{Credentials, Endpoint, Error};
use rustyline::ExternalPrinter as _;
use rustyline::error::ReadlineError;

use super::failure::is_goodbye;
use super::lines::{self, Line};
use super::options::{Options, Peer};
use super::printer::WAITING;
use super::session::{OutputReader, ShellSession};
use crate::escape::Escaped;
use commands::Commands;
use debugger::Debugger;
use editor::Editor;

/// How long a server may take to list its commands.
const HELP_PATIENCE: Duration = Duration::from_secs(2);

/// Whether the session continues after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Line,
    End,
}

/// Reads and executes lines until the user leaves; returns whether all commands were answered without error,
/// which counts only for lines from a file or pipe.
pub(super) fn run(options: &Options) -> Result<bool> {
    let mut prompt = ShellPrompt::new(options);
    if io::stdin().is_terminal() { prompt.interact() } else { prompt.read_all() }
}

/// Prints help on a topic, of the server's commands where there is one.
pub(super) fn help(options: &Options, topic: &[Vec<u8>]) -> Result<bool> {
    let mut prompt = ShellPrompt::new(options);
    help::show(topic, &prompt.load_commands(), options.peer)?;
    Ok(true)
}

/// Prints the hint behind a line.
pub(super) fn hint(options: &Options, line: &str) -> Result<bool> {
    let hint = hints::hint(&ShellPrompt::new(options).load_commands(), line);
    writeln!(io::stdout(), "{}", hint.as_deref().unwrap_or("(null)"))?;
    Ok(true)
}

/// Compares hints with those of a file.
pub(super) fn compare_hints(options: &Options, file: &Path) -> Result<bool> {
    hints::compare(&ShellPrompt::new(options).load_commands(), file)
}

/// The lines of standard input, read one ahead: meanwhile messages may come.
fn lines_of_stdin() -> io::Result<Receiver<io::Result<Vec<u8>>>> {
    let (sender, lines) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        let mut input = io::stdin().lock();
        loop {
            let mut line = Vec::new();
            let read = input.read_until(b'\n', &mut line);
            let is_last = !matches!(read, Ok(1..));
            if !matches!(read, Ok(0)) && sender.send(read.map(|_| line)).is_err() || is_last {
                return;
            }
        }
    })?;
    Ok(lines)
}

struct ShellPrompt<'a> {
    options: &'a Options,
    session: ShellSession,
    /// The server that the user has chosen; where redirections lead is its cluster.
    server: Endpoint,
    debugger: Debugger,
    fine: bool,
}

impl<'a> ShellPrompt<'a> {
    fn new(options: &'a Options) -> Self {
        let server = options.endpoint.clone();
        let debugger = Debugger::new(options);
        Self {
            options,
            session: ShellSession::new(options, OutputReader::Person),
            server,
            debugger,
            fine: true,
        }
    }

    /// Lines from standard input, as redis-cli reads them: an error ends nothing.
    fn read_all(&mut self) -> Result<bool> {
        // Before the first line is there: that no server is may be all there is to learn.
        if self.begin()? == Next::End {
            return Ok(true);
        }
        self.session.takes_commands_subscribed = true;
        self.session.takes_lines = true;
        let lines = lines_of_stdin()?;
        while let Some(line) = self.next_line(&lines)? {
            if self.take(&line, None)? == Next::End {
                break;
            }
        }
        Ok(self.fine || !self.options.exit_on_error)
    }

    /// The next line, none at their end; while subscribed, messages are printed until it is there.
    fn next_line(&mut self, lines: &Receiver<io::Result<Vec<u8>>>) -> Result<Option<Vec<u8>>> {
        let mut line = None;
        if self.session.state.is_subscribed() {
            self.session.print_messages(|| match lines.try_recv() {
                Ok(next) => {
                    line = Some(next);
                    true
                }
                Err(error) => error == TryRecvError::Disconnected,
            })?;
        }
        Ok(line.or_else(|| lines.recv().ok()).transpose()?)
    }

    /// Lines from the user.
    fn interact(&mut self) -> Result<bool> {
        ended::end_on_signals();
        let cancel = self.session.cancel.clone();
        // Without a handler Ctrl-C ends the program: worse, but no reason not to begin.
        let _ = ctrlc::set_handler(move || cancel.press());
        if self.begin()? == Next::End {
            return Ok(true);
        }
        let mut editor = Editor::new(self.load_commands(), self.options.peer)?;
        // A terminal that cannot move its cursor has no place above the prompt.
        self.session.takes_commands_subscribed =
            io::stdout().is_terminal() && editor.printer().is_ok();
        self.load_preferences(&mut editor)?;
        loop {
            match self.read(&mut editor) {
                Ok(text) => {
                    self.session.cancel.clear();
                    if self.take_lines(&text, &mut editor)? == Next::End {
                        return Ok(true);
                    }
                }
                Err(ReadlineError::Interrupted | ReadlineError::Eof)
                    if self.session.state.is_subscribed() =>
                {
                    self.leave_subscribed_mode()?;
                }
                // The line is given up, not the session, whether by the key or by a signal from outside.
                Err(ReadlineError::Interrupted | ReadlineError::Signal(_)) => {}
                Err(ReadlineError::Eof) => return Ok(true),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Connects, or begins with the script that is to be debugged.
    fn begin(&mut self) -> Result<Next> {
        if self.debugger.has_script() {
            return self.begin_debugging();
        }
        if let Err(error) = self.session.connect() {
            self.session.complain(&error.into());
        }
        Ok(Next::Line)
    }

    /// Reads a line; while subscribed, messages are printed above it as they come.
    fn read(&mut self, editor: &mut Editor) -> rustyline::Result<String> {
        let prompt = self.prompt();
        if !self.session.state.is_subscribed() {
            return editor.read(&prompt);
        }
        let mut above = editor.printer()?;
        let done = AtomicBool::new(false);
        let session = &mut self.session;
        let (line, watched) = thread::scope(|scope| {
            let watching = thread::Builder::new().spawn_scoped(scope, || {
                // A terminal that is gone ends the reading of lines, too.
                session.watch_messages(&done, |text| drop(above.print(text)))
            });
            let line = editor.read(&prompt);
            done.store(true, Ordering::Release);
            // Without a thread messages wait for the next line.
            (line, watching.map(thread::ScopedJoinHandle::join))
        });
        if let Ok(Ok(Err(error))) = watched {
            self.session.complain(&error.into());
            self.session.disconnected();
        }
        line
    }

    /// Ends all subscriptions by a new connection.
    fn leave_subscribed_mode(&mut self) -> Result<()> {
        let server = self.options.peer.server();
        self.session.printer.line(&format!(
            "Closing current connection. Ready to reconnect to {server} server... "
        ))?;
        self.session.client.disconnect();
        self.session.disconnected();
        self.reconnect();
        Ok(())
    }

    /// Does what was entered at once says: each line of it by itself.
    fn take_lines(&mut self, text: &str, editor: &mut Editor) -> Result<Next> {
        for line in text.lines() {
            if self.session.cancel.requested() != redistrib_ops::Stop::No {
                break;
            }
            let was_subscribed = self.session.state.is_subscribed();
            let asked = self.asked_for_help();
            if self.take(line.as_bytes(), Some(editor))? == Next::End {
                return Ok(Next::End);
            }
            if self.session.state.is_subscribed() && !was_subscribed {
                self.session.printer.line(WAITING)?;
            }
            // Between MULTI and EXEC the question would be queued.
            if self.asked_for_help() != asked && !self.session.state.is_bound() {
                editor.set_commands(self.load_commands());
            }
        }
        Ok(Next::Line)
    }

    /// Which server answers what its commands are, and whom: who may not ask is told nothing. A script that is debugged
    /// answers in its place.
    fn asked_for_help(&self) -> (Endpoint, Option<Credentials>, bool) {
        let credentials = self.session.client.settings().credentials.clone();
        (self.server.clone(), credentials, self.debugger.is_on())
    }

    /// What the server says of its commands, or the table where there is none.
    fn load_commands(&mut self) -> Commands {
        let peer = self.options.peer;
        if self.debugger.is_on() {
            return Commands::none();
        }
        match self.session.client.connection() {
            Ok(link) => {
                // A server that is asked for nothing but help must not hold the prompt up.
                let usual = link.timeout();
                link.set_timeout(HELP_PATIENCE);
                let commands = Commands::load(link, peer);
                link.set_timeout(usual);
                commands
            }
            Err(_) => Commands::from_table(peer),
        }
    }

    /// `host:port[db](TX)> `, or `not connected> `.
    fn prompt(&mut self) -> String {
        if !self.session.client.is_connected() {
            self.session.disconnected();
            self.debugger.stop();
            return "not connected> ".into();
        }
        if let Some(prompt) = self.debugger.prompt() {
            return prompt.into();
        }
        let state = &self.session.state;
        let database = match state.database {
            0 => String::new(),
            number => format!("[{number}]"),
        };
        let subscribed = if state.is_subscribed() { "(subscribed mode)" } else { "" };
        let transaction = if state.in_transaction { "(TX)" } else { "" };
        let node = match self.session.client.endpoint() {
            Endpoint::Unix(path) => format!("redis {}", path.display()),
            tcp => tcp.to_string(),
        };
        Escaped(format!("{node}{database}{transaction}{subscribed}> ")).to_string()
    }

    /// Does what a line says.
    fn take(&mut self, line: &[u8], editor: Option<&mut Editor>) -> Result<Next> {
        let read = if self.debugger.is_on() { debugger::read } else { lines::read };
        let Ok(line) = read(line, self.options.peer.closing()) else {
            self.session.printer.aside("Invalid argument(s)")?;
            return Ok(Next::Line);
        };
        match line {
            Line::Nothing => {}
            Line::Quit => return Ok(Next::End),
            Line::Restart => return self.restart(),
            Line::Clear => {
                write!(io::stdout(), "\x1b[H\x1b[2J")?;
                io::stdout().flush()?;
            }
            Line::Help(topic) => match &editor {
                Some(editor) => help::show(&topic, editor.commands(), self.options.peer)?,
                None => help::show(&topic, &self.load_commands(), self.options.peer)?,
            },
            Line::Connect { host, port } => self.go_to(&Endpoint::tcp(host, port)),
            Line::Preference(words) => self.prefer(&words, editor)?,
            Line::WrongTimes => {
                let name = self.options.peer.name();
                let text = format!("Invalid {name} repeat command option value.");
                self.session.printer.aside(&text)?;
            }
            Line::Wrong(text) => self.session.printer.aside(&text)?,
            Line::Command { words, times } => self.execute(&words, times)?,
        }
        Ok(Next::Line)
    }

    fn go_to(&mut self, endpoint: &Endpoint) {
        self.session.state.end_transaction();
        self.session.client.disconnect();
        self.session.client.go_to(endpoint);
        self.server = endpoint.clone();
        if let Err(error) = self.session.connect() {
            self.session.complain(&error.into());
        }
    }

    /// Executes a command; trouble with the connection is reported and ends nothing. As with redis-cli, `-r` is for a command
    /// from the command line alone.
    fn execute(&mut self, words: &[Vec<u8>], times: u64) -> Result<()> {
        self.debugger.note(words);
        for left in (0..times).rev() {
            if self.session.cancel.requested() != redistrib_ops::Stop::No {
                break;
            }
            if self.debugger.is_on() {
                match self.debug(words) {
                    Ok(()) => continue,
                    Err(error) => return self.tell(words, error),
                }
            }
            match self.session.execute(words) {
                Ok(fine) => self.fine &= fine,
                Err(error) => return self.tell(words, error),
            }
            self.reconnect();
            if left > 0 {
                thread::sleep(self.options.repeat.interval);
            }
        }
        Ok(())
    }

    /// Where the connection was given up on purpose, a new one is made for the next command.
    fn reconnect(&mut self) {
        if !self.session.client.is_connected() && !self.session.is_hung_up() {
            // The next command fails if it cannot be had.
            let _ = self.session.connect();
        }
    }

    fn tell(&mut self, words: &[Vec<u8>], error: anyhow::Error) -> Result<()> {
        if error.downcast_ref::<io::Error>().is_some() {
            return Err(error);
        }
        if let Some(Error::Cancelled(_)) = error.downcast_ref() {
            self.session.complain(&error);
            self.session.disconnected();
            self.debugger.stop();
            self.reconnect();
            return Ok(());
        }
        if !is_goodbye(words, &error) {
            self.fine = false;
            self.session.complain(&error);
        }
        self.session.disconnected();
        self.debugger.stop();
        Ok(())
    }

    /// Does what a `:` command says, typed or from the preferences file.
    fn prefer(&mut self, words: &[Vec<u8>], editor: Option<&mut Editor>) -> Result<()> {
        if let Some(text) = self.set_preference(words, editor) {
            self.session.printer.aside(&Escaped(text).to_string())?;
        }
        Ok(())
    }

    /// Sets a preference; returns what is to be said of it.
    fn set_preference(&mut self, words: &[Vec<u8>], editor: Option<&mut Editor>) -> Option<String> {
        let text: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let name = |at: usize| text.get(at).map(|word| word.to_ascii_lowercase());
        let peer = self.options.peer;
        match (name(0).as_deref(), name(1).as_deref()) {
            (Some(":set"), Some(hints @ ("hints" | "nohints"))) => {
                if let Some(editor) = editor {
                    editor.show_hints(hints == "hints");
                }
                None
            }
            (Some(":get"), Some("pubsub")) if peer == Peer::ValkeyCli => {
                Some(u8::from(self.session.state.is_subscribed()).to_string())
            }
            (Some(":set"), Some(_)) => {
                Some(format!("unknown {} preference '{}'", peer.name(), text.get(1)?))
            }
            _ => Some(format!("unknown {} internal command '{}'", peer.name(), text.first()?)),
        }
    }

    /// Does what the lines of the preferences file say: the one that `REDISCLI_RCFILE` names, or `.redisclirc` in the
    /// home folder; as valkey-cli `VALKEYCLI_RCFILE` and `.valkeyclirc`.
    fn load_preferences(&mut self, editor: &mut Editor) -> Result<()> {
        let name = format!(".{}rc", self.options.peer.short_name());
        let named = self.options.peer.dotfile("RCFILE");
        let Some(file) = named.or_else(|| Some(std::env::home_dir()?.join(&name))) else {
            return Ok(());
        };
        // Most users have none.
        let lines = std::fs::read(file).unwrap_or_default();
        for line in lines.split(|&byte| byte == b'\n') {
            let Ok(words) = redistrib_ops::words::split(line) else { continue };
            if words.is_empty() {
                continue;
            }
            if let Some(complaint) = self.set_preference(&words, Some(editor)) {
                let text = format!("{name}: {complaint}");
                self.session.printer.aside(&Escaped(text).to_string())?;
            }
        }
        Ok(())
    }
}
