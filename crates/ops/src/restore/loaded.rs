//! A server for as long as it takes to read one file.

use std::path::Path;

use redistrib_resp::Reply;

use super::archive::ArchivedFile;
use crate::commands;
use crate::error::{Error, Result};
use crate::functions::{Libraries, libraries};
use crate::lab::{Failure, TempLab};
use crate::migrate::fitness::dump_some_key;
use crate::server_info;
use crate::transfer::{Server, TransferReport};
use crate::{BackupError, Cancel};

/// A server on this machine that has loaded a file. It ends with the value, and with this process.
#[derive(Debug)]
pub(super) struct Loaded {
    name: String,
    server: Server,
    _lab: TempLab,
}

/// What a file holds.
#[derive(Debug)]
pub(super) struct Content {
    /// How many keys that have not expired.
    pub(super) keys: u64,
    /// How many bytes of memory they take.
    pub(super) memory: u64,
    pub(super) functions: Libraries,
    /// The DUMP of one of the keys, if there is one that is small.
    pub(super) sample: Option<Reply>,
}

impl Loaded {
    /// # Errors
    /// [`BackupError::NoServer`], [`BackupError::NotLoaded`]; [`Error::Cancelled`].
    pub(super) fn start(program: &Path, file: &ArchivedFile, cancel: &Cancel) -> Result<Self> {
        let lab = TempLab::loaded(program, &file.path, cancel);
        let lab = lab.map_err(|failure| match failure {
            Failure::Other(error) => error,
            Failure::Died { log, .. } => {
                let writer = file.written_by().map(|it| format!(" (written by {it})"));
                let why = complaint(&log) + &writer.unwrap_or_default();
                let (server, path) = (program.to_owned(), file.path.clone());
                BackupError::NotLoaded { server, path, why }.into()
            }
            other => Error::from(BackupError::NoServer(other.to_string())),
        })?;
        let endpoint = lab.endpoints().into_iter().next();
        let endpoint = endpoint.ok_or_else(|| BackupError::NoServer("no server".into()))?;
        let server = Server::new(endpoint, lab.settings().clone());
        Ok(Self { name: file.name(), server, _lab: lab })
    }

    /// Its databases that hold keys; one where none does.
    pub(super) fn databases(&self) -> Result<Vec<Server>> {
        self.server.with_keys()
    }

    pub(super) fn look(&self) -> Result<Content> {
        let mut connection = self.server.connect()?;
        let info = server_info::ask_one(&mut connection, &[])?;
        let databases = info.databases();
        if let Some(first) = databases.keys().next() {
            connection.call(&commands::select(*first))?;
        }
        Ok(Content {
            keys: info.keys(),
            memory: info.memory_of_keys(),
            functions: libraries(&mut connection)?,
            sample: dump_some_key(&mut connection),
        })
    }

    /// The user knows the file, and not the server.
    pub(super) fn name_sources(&self, report: &mut TransferReport) {
        let endpoint = self.server.endpoint.to_string();
        for key in report.left.named.iter_mut().chain(&mut report.strays.named) {
            key.source = key.source.replace(&endpoint, &self.name);
        }
    }
}

/// What a server says in its log of a file that it does not load: before it ends, or what it finds when it looks closer.
fn complaint(log: &str) -> String {
    let mut lines = log.lines().skip_while(|line| !line.contains("RDB ERROR DETECTED"));
    let closer = lines.nth(1);
    let last = log.lines().rfind(|line| line.contains(" # ") && !line.contains("Fatal error"));
    let line = closer.or(last).or(log.lines().last()).unwrap_or_default();
    line.rsplit_once(" # ").map_or(line, |(_, text)| text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::complaint;

    #[test]
    fn of_a_log_the_line_counts_that_tells_why() {
        let version = "1:M 26 Nov 2026 06:57:47.752 * Server initialized\n\
            1:M 26 Nov 2026 06:57:47.752 # Can't handle RDB format version 13\n\
            1:M 26 Nov 2026 06:57:47.752 # Fatal error loading the DB, check server logs. Exiting.";
        assert_eq!(complaint(version), "Can't handle RDB format version 13");
        let closer = "[offset 165] Selecting DB ID 0\n--- RDB ERROR DETECTED ---\n\
            [offset 199] RDB CRC error\n[info] 2 keys read";
        assert_eq!(complaint(closer), "[offset 199] RDB CRC error");
        assert_eq!(complaint("exec: no such file"), "exec: no such file");
    }
}
