//! What `--json` prints: documents with field names that stay.

use redistrib_ops::migrate::Migrated;
use redistrib_ops::model::fitness::{Gravity, Obstacle};
use redistrib_ops::model::{Finding, Move, NodeId, Severity, SlotJob, SlotSet};
use redistrib_ops::{NodeReport, Report};
use serde::Serialize;

use crate::remedy::{self, next_step};

/// What `check`, `info` and `list` print.
#[derive(Debug, Serialize)]
pub struct ClusterDocument<'a> {
    /// The node that was asked, `host:port`.
    pub seed: String,
    /// Whether nothing worse than a notice or a warning was found.
    pub healthy: bool,
    /// All keys of the masters that answered.
    pub keys: u64,
    /// The nodes, the one asked first.
    pub nodes: Vec<NodeDocument<'a>>,
    /// What is wrong, or worth knowing.
    pub findings: Vec<FindingDocument<'a>>,
    /// The atomic migrations that servers are at.
    pub jobs: &'a [SlotJob],
}

/// One node.
#[derive(Debug, Serialize)]
pub struct NodeDocument<'a> {
    /// Its id.
    pub id: NodeId,
    /// Where it is reached, `host:port`.
    pub address: String,
    /// `master` or `replica`.
    pub role: &'static str,
    /// The id of its master, for a replica.
    pub master: Option<NodeId>,
    /// Its slots, as ranges.
    pub slots: &'a SlotSet,
    /// How many they are.
    pub slot_count: usize,
    /// Its open slots.
    pub migrating: Vec<OpenSlotDocument>,
    /// Its open slots.
    pub importing: Vec<OpenSlotDocument>,
    /// How many keys it holds; null if it did not answer.
    pub keys: Option<u64>,
    /// The bytes of memory its server uses.
    pub memory: Option<u64>,
    /// Its server's name and version.
    pub version: Option<&'a str>,
    /// How many replicas follow it.
    pub replicas: usize,
    /// Its config epoch.
    pub config_epoch: u64,
    /// Why it cannot be reached, if it cannot.
    pub failure: Option<&'a str>,
}

/// A slot on its way.
#[derive(Debug, Serialize)]
pub struct OpenSlotDocument {
    /// The slot.
    pub slot: u16,
    /// The node at the other end.
    pub peer: NodeId,
}

/// A finding, with its weight and in words.
#[derive(Debug, Serialize)]
pub struct FindingDocument<'a> {
    /// How much it matters.
    pub severity: Severity,
    /// In words.
    pub text: String,
    /// What repairs it; null for what passes by itself, or is repaired with another finding.
    pub next_step: Option<String>,
    /// Which finding it is, with its particulars.
    #[serde(flatten)]
    pub finding: &'a Finding,
}

/// What `--dry-run --json` prints of slots to move.
#[derive(Debug, Serialize)]
pub struct MovesDocument<'a> {
    /// The moves.
    pub moves: &'a [Move],
    /// How many slots they move in all.
    pub slot_count: usize,
    /// What stands in their way.
    pub obstacles: Vec<ObstacleDocument<'a>>,
}

/// What stands in the way of moves at one node, with its weight and in words.
#[derive(Debug, Serialize)]
pub struct ObstacleDocument<'a> {
    weight: Gravity,
    text: String,
    #[serde(flatten)]
    obstacle: &'a Obstacle,
}

impl<'a> ObstacleDocument<'a> {
    /// The documents of these.
    pub fn all(obstacles: &'a [Obstacle]) -> Vec<Self> {
        let document = |obstacle: &'a Obstacle| Self {
            weight: obstacle.weight(),
            text: remedy::of_obstacle(obstacle),
            obstacle,
        };
        obstacles.iter().map(document).collect()
    }
}

/// The last line of a verb that moves slots.
#[derive(Debug, Serialize)]
pub struct MigratedDocument<'a> {
    event: &'static str,
    /// What was moved.
    #[serde(flatten)]
    done: &'a Migrated,
    /// How long it took, in seconds.
    seconds: f64,
}

impl<'a> MigratedDocument<'a> {
    /// The document of what was done.
    pub fn new(done: &'a Migrated) -> Self {
        Self { event: "migrated", done, seconds: done.took.as_secs_f64() }
    }
}

impl<'a> MovesDocument<'a> {
    /// The document of these moves.
    pub fn new(moves: &'a [Move], obstacles: &'a [Obstacle]) -> Self {
        let slot_count = moves.iter().map(|it| it.slots.len()).sum();
        Self { moves, slot_count, obstacles: ObstacleDocument::all(obstacles) }
    }
}

impl<'a> ClusterDocument<'a> {
    /// The document of a report.
    pub fn new(report: &'a Report, seed: &impl ToString) -> Self {
        Self {
            seed: seed.to_string(),
            healthy: is_healthy(report),
            keys: report.keys(),
            nodes: report.nodes.iter().map(NodeDocument::new).collect(),
            findings: report.findings.iter().map(FindingDocument::new).collect(),
            jobs: &report.jobs,
        }
    }
}

/// Whether nothing worse than a warning was found.
pub fn is_healthy(report: &Report) -> bool {
    report.findings.iter().all(|finding| finding.severity() < Severity::Error)
}

/// The same, leaving out what passes by itself after a change that was not waited for.
pub fn is_mended(report: &Report) -> bool {
    let bad = |finding: &&Finding| finding.severity() == Severity::Error && !finding.is_passing();
    !report.findings.iter().any(|finding| bad(&finding))
}

impl<'a> NodeDocument<'a> {
    fn new(report: &'a NodeReport) -> Self {
        let node = &report.node;
        let open = |slots: &[(redistrib_ops::model::Slot, NodeId)]| {
            let open = slots.iter().map(|(slot, peer)| (slot.get(), *peer));
            open.map(|(slot, peer)| OpenSlotDocument { slot, peer }).collect()
        };
        Self {
            id: node.id,
            address: report.endpoint.to_string(),
            role: if node.is_master() { "master" } else { "replica" },
            master: node.master,
            slots: &node.slots,
            slot_count: node.slots.len(),
            migrating: open(&node.migrating),
            importing: open(&node.importing),
            keys: report.keys,
            memory: report.memory,
            version: report.version.as_deref(),
            replicas: report.replicas,
            config_epoch: node.config_epoch,
            failure: report.failure.as_deref(),
        }
    }
}

impl<'a> FindingDocument<'a> {
    fn new(finding: &'a Finding) -> Self {
        let (severity, text, next_step) =
            (finding.severity(), finding.to_string(), next_step(finding));
        Self { severity, text, next_step, finding }
    }
}
