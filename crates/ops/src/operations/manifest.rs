//! What a backup's folder says of itself: `manifest.json`, which is written last, so that without it nothing is finished.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redistrib_cluster_model::{NodeId, SlotSet};
use ring::digest::{Context as Digest, SHA256};
use serde::{Deserialize, Serialize};

use crate::base::text_file::read_text_if_there;
use crate::error::{Error, Result};
use crate::{BackupError, Cancel, Stop};

/// The file in a backup's folder.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The number that is raised when an older program could not restore what a newer one has saved.
const FORMAT: u32 = 1;
/// The most bytes of a file that describes a backup: a thousand masters need half of a million.
pub(crate) const LARGEST_MANIFEST: u64 = 16 << 20;
/// How much of a file is read at a time.
const CHUNK: usize = 256 * 1024;

/// What was saved of one master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Saved {
    /// The master.
    pub node: NodeId,
    /// Its RDB file; in the manifest the bare name.
    pub file: PathBuf,
    /// The file's length in bytes.
    pub bytes: u64,
    /// The file's SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// Where the master was.
    pub address: String,
    /// The slots it owned.
    pub slots: SlotSet,
    /// Its databases that held keys, with about how many: writes went on.
    pub databases: BTreeMap<u32, u64>,
    /// Its family and version, as in `Valkey 9.1.0`; empty where it did not say.
    pub server: String,
}

/// All that was saved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    format: u32,
    /// The program that has saved it, with its version.
    pub tool: String,
    /// When it was through, in seconds since 1970.
    pub time: u64,
    /// A file for each master.
    pub files: Vec<Saved>,
}

impl Manifest {
    /// Of a backup that is done now.
    pub(crate) fn new(files: Vec<Saved>) -> Self {
        let tool = concat!("redis-trib ", env!("CARGO_PKG_VERSION")).to_owned();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        Self { format: FORMAT, tool, time: since.as_secs(), files }
    }

    /// The manifest of a backup; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::File`]; [`BackupError::BadManifest`].
    pub fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(MANIFEST);
        let Some(text) = read_text_if_there(&path, LARGEST_MANIFEST)? else { return Ok(None) };
        let bad = |why: String| BackupError::BadManifest { path: path.clone(), why };
        let manifest: Self = serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
        if manifest.format > FORMAT {
            return Err(bad(format!("a newer program has written it ({})", manifest.tool)).into());
        }
        // Whoever hands a folder over must not have us read from elsewhere.
        let mut names = BTreeSet::new();
        for saved in &manifest.files {
            if !is_bare_name(&saved.file) {
                return Err(bad(format!("{:?} is no file of this folder", saved.file)).into());
            }
            if !names.insert(&saved.file) {
                return Err(bad(format!("it names {:?} twice", saved.file)).into());
            }
        }
        if manifest.files.is_empty() {
            return Err(bad("it names no file".into()).into());
        }
        Ok(Some(manifest))
    }
}

fn is_bare_name(path: &Path) -> bool {
    let mut parts = path.components();
    matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None))
}

/// A sink that counts and digests what goes through it.
pub(crate) struct Digesting<W> {
    sink: W,
    bytes: u64,
    digest: Digest,
}

impl<W: Write> Digesting<W> {
    pub(crate) fn new(sink: W) -> Self {
        Self { sink, bytes: 0, digest: Digest::new(&SHA256) }
    }

    /// The number of bytes and their SHA-256 in hexadecimal digits.
    pub(crate) fn finish(self) -> (u64, String) {
        let digits = self.digest.finish();
        let digits = digits.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        (self.bytes, digits)
    }
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = self.sink.write(buffer)?;
        self.bytes += written as u64;
        self.digest.update(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// The length and the SHA-256 of a file.
///
/// # Errors
/// [`Error::File`]; [`Error::Cancelled`].
pub(crate) fn digest_of(path: &Path, cancel: &Cancel) -> Result<(u64, String)> {
    let failed = |source| Error::file(path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mut digesting = Digesting::new(io::sink());
    let mut buffer = vec![0; CHUNK];
    loop {
        if cancel.requested() != Stop::No {
            return Err(Error::Cancelled("nothing was changed".into()));
        }
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok(digesting.finish()),
            read => digesting.write_all(&buffer[..read]).map_err(failed)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::Command;

    use super::*;

    fn saved(file: &str) -> Saved {
        Saved {
            node: NodeId::from_bytes([1; 20]),
            file: file.into(),
            bytes: 3,
            sha256: "ab".repeat(32),
            address: "h:1".into(),
            slots: "0-9".parse().unwrap(),
            databases: BTreeMap::from([(0, 1), (9, 2)]),
            server: "Valkey 9.1.0".into(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), None);
        let manifest = Manifest::new(vec![saved("a.rdb")]);
        let text = serde_json::to_string(&manifest).unwrap();
        fs::write(folder.path().join(MANIFEST), text).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), Some(manifest));
    }

    #[test]
    fn a_manifest_that_leads_elsewhere_or_makes_no_sense_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let newer = Manifest { format: FORMAT + 1, ..Manifest::new(vec![saved("a.rdb")]) };
        let of = |file| serde_json::to_string(&Manifest::new(vec![saved(file)])).unwrap();
        for text in [
            of("../a.rdb"),
            of("/etc/passwd"),
            of(".."),
            of(""),
            serde_json::to_string(&newer).unwrap(),
            serde_json::to_string(&Manifest::new(Vec::new())).unwrap(),
            "{".to_owned(),
            of("a.rdb")[..40].to_owned(),
        ] {
            fs::write(folder.path().join(MANIFEST), &text).unwrap();
            let refused = Manifest::read(folder.path()).unwrap_err();
            let is_bad = matches!(refused, Error::Backup(BackupError::BadManifest { .. }));
            assert!(is_bad, "{text}: {refused}");
        }
        // Nobody writes to this pipe: it must not be waited for.
        fs::remove_file(folder.path().join(MANIFEST)).unwrap();
        let pipe = Command::new("mkfifo").arg(folder.path().join(MANIFEST)).status().unwrap();
        assert!(pipe.success());
        assert!(matches!(Manifest::read(folder.path()), Err(Error::File { .. })));
    }

    #[test]
    fn a_digest_is_that_of_sha256sum() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_of(&path, &Cancel::new()).unwrap(), (3, expected.to_owned()));
    }
}
