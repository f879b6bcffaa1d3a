//! Files that are written as a whole or not at all, for their owner alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::error::{Error, Result};

/// Writes a file that only its owner may read. It is complete or absent: it is written beside its place and renamed at
/// the end. A device or a pipe, as `/dev/stdout`, is written to as it is: a file in its place would be the end of it.
///
/// # Errors
/// [`Error::File`], and those of `fill`.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        let file = OpenOptions::new().write(true).open(path);
        let mut sink = BufWriter::new(file.map_err(|source| Error::file(path, source))?);
        fill(&mut sink)?;
        return sink.flush().map_err(|source| Error::file(path, source));
    }
    let mut partial = Partial::create(path)?;
    fill(&mut partial.sink)?;
    partial.keep()
}

/// A file that is written beside its place, and gone unless it is kept.
pub(crate) struct Partial {
    path: PathBuf,
    pub(crate) sink: BufWriter<File>,
    kept: bool,
}

impl Partial {
    pub(crate) fn create(path: &Path) -> Result<Self> {
        let file = create_private(&beside(path)).map_err(|source| Error::file(path, source))?;
        Ok(Self { path: path.to_owned(), sink: BufWriter::new(file), kept: false })
    }

    /// Puts it in its place.
    pub(crate) fn keep(mut self) -> Result<()> {
        let placed = self.sink.flush().and_then(|()| self.sink.get_ref().sync_all());
        placed
            .and_then(|()| fs::rename(beside(&self.path), &self.path))
            .map_err(|source| Error::file(&self.path, source))?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(beside(&self.path));
        }
    }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    path.with_file_name(name)
}

/// A new file that only its owner may read, since it may get all data of a cluster. One that an interrupted run has left
/// is not written to: others may be able to read that.
fn create_private(path: &Path) -> io::Result<File> {
    remove_file(path)?;
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<()> {
    remove_file(path).map_err(|source| Error::file(path, source))
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Read;
    use std::os::unix::fs::FileTypeExt;

    use super::*;

    fn write(path: &Path) {
        write_whole(path, |sink| {
            sink.write_all(b"whole").map_err(|source| Error::file(path, source))
        })
        .unwrap();
    }

    #[test]
    fn a_file_that_is_saved_takes_the_place_of_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let [saved, other] = ["x.rdb", "x.part"].map(|name| folder.path().join(name));
        fs::write(&other, "another's").unwrap();
        write(&saved);
        assert_eq!(fs::read(&saved).unwrap(), b"whole");
        assert_eq!(fs::read(&other).unwrap(), b"another's");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_cannot_be_put_in_its_place_is_gone() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("place");
        fs::create_dir(&place).unwrap();
        Partial::create(&place).unwrap().keep().unwrap_err();
        assert!(!beside(&place).exists());
    }

    /// Where root had a plan saved in a device, the device was gone.
    #[test]
    fn what_is_no_file_is_written_to_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let mut reader = OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
        write(&pipe);
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        let mut text = [0; 5];
        reader.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"whole");
    }
}
