//! A cluster's data and shape in a folder: an RDB file for each master, and `nodes.json`.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use redistrib_cluster_model::{NodeId, Severity, Slot, SlotRange};
use serde::Serialize;

use crate::error::{Error, Result};
use crate::{Cluster, Context, Endpoint, Member, MoveError, Step};

/// What was written for one master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Saved {
    /// The master.
    pub node: NodeId,
    /// Its RDB file.
    pub file: PathBuf,
    /// The file's length in bytes.
    pub bytes: u64,
}

/// Saves the data of every master and the shape of the cluster (`nodes.json`, in redis-cli's form) into the folder `into`, which must exist.
/// Each file is complete or absent: it is written beside its place and renamed at the end. Only its owner may read it.
///
/// The names of the RDB files begin with what the servers are called: `server` is `redis` or `valkey`.
///
/// The files are each consistent in themselves, not with one another: writes go on in between.
///
/// # Errors
/// [`Error::Move`] for a master that cannot be reached, before anything is written; [`Error::File`]; those of
/// [`crate::Connection::dump`]. The files that were complete by then stay.
pub fn backup(
    cluster: &Cluster,
    into: &Path,
    server: &str,
    context: Context<'_>,
) -> Result<Vec<Saved>> {
    for master in cluster.masters() {
        if let Some(failure) = master.failure() {
            let (purpose, why) = ("for a backup", failure.to_string());
            return Err(MoveError::SilentMaster { master: master.id(), purpose, why }.into());
        }
    }
    let mut saved = Vec::new();
    for master in cluster.masters() {
        let file = into.join(file_name(server, master.endpoint(), master.id()));
        context.step(Step::Other { text: format!("Node {} -> Saving RDB...", master.endpoint()) });
        let connection = cluster.connect(master.id())?;
        let mut bytes = 0;
        write_whole(&file, |sink| {
            bytes = connection.dump(sink, context.cancel)?;
            Ok(())
        })?;
        saved.push(Saved { node: master.id(), file, bytes });
    }
    let errors = errors(cluster);
    let nodes = cluster.members().iter().map(|member| Entry::new(member, errors));
    let nodes: Vec<Entry> = nodes.collect();
    let path = into.join("nodes.json");
    let text_of_step = format!("Saving cluster configuration to: {}", path.display());
    context.step(Step::Other { text: text_of_step });
    let text =
        serde_json::to_string_pretty(&nodes).map_err(|error| file_error(&path, error.into()))?;
    write_whole(&path, |sink| {
        sink.write_all(text.as_bytes()).map_err(|source| file_error(&path, source))
    })?;
    Ok(saved)
}

/// How many things are wrong with the cluster, which whoever restores the backup should know.
fn errors(cluster: &Cluster) -> usize {
    let findings = cluster.snapshot().findings();
    findings.iter().filter(|finding| finding.severity() == Severity::Error).count()
}

/// A node in `nodes.json`, as redis-cli's `--cluster backup` writes it.
#[derive(Serialize)]
struct Entry {
    name: NodeId,
    host: String,
    port: u16,
    replicate: Option<NodeId>,
    /// The first and the last slot of each range; of a single slot, that alone.
    slots: Vec<Vec<Slot>>,
    slots_count: usize,
    flags: String,
    current_epoch: u64,
    #[serde(skip_serializing_if = "is_zero")]
    cluster_errors: usize,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    migrating: BTreeMap<Slot, NodeId>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    importing: BTreeMap<Slot, NodeId>,
}

impl Entry {
    fn new(member: &Member, cluster_errors: usize) -> Self {
        let (node, endpoint) = (member.node(), member.endpoint());
        let range = |range: SlotRange| match range.len() {
            1 => vec![range.first()],
            _ => vec![range.first(), range.last()],
        };
        let flags = node.flags.to_string();
        let flags: Vec<&str> = flags.split(',').filter(|flag| *flag != "myself").collect();
        Self {
            name: node.id,
            host: endpoint.host().to_owned(),
            port: endpoint.port().unwrap_or_default(),
            replicate: node.master,
            slots: node.slots.ranges().map(range).collect(),
            slots_count: node.slots.len(),
            flags: flags.join(","),
            current_epoch: node.config_epoch,
            cluster_errors,
            migrating: node.migrating.iter().copied().collect(),
            importing: node.importing.iter().copied().collect(),
        }
    }
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn file_name(server: &str, endpoint: &Endpoint, id: NodeId) -> String {
    let host = endpoint.host().replace([':', '/', '%'], "_");
    format!("{server}-node-{host}-{}-{id}.rdb", endpoint.port().unwrap_or_default())
}

/// Writes a file that only its owner may read. It is complete or absent: it is written beside its place and renamed at
/// the end.
///
/// # Errors
/// [`Error::File`], and those of `fill`.
pub fn write_whole(
    path: &Path,
    fill: impl FnOnce(&mut BufWriter<File>) -> Result<()>,
) -> Result<()> {
    let partial = path.with_extension("part");
    let failed = |source| file_error(path, source);
    let mut sink = BufWriter::new(create_private(&partial).map_err(failed)?);
    let filled = fill(&mut sink);
    if filled.is_err() {
        let _ = fs::remove_file(&partial);
        return filled;
    }
    let file = sink.into_inner().map_err(|error| failed(error.into_error()))?;
    file.sync_all().map_err(failed)?;
    fs::rename(&partial, path).map_err(failed)
}

/// A new file that only its owner may read: what it gets is all that the cluster knows. One that an interrupted backup
/// has left is not written to, since others may read that.
fn create_private(path: &Path) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn file_error(path: &Path, source: std::io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}
