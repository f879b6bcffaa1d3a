//! Files of text that may be anybody's.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::error::{Error, Result};

/// Reads a file of text. One that does not end, as a device or a pipe may be, is refused once more than `most` bytes have come.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::FileTooLarge`]; [`io::ErrorKind::InvalidData`] for what is no UTF-8.
///
/// ```
/// use std::{io::ErrorKind, path::Path};
/// use redistrib_ops::read_text;
///
/// let refused = read_text(Path::new("/dev/zero"), 1000).unwrap_err();
/// assert_eq!(refused.kind(), ErrorKind::FileTooLarge);
/// ```
pub fn read_text(path: &Path, most: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    let read = File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if read as u64 > most {
        let what = format!("more than {most} bytes are too many");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, what));
    }
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// What the system says of a regular file. Neither a pipe, to which nobody may ever write, nor a device is one.
///
/// # Errors
/// Those of the system; one for what is no regular file.
pub(crate) fn metadata_of_regular(path: &Path) -> io::Result<fs::Metadata> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() { Ok(metadata) } else { Err(io::Error::other("is no regular file")) }
}

/// [`read_text`] for a file that stands in a folder of ours or of another's; `None` where there is none. What is no regular
/// file is not opened.
///
/// # Errors
/// [`Error::File`] for those of [`metadata_of_regular`] and [`read_text`], but for a missing file.
pub(crate) fn read_text_if_there(path: &Path, most: u64) -> Result<Option<String>> {
    match metadata_of_regular(path).and_then(|_| read_text(path, most)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(|source| Error::file(path, source)),
    }
}
