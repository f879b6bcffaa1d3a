//! The history and the file it is kept in: plain lines, as redis-cli writes them.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::shell::options::Peer;

/// The most lines that are kept.
pub(super) const MOST_LINES: usize = 1000;

/// The history file: the one that `REDISCLI_HISTFILE` names, or `.rediscli_history` in the home folder, which
/// redis-cli uses too; as valkey-cli `VALKEYCLI_HISTFILE` comes before that, and `.valkeycli_history` in its place.
/// `None` keeps none.
pub(super) fn file(peer: Peer) -> Option<PathBuf> {
    choose(peer.dotfile("HISTFILE"), std::env::home_dir(), peer)
}

fn choose(named: Option<PathBuf>, home: Option<PathBuf>, peer: Peer) -> Option<PathBuf> {
    match named {
        Some(file) if file.as_os_str().is_empty() || file == *"/dev/null" => None,
        Some(file) => Some(file),
        None => Some(home?.join(format!(".{}_history", peer.short_name()))),
    }
}

/// The last lines of the file, which is cut to them once it has twice as many. Bytes that are not UTF-8
/// are replaced.
pub(super) fn load(file: &Path) -> Vec<String> {
    let bytes = fs::read(file).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let recent = lines.split_at(lines.len().saturating_sub(MOST_LINES)).1.to_vec();
    if lines.len() > 2 * MOST_LINES {
        // A file that cannot be cut stays long.
        let _ = fs::write(file, recent.join("\n") + "\n");
    }
    recent
}

/// Adds a line. A new file is for its owner's eyes alone.
///
/// # Errors
/// Those of the file.
pub(super) fn append(file: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).mode(0o600).open(file)?;
    file.write_all(format!("{line}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_lines_go_in_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("history");
        assert!(load(&file).is_empty());
        for number in 0..=2 * MOST_LINES {
            append(&file, &format!("get {number}")).unwrap();
        }
        let lines = load(&file);
        assert_eq!((lines.len(), lines[0].as_str()), (MOST_LINES, "get 1001"));
        assert_eq!(load(&file), lines);
        assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), MOST_LINES);
    }

    #[test]
    fn the_variable_comes_first() {
        let home = Some(PathBuf::from("/home/tom"));
        let choose = |named: Option<&str>, home: &Option<PathBuf>, peer| {
            choose(named.map(PathBuf::from), home.clone(), peer)
        };
        for (peer, name) in
            [(Peer::RedisCli, ".rediscli_history"), (Peer::ValkeyCli, ".valkeycli_history")]
        {
            assert_eq!(choose(None, &home, peer), Some(format!("/home/tom/{name}").into()));
            assert_eq!(choose(Some("/tmp/h"), &home, peer), Some("/tmp/h".into()));
            assert_eq!(choose(Some("/dev/null"), &home, peer), None);
            assert_eq!(choose(None, &None, peer), None);
        }
    }
}
