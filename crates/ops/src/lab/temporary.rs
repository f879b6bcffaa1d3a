//! A lab for as long as a test lasts.

use std::io;
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ring::rand::{SecureRandom, SystemRandom};
use tempfile::TempDir;

use super::failure::Failure;
use super::record::file_error;
use super::{Lab, LabOptions, Layout, free_ports};
use crate::{Cancel, Context, Secret, Settings, Silent};

/// How often other ports are tried when somebody else was faster.
const ATTEMPTS: usize = 10;

/// What tests need not have: they want speed, and no data after the test. Nodes that come together serve
/// only after their node timeout.
const PASSING: [&str; 3] = ["appendonly no", "save \"\"", "cluster-node-timeout 2000"];

/// How many databases a server gets for data that may have been in any number of them.
const MANY_DATABASES: u32 = 10_000;

/// A lab on free ports in a temporary folder. Dropping it ends its servers and removes the folder; so
/// does the death of this process, however it dies.
///
/// ```no_run
/// use redistrib_ops::lab::{LabOptions, TempLab};
/// let lab = TempLab::up(LabOptions { nodes: Some(6), replicas: Some(1), ..LabOptions::default() })?;
/// assert_eq!(lab.endpoints().len(), 6);
/// # Ok::<(), redistrib_ops::lab::Failure>(())
/// ```
#[derive(Debug)]
pub struct TempLab {
    // In the order of their end: the watchdog must not see a folder that was removed and made again, and the
    // servers must be dead before their folder goes.
    watchdog: Watchdog,
    lab: Lab,
    _folder: TempDir,
}

impl TempLab {
    /// A lab as the options say, but on ports of its own choice, and without writing data to disk unless
    /// lines in `config` ask for it.
    ///
    /// # Errors
    /// Those of [`Lab::up`]; [`super::Failure::NoFreePorts`].
    pub fn up(options: LabOptions) -> Result<Self, Failure> {
        Self::up_with(options, &Settings::default())
    }

    /// Like [`TempLab::up`], for servers that need more of a connection than a password, such as TLS.
    ///
    /// # Errors
    /// Those of [`TempLab::up`].
    pub fn up_with(options: LabOptions, settings: &Settings) -> Result<Self, Failure> {
        Self::up_unless(options, settings, &Cancel::new())
    }

    /// A server that is in no cluster, with the data of an RDB file, for whoever has its password alone. It has as many
    /// databases as any file may need, and no file of its own.
    ///
    /// # Errors
    /// Those of [`Lab::up`]; [`Failure::Died`] where the program cannot load the file.
    pub fn loaded(program: &Path, rdb: &Path, cancel: &Cancel) -> Result<Self, Failure> {
        let options = LabOptions {
            nodes: Some(1),
            layout: Some(Layout::Plain),
            server: Some(program.to_owned()),
            data: Some(rdb.to_owned()),
            password: Some(some_password()?),
            config: vec![format!("databases {MANY_DATABASES}")],
            ..LabOptions::default()
        };
        Self::up_unless(options, &Settings::default(), cancel)
    }

    fn up_unless(
        mut options: LabOptions,
        settings: &Settings,
        cancel: &Cancel,
    ) -> Result<Self, Failure> {
        options.config.splice(0..0, PASSING.map(str::to_owned));
        let nodes = options.nodes.unwrap_or(super::DEFAULT_NODES);
        let mut attempt = 1;
        loop {
            options.port = Some(free_ports(nodes)?);
            match Self::try_up(&options, settings, cancel) {
                Err(failure) if failure.is_collision() && attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    fn try_up(options: &LabOptions, settings: &Settings, cancel: &Cancel) -> Result<Self, Failure> {
        let folder = tempfile::Builder::new().prefix("redis-trib-lab-").tempdir();
        let folder = folder.map_err(|source| file_error(&std::env::temp_dir(), source))?;
        let dir =
            folder.path().canonicalize().map_err(|source| file_error(folder.path(), source))?;
        let watchdog = Watchdog::start(&dir).map_err(|source| file_error(&dir, source))?;
        // A Ctrl-C that is meant for us is not for them: we may have use for them until we are done.
        let lab = Lab::up(&dir, options, settings, Context::new(&Silent, cancel))?;
        Ok(Self { watchdog, lab, _folder: folder })
    }
}

impl Deref for TempLab {
    type Target = Lab;

    fn deref(&self) -> &Lab {
        &self.lab
    }
}

impl Drop for TempLab {
    fn drop(&mut self) {
        self.watchdog.dismiss();
        for (place, node) in self.lab.nodes.iter().enumerate() {
            node.kill();
            // Somebody else may have started it again.
            let _ = self.lab.crash(place);
        }
    }
}

/// A password that nobody knows.
fn some_password() -> Result<Secret, Failure> {
    let mut bytes = [0; 16];
    let none = |_| file_error(Path::new("/dev/urandom"), io::Error::other("no random numbers"));
    SystemRandom::new().fill(&mut bytes).map_err(none)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into())
}

/// A shell that waits for our death, and then ends the servers and removes the folder.
///
/// It notices by the end of its standard input, which the system closes with the last of our process. A
/// process group of its own keeps it out of a Ctrl-C's way. A server that has been started a moment ago has yet to write
/// its pid file.
#[derive(Debug)]
struct Watchdog(Child);

impl Watchdog {
    const SCRIPT: &str = r#"
        read -r _
        for folder in "$0"/*/; do
            tries=20
            while [ -e "$folder/redis.log" ] && [ ! -s "$folder/redis.pid" ] && [ $tries -gt 0 ]; do
                sleep 0.1
                tries=$((tries - 1))
            done
            kill -s KILL "$(cat "$folder/redis.pid")"
        done
        rm -rf "$0"
    "#;

    fn start(folder: &Path) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.args(["-c", Self::SCRIPT]).arg(folder).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().map(Self)
    }

    fn dismiss(&mut self) {
        // Killed before its standard input is closed, it does nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.dismiss();
    }
}
