//! What a lab's folder remembers of it, in `lab.json`. A folder without it holds no lab.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::failure::{Failure, HIGHEST_PORT};
use crate::Error;
use crate::base::text_file::read_text_if_there;

const FILE: &str = "lab.json";
/// The most bytes of it.
const LARGEST_RECORD: u64 = 1 << 20;

/// What the servers of a lab are to each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// A cluster, formed when the lab is made.
    #[default]
    Cluster,
    /// Servers in cluster mode that do not know each other yet.
    Nodes,
    /// Servers that are not in cluster mode.
    Plain,
}

impl Layout {
    pub(super) fn has_bus(self) -> bool {
        self != Self::Plain
    }
}

/// A lab's make-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) server: PathBuf,
    pub(super) ports: Vec<u16>,
    /// How many of the servers, the last ones, have come later and are no part of the cluster that the lab is made.
    #[serde(default)]
    pub(super) added: usize,
    pub(super) replicas: usize,
    pub(super) layout: Layout,
}

impl Record {
    /// The record in the folder, if there is one.
    pub(super) fn read(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join(FILE);
        let Some(text) = read_text_if_there(&path, LARGEST_RECORD)? else { return Ok(None) };
        let record: Self = serde_json::from_str(&text)
            .map_err(|error| Failure::Record { path: path.clone(), reason: error.to_string() })?;
        if record.added > record.ports.len() {
            return Err(Failure::Record {
                path,
                reason: "more servers added than there are".into(),
            });
        }
        if !record.ports.iter().all(|port| (1..=HIGHEST_PORT).contains(port)) {
            return Err(Failure::Record { path, reason: "a port out of range".into() });
        }
        Ok(Some(record))
    }

    /// Whether it has so many servers, or had before more were added.
    pub(super) fn has_or_had(&self, nodes: usize) -> bool {
        (self.ports.len() - self.added..=self.ports.len()).contains(&nodes)
    }

    /// Writes the record in one step, so that no reader meets half of it.
    pub(super) fn write(&self, dir: &Path) -> Result<(), Failure> {
        let (path, new) = (dir.join(FILE), dir.join(format!("{FILE}.new")));
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Failure::Record { path: path.clone(), reason: error.to_string() })?;
        fs::write(&new, text + "\n").map_err(|source| file_error(&new, source))?;
        fs::rename(&new, &path).map_err(|source| file_error(&path, source))
    }

    /// Removes the record, and with it the lab.
    pub(super) fn remove(dir: &Path) -> Result<(), Failure> {
        let path = dir.join(FILE);
        fs::remove_file(&path).map_err(|source| file_error(&path, source))
    }
}

/// A failure with a file.
pub(super) fn file_error(path: &Path, source: io::Error) -> Failure {
    Error::file(path, source).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
        let record = Record {
            server: "/a/b".into(),
            ports: vec![7000, 7001],
            added: 1,
            replicas: 1,
            layout: Layout::Cluster,
        };
        record.write(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), Some(record));
        Record::remove(dir.path()).unwrap();
        assert_eq!(Record::read(dir.path()).unwrap(), None);
    }

    #[test]
    fn a_record_that_makes_no_sense_is_named() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "",
            "{",
            "[]",
            r#"{"server":"/a","ports":[0],"replicas":1,"layout":"cluster"}"#,
            r#"{"server":"/a","ports":[65535],"replicas":1,"layout":"cluster"}"#,
            r#"{"server":"/a","ports":[7000],"replicas":-1,"layout":"cluster"}"#,
            r#"{"server":"/a","ports":[7000],"added":2,"replicas":1,"layout":"cluster"}"#,
        ] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = Record::read(dir.path()).unwrap_err().to_string();
            assert!(error.contains("lab.json: not a lab's record"), "{error}");
        }
    }
}
