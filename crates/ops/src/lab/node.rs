//! One server of a lab: its folder, its process, and whether what answers on its port is this server.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_resp::Command;

use super::config;
use super::failure::Failure;
use super::record::file_error;
use crate::base::child::withhold_passwords;
use crate::{Connection, Context, Endpoint, Error, Settings, Stop};

/// How long a server may take to be ready. A server that loads its data answers, and is waited for.
const START_DEADLINE: Duration = Duration::from_secs(30);
/// How long a server may take to write its data and end.
const STOP_DEADLINE: Duration = Duration::from_secs(60);
/// How long a server may take to say who it is.
const ANSWER_DEADLINE: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(20);

const LOG_LINES: usize = 10;
const LOG_BYTES: u64 = 4096;

/// A server with a folder of its own.
#[derive(Debug)]
pub(super) struct LabServer {
    pub(super) port: u16,
    pub(super) folder: PathBuf,
    /// The process, where this process has started it.
    child: Mutex<Option<Child>>,
}

/// What answers on a node's port.
#[derive(Debug)]
pub(super) enum Presence {
    /// Nothing.
    Absent,
    /// A server or something else that is not this node.
    Foreign,
    /// This node, stopped in its tracks.
    Paused(u32),
    /// This node, though it does not answer in time.
    Silent(u32),
    /// This node.
    Here(Vitals),
}

/// What a running server says of itself.
#[derive(Clone, Debug)]
pub(super) struct Vitals {
    pub(super) process: u32,
    pub(super) version: String,
    pub(super) role: String,
    pub(super) loading: bool,
    config_file: String,
}

