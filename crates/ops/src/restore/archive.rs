//! The folder of a backup: which files there are, and whether they are as they were saved.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use redistrib_cluster_model::NodeId;
use serde::Deserialize;

use crate::base::text_file::{metadata_of_regular, read_text_if_there};
use crate::error::{Error, Result};
use crate::operations::backup::NODES;
use crate::operations::manifest::{LARGEST_MANIFEST, Manifest, digest_of};
use crate::{BackupError, Cancel};

/// What `backup` has written into a folder, or redis-cli's `--cluster backup`, which has no checksums.
///
/// ```no_run
/// use redistrib_ops::Cancel;
/// use redistrib_ops::restore::Archive;
/// let archive = Archive::open("/var/backups/redis".as_ref())?;
/// archive.verify(&Cancel::new())?;
/// println!("{} files, {} bytes", archive.files().len(), archive.bytes());
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Archive {
    files: Vec<ArchivedFile>,
    manifest: Option<Manifest>,
}

/// One master's RDB file.
#[derive(Clone, Debug)]
pub struct ArchivedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its length in bytes.
    pub bytes: u64,
    /// Its SHA-256 as the manifest has it.
    sha256: Option<String>,
    /// The server that has written it, as far as is known.
    server: String,
}

impl Archive {
    /// Finds the files of a finished backup. They are all there then, and as long as they were.
    ///
    /// # Errors
    /// [`BackupError`]; [`Error::File`](crate::Error::File).
    pub fn open(folder: &Path) -> Result<Self> {
        if let Err(source) = fs::read_dir(folder) {
            return Err(Error::file(folder, source));
        }
        let Some(manifest) = Manifest::read(folder)? else {
            let named = named_by_nodes(folder)?.into_iter();
            let found = named.map(|path| ArchivedFile::find(path, None, String::new()));
            return Ok(Self { files: found.collect::<Result<_>>()?, manifest: None });
        };
        let mut files = Vec::new();
        for saved in &manifest.files {
            let path = folder.join(&saved.file);
            let file = ArchivedFile::find(path, Some(&saved.sha256), saved.server.clone())?;
            if file.bytes != saved.bytes {
                let what = format!("it has {} bytes, and had {}", file.bytes, saved.bytes);
                return Err(BackupError::Altered { path: file.path, what }.into());
            }
            files.push(file);
        }
        Ok(Self { files, manifest: Some(manifest) })
    }

    /// Compares each file with its checksum in the manifest, if there is one.
    ///
    /// # Errors
    /// [`BackupError::Altered`]; [`Error::File`](crate::Error::File); [`Error::Cancelled`](crate::Error::Cancelled).
    pub fn verify(&self, cancel: &Cancel) -> Result<()> {
        for file in &self.files {
            let Some(expected) = &file.sha256 else { continue };
            let (_, found) = digest_of(&file.path, cancel)?;
            if found != *expected {
                let what = format!("its SHA-256 is {found}, and was {expected}");
                return Err(BackupError::Altered { path: file.path.clone(), what }.into());
            }
        }
        Ok(())
    }

    /// The files, one for each master.
    pub fn files(&self) -> &[ArchivedFile] {
        &self.files
    }

    /// What `backup` has said of them; redis-cli says nothing.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The bytes of all files together.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }
}

impl ArchivedFile {
    fn find(path: PathBuf, sha256: Option<&str>, server: String) -> Result<Self> {
        match metadata_of_regular(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(BackupError::Missing(path).into())
            }
            Err(source) => Err(Error::file(&path, source)),
            Ok(meta) => {
                Ok(Self { path, bytes: meta.len(), sha256: sha256.map(str::to_owned), server })
            }
        }
    }

    /// Its name in the folder.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// The server that has written it, as in `Valkey 9.1.0`, where that is known.
    pub(crate) fn written_by(&self) -> Option<&str> {
        Some(self.server.as_str()).filter(|server| !server.is_empty())
    }
}

/// A node as redis-cli describes it.
#[derive(Deserialize)]
struct ArchivedNode {
    name: NodeId,
    host: String,
    port: u16,
    replicate: Option<String>,
}

/// The files of a folder without a manifest: redis-cli saves each master that stands in its `nodes.json`, which it writes last.
fn named_by_nodes(folder: &Path) -> Result<Vec<PathBuf>> {
    let path = folder.join(NODES);
    let text = read_text_if_there(&path, LARGEST_MANIFEST)?;
    let text = text.ok_or_else(|| BackupError::Unfinished(folder.to_owned()))?;
    let bad = |why: String| BackupError::BadManifest { path: path.clone(), why };
    let nodes: Vec<ArchivedNode> =
        serde_json::from_str(&text).map_err(|error| bad(error.to_string()))?;
    let names = names_in(folder)?;
    let masters = nodes.iter().filter(|node| node.replicate.is_none());
    let file = |node: &ArchivedNode| {
        let ending = format!("-{}.rdb", node.name);
        let found = names.iter().find(|name| name.ends_with(&ending));
        let expected = || format!("redis-node-{}-{}{ending}", node.host, node.port);
        folder.join(found.cloned().unwrap_or_else(expected))
    };
    let files: Vec<PathBuf> = masters.map(file).collect();
    if files.is_empty() { Err(bad("it names no master".into()).into()) } else { Ok(files) }
}

fn names_in(folder: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).map_err(|source| Error::file(folder, source))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect::<io::Result<_>>().map_err(|source| Error::file(folder, source))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0123456789012345678901234567890123456789";

    fn refusal(folder: &Path) -> BackupError {
        match Archive::open(folder).unwrap_err() {
            Error::Backup(refusal) => refusal,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn what_is_not_whole_is_no_archive() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let none = Archive::open(&path("none")).unwrap_err();
        assert!(matches!(none, Error::File { .. }), "{none}");
        assert_eq!(refusal(folder.path()), BackupError::Unfinished(folder.path().to_owned()));
        fs::write(path("nodes.json"), "[]").unwrap();
        assert!(matches!(refusal(folder.path()), BackupError::BadManifest { .. }));
        let replica = format!(r#"{{"name":"{}","host":"h","port":2,"replicate":"{ID}"}}"#, ID);
        let master = format!(r#"{{"name":"{ID}","host":"h","port":1,"replicate":null}}"#);
        fs::write(path("nodes.json"), format!("[{master},{replica}]")).unwrap();
        let file = path(&format!("redis-node-h-1-{ID}.rdb"));
        assert_eq!(refusal(folder.path()), BackupError::Missing(file));
        let theirs = path(&format!("valkey-node-h-1-{ID}.rdb"));
        fs::write(&theirs, "REDIS0011").unwrap();
        let archive = Archive::open(folder.path()).unwrap();
        assert_eq!((archive.files()[0].path.clone(), archive.bytes()), (theirs.clone(), 9));
        assert!(archive.manifest().is_none() && archive.verify(&Cancel::new()).is_ok());
        // What could be read without an end, or block, is not read at all.
        fs::remove_file(&theirs).unwrap();
        std::os::unix::fs::symlink("/dev/zero", &theirs).unwrap();
        let endless = Archive::open(folder.path()).unwrap_err();
        assert!(endless.to_string().contains("is no regular file"), "{endless}");
    }
}
