//! A cluster's data and shape in a folder: an RDB file for each master, `nodes.json`, and a manifest of it all.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::Write;
use std::path::{Path, PathBuf};

use redistrib_cluster_model::{NodeId, Severity, Slot, SlotRange, SlotSet};
use serde::Serialize;

use super::manifest::{Digesting, MANIFEST, Manifest, Saved};
use crate::base::whole_file::{Partial, remove, write_whole};
use crate::error::{Error, Result};
use crate::{BackupError, Cluster, Context, Endpoint, Member, MoveError, Step, server_info};

/// redis-cli's account of the cluster's shape.
pub(crate) const NODES: &str = "nodes.json";

/// Saves the data of every master and the shape of the cluster (`nodes.json`, in redis-cli's form) into the folder `into`,
/// which is made where it is not there, and says last what it has saved (`manifest.json`, see [`Manifest`]). Only their owner
/// may read the files. Those of an earlier backup are overwritten once all data has come.
///
/// The names of the RDB files begin with what the servers are called: `server` is `redis` or `valkey`.
///
/// The files are each of one moment, not all of the same: writes continue in between. Slots must not move meanwhile.
///
/// # Errors
/// [`Error::Move`](crate::Error::Move) for a master that cannot be reached, before anything is written;
/// [`Error::File`](crate::Error::File); those of
/// [`crate::Connection::dump`]; [`BackupError::SlotsMoved`]. What an earlier backup has left is there then as it was.
pub fn backup(
    cluster: &mut Cluster,
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
    make_folder(into)?;
    let before = owners(cluster);
    let mut parts = Vec::new();
    for id in cluster.masters().map(Member::id).collect::<Vec<_>>() {
        parts.push(save(cluster, id, into, server, context)?);
    }
    cluster.refresh();
    if owners(cluster) != before {
        return Err(BackupError::SlotsMoved.into());
    }
    for file in [MANIFEST, NODES] {
        remove(&into.join(file))?;
    }
    let mut files = Vec::new();
    for (part, saved) in parts {
        part.keep()?;
        files.push(saved);
    }
    write_nodes(cluster, &into.join(NODES), context)?;
    write_json(&into.join(MANIFEST), &Manifest::new(files.clone()))?;
    let whole = |saved: Saved| Saved { file: into.join(&saved.file), ..saved };
    Ok(files.into_iter().map(whole).collect())
}

/// The owner of each slot.
fn owners(cluster: &Cluster) -> BTreeMap<NodeId, SlotSet> {
    let masters = cluster.masters().filter(|member| !member.node().slots.is_empty());
    masters.map(|member| (member.id(), member.node().slots.clone())).collect()
}

/// Saves the data of a master beside the place of its file.
fn save(
    cluster: &mut Cluster,
    id: NodeId,
    into: &Path,
    server: &str,
    context: Context<'_>,
) -> Result<(Partial, Saved)> {
    let info = server_info::ask_one(cluster.member_mut(id)?.connection()?, &[])?;
    let master = cluster.member(id)?;
    let file = PathBuf::from(file_name(server, master.endpoint(), id));
    context.step(Step::SavingData { node: master.endpoint().to_string() });
    let connection = cluster.connect(id)?;
    let path = into.join(&file);
    let mut part = Partial::create(&path)?;
    let mut digesting = Digesting::new(&mut part.sink);
    connection.dump(&mut digesting, context.cancel).map_err(|error| match error {
        Error::Unwritten { source, .. } => Error::file(&path, source),
        other => other,
    })?;
    let (bytes, sha256) = digesting.finish();
    let saved = Saved {
        node: id,
        file,
        bytes,
        sha256,
        address: master.endpoint().to_string(),
        slots: master.node().slots.clone(),
        databases: info.databases(),
        server: info.version().unwrap_or_default(),
    };
    Ok((part, saved))
}

fn write_nodes(cluster: &Cluster, path: &Path, context: Context<'_>) -> Result<()> {
    let errors = errors(cluster);
    let nodes = cluster.members().iter().map(|member| NodeEntry::new(member, errors));
    context.step(Step::SavingShape { file: path.display().to_string() });
    write_json(path, &nodes.collect::<Vec<_>>())
}

fn write_json(path: &Path, content: &impl Serialize) -> Result<()> {
    let text =
        serde_json::to_string_pretty(content).map_err(|error| Error::file(path, error.into()))?;
    write_whole(path, |sink| {
        sink.write_all(text.as_bytes()).map_err(|source| Error::file(path, source))
    })
}

/// How many things are wrong with the cluster, which whoever restores the backup should know.
fn errors(cluster: &Cluster) -> usize {
    let findings = cluster.snapshot().findings();
    findings.iter().filter(|finding| finding.severity() == Severity::Error).count()
}

/// A node in `nodes.json`, as redis-cli's `--cluster backup` writes it.
#[derive(Serialize)]
struct NodeEntry {
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

impl NodeEntry {
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

/// A folder that only its owner may look into, unless it is there already.
fn make_folder(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(|source| Error::file(path, source))
}