impl LabServer {
    /// The node of a lab in `dir`, which is an absolute path without links.
    pub(super) fn new(dir: &Path, port: u16) -> Self {
        Self { port, folder: dir.join(port.to_string()), child: Mutex::new(None) }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        Endpoint::tcp("127.0.0.1", self.port)
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the folder, which must not be there, and writes the configuration into it; or leaves no folder.
    pub(super) fn create_folder(&self, text: &str) -> Result<(), Failure> {
        fs::create_dir(&self.folder).map_err(|source| match source.kind() {
            io::ErrorKind::AlreadyExists => Failure::FolderExists { path: self.folder.clone() },
            _ => file_error(&self.folder, source),
        })?;
        let path = self.path(config::CONFIG);
        config::write(&path, text).map_err(|source| {
            let _ = fs::remove_dir_all(&self.folder);
            file_error(&path, source)
        })
    }

    /// Lets the server begin with the data of an RDB file.
    pub(super) fn link_data(&self, rdb: &Path) -> Result<(), Failure> {
        let linked = fs::canonicalize(rdb).and_then(|rdb| symlink(rdb, self.path(config::DATA)));
        linked.map_err(|source| file_error(rdb, source))
    }

    /// The password that its configuration asks of clients.
    pub(super) fn password(&self) -> Result<Option<crate::Secret>, Failure> {
        let path = self.path(config::CONFIG);
        config::password(&path).map_err(|source| file_error(&path, source))
    }

    /// Starts the server, in a process group of its own: a Ctrl-C that is meant for us does not reach it, and it outlives us.
    pub(super) fn spawn(&self, server: &Path) -> Result<(), Failure> {
        let log_path = self.path(config::LOG);
        let log = OpenOptions::new().create(true).append(true).open(&log_path);
        let log = log.map_err(|source| file_error(&log_path, source))?;
        let mut command = std::process::Command::new(server);
        command.arg(config::CONFIG).current_dir(&self.folder).stdin(Stdio::null());
        // What it says before it has read its configuration, or instead, belongs into the log too.
        command
            .stderr(log.try_clone().map_err(|source| file_error(&log_path, source))?)
            .stdout(log);
        // A locale that the machine lacks is a reason for some servers not to start.
        command.env("LC_ALL", "C");
        withhold_passwords(&mut command);
        command.process_group(0);
        let spawned = command.spawn();
        let failed = |source| Failure::Spawn { port: self.port, server: server.to_owned(), source };
        *self.child() = Some(spawned.map_err(failed)?);
        Ok(())
    }

    /// Waits until the server answers and has its data loaded.
    pub(super) fn wait_ready(
        &self,
        settings: &Settings,
        context: Context<'_>,
    ) -> Result<(), Failure> {
        let mut until = Instant::now() + START_DEADLINE;
        loop {
            if context.cancel.requested() != Stop::No {
                return Err(Error::Cancelled("the servers were not all up yet".into()).into());
            }
            if let Some(status) = self.ended()? {
                return Err(Failure::Died { port: self.port, status, log: self.log_end() });
            }
            let last_word = match self.presence(settings) {
                Ok(Presence::Here(vitals)) if !vitals.loading => return Ok(()),
                Ok(Presence::Here(_)) => {
                    until = Instant::now() + START_DEADLINE;
                    "it is loading its data".to_owned()
                }
                Ok(Presence::Foreign) => "another server answers on its port".to_owned(),
                Ok(Presence::Silent(_)) => "it does not answer".to_owned(),
                Ok(Presence::Paused(_)) => "it is paused".to_owned(),
                Ok(Presence::Absent) => "it does not listen".to_owned(),
                Err(error) => error.to_string(),
            };
            if Instant::now() > until {
                let seconds = START_DEADLINE.as_secs();
                let log = self.log_end();
                return Err(Failure::NotReady { port: self.port, seconds, what: last_word, log });
            }
            thread::sleep(POLL);
        }
    }

    /// How the process we started has ended, if it has.
    fn ended(&self) -> Result<Option<String>, Failure> {
        let mut child = self.child();
        let Some(process) = child.as_mut() else { return Ok(None) };
        let status = process.try_wait().map_err(|source| file_error(&self.folder, source))?;
        if status.is_some() {
            *child = None;
        }
        Ok(status.map(|status| status.to_string()))
    }

    /// Finds out what answers on the port. The server itself says which configuration it runs with: by
    /// that we know ours, whatever pid files and process numbers say.
    ///
    /// # Errors
    /// Those of [`Connection::call`] where it cannot be known, as when the password is wrong.
    pub(super) fn presence(&self, settings: &Settings) -> Result<Presence, Failure> {
        if let Some(process) = self.own_process().filter(|process| is_stopped(*process)) {
            return Ok(Presence::Paused(process));
        }
        let settings = Settings {
            connect_timeout: settings.connect_timeout.min(ANSWER_DEADLINE),
            timeout: settings.timeout.min(ANSWER_DEADLINE),
            ..settings.clone()
        };
        let asked =
            Connection::open(&self.endpoint(), &settings).and_then(|mut node| vitals(&mut node));
        match asked {
            Ok(Some(vitals))
                if vitals.config_file == self.path(config::CONFIG).to_string_lossy() =>
            {
                Ok(Presence::Here(vitals))
            }
            Ok(_) => Ok(Presence::Foreign),
            Err(Error::Connect { .. }) => Ok(Presence::Absent),
            Err(error) => match (self.own_process(), error) {
                (Some(process), Error::Timeout { .. }) => Ok(Presence::Silent(process)),
                (Some(_), error) => Err(error.into()),
                (None, _) => Ok(Presence::Foreign),
            },
        }
    }

    /// The process that our pid file names, if it is a living one that works in our folder.
    pub(super) fn own_process(&self) -> Option<u32> {
        let text = fs::read_to_string(self.path(config::PID)).ok()?;
        let process = text.trim().parse().ok()?;
        works_in(process, &self.folder).then_some(process)
    }

    /// Ends the server if it runs: by SHUTDOWN, so that it saves its data, and by force where it has
    /// stopped answering. Whatever else answers on the port is left alone. Returns whether there was one.
    pub(super) fn shut_down(&self, settings: &Settings) -> Result<bool, Failure> {
        self.let_go_on()?;
        match self.presence(settings)? {
            Presence::Absent | Presence::Foreign => Ok(false),
            Presence::Here(vitals) => {
                let patient = Settings { timeout: STOP_DEADLINE, ..settings.clone() };
                let mut connection = Connection::open(&self.endpoint(), &patient)?;
                match connection.call(&Command::new("SHUTDOWN")) {
                    Ok(_) | Err(Error::Closed { .. } | Error::Io { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
                self.wait_gone(vitals.process).map(|()| true)
            }
            Presence::Silent(process) | Presence::Paused(process) => {
                self.end(process).map(|()| true)
            }
        }
    }

    /// Ends a process of the server at once, without saving anything.
    pub(super) fn end(&self, process: u32) -> Result<(), Failure> {
        self.send("KILL", process)?;
        self.wait_gone(process)
    }

    /// Stops the server in its tracks, and waits until it stands still. Returns whether it ran.
    pub(super) fn pause(&self) -> Result<bool, Failure> {
        let Some(process) = self.own_process() else { return Ok(false) };
        self.send("STOP", process)?;
        // The signal is only noted when it has been sent: a busy machine stops the process later.
        self.wait_until(process, || Ok(is_stopped(process) || !works_in(process, &self.folder)))?;
        Ok(true)
    }

    /// Lets a paused server continue. Returns whether it was one.
    pub(super) fn let_go_on(&self) -> Result<bool, Failure> {
        let process = self.own_process().filter(|process| is_stopped(*process));
        process.map_or(Ok(false), |process| self.send("CONT", process).map(|()| true))
    }

    fn send(&self, name: &str, process: u32) -> Result<(), Failure> {
        signal(process, name).map_err(|source| file_error(&self.path(config::PID), source))
    }

    fn wait_gone(&self, process: u32) -> Result<(), Failure> {
        self.wait_until(process, || {
            self.ended()?;
            Ok(!works_in(process, &self.folder) && super::ports::is_free(self.port))
        })
    }

    /// Waits until `done` says that a process no longer runs.
    fn wait_until(
        &self,
        process: u32,
        done: impl Fn() -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let until = Instant::now() + STOP_DEADLINE;
        while !done()? {
            if Instant::now() > until {
                let seconds = STOP_DEADLINE.as_secs();
                return Err(Failure::StillRunning { port: self.port, process, seconds });
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends the process that we started, at once, without saving anything. Returns whether there was one.
    pub(super) fn kill(&self) -> bool {
        let Some(mut child) = self.child().take() else { return false };
        // A process that has ended cannot be killed; what matters is that it is waited for.
        let _ = child.kill();
        child.wait().is_ok()
    }

    /// The last lines of the log.
    pub(super) fn log_end(&self) -> String {
        let path = self.path(config::LOG);
        match read_end(&path) {
            Ok(text) if text.trim().is_empty() => "(it is empty)".into(),
            Ok(text) => {
                let lines: Vec<_> = text.lines().collect();
                lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
            }
            Err(error) => format!("({}: {error})", path.display()),
        }
    }
}

fn read_end(path: &Path) -> io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(LOG_BYTES)))?;
    let mut bytes = Vec::new();
    file.take(LOG_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether a living process has this working folder, as far as we can see. A process that has ended but
/// was not waited for has none.
fn works_in(process: u32, folder: &Path) -> bool {
    fs::read_link(format!("/proc/{process}/cwd")).is_ok_and(|cwd| cwd == folder)
}

/// Whether a process is stopped by a signal: its state stands behind its name, which may hold anything (proc(5)).
fn is_stopped(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat"));
    stat.is_ok_and(|stat| {
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('T'))
    })
}

/// Sends a signal by the shell's own `kill`, since std cannot and not every machine has the program.
fn signal(process: u32, name: &str) -> io::Result<()> {
    let script = format!("kill -s {name} {process}");
    let status =
        std::process::Command::new("sh").args(["-c", &script]).stdin(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("{script}: {status}"))) }
}

/// What the server says of itself; `None` where its answer is not that of a Redis or Valkey server.
fn vitals(connection: &mut Connection) -> crate::Result<Option<Vitals>> {
    let reply = connection.call(&crate::commands::info())?;
    let text = String::from_utf8_lossy(reply.view().as_bytes().unwrap_or_default());
    let field = |name: &str| {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::to_owned)
    };
    let Some(process) = field("process_id").and_then(|number| number.parse().ok()) else {
        return Ok(None);
    };
    Ok(Some(Vitals {
        process,
        version: field("valkey_version").or_else(|| field("redis_version")).unwrap_or_default(),
        role: field("role").unwrap_or_default(),
        loading: field("loading").is_some_and(|flag| flag != "0"),
        config_file: field("config_file").unwrap_or_default(),
    }))
}
