//! Backups that cannot be made, read or brought back.

use std::path::PathBuf;

/// Why a backup cannot be made, or not be restored. Nothing has been changed by then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Slots got other owners while their data was saved.
    #[error(
        "slots have changed their owners while the data was saved, so that keys may be missing in it: the backup was not \
         kept; make it again when the cluster is at rest"
    )]
    SlotsMoved,
    /// A folder without a manifest and without `nodes.json`.
    #[error("{}: holds no finished backup: manifest.json, which is written last, is not there, nor nodes.json", .0.display())]
    Unfinished(PathBuf),
    /// What says which files there are cannot be relied on.
    #[error("{}: {why}", path.display())]
    BadManifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file of the backup is not there.
    #[error("{}: is missing, and the backup is not whole without it", .0.display())]
    Missing(PathBuf),
    /// A file is not as it was saved.
    #[error("{}: is not as it was saved: {what}", path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// In what it differs.
        what: String,
    },
    /// The local server that is to read a file cannot be had, or does not read it.
    #[error("{}", .0)]
    NoServer(String),
    /// A server ended over a file that it was to load.
    #[error("{} does not load {}: {why}", server.display(), path.display())]
    NotLoaded {
        /// The server program.
        server: PathBuf,
        /// The file.
        path: PathBuf,
        /// What the server says, and who has written the file.
        why: String,
    },
    /// A server that is to take the keys is in no state for it.
    #[error("{server} {why}")]
    Unfit {
        /// The server.
        server: String,
        /// What is wrong with it.
        why: String,
    },
    /// A server has other functions under the names of those of the backup.
    #[error("{server} has other functions than the backup in {libraries}")]
    OtherFunctions {
        /// The server.
        server: String,
        /// The names of the libraries.
        libraries: String,
    },
}
