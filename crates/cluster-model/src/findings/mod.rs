//! What is wrong with a cluster, from what its nodes say.

mod display;
mod finding;
mod membership;
mod open_slots;
mod ownership;
mod servers;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use finding::{Finding, Severity};
pub use membership::separate_black_listed;
pub use open_slots::{OpenFlag, OpenKind, OpenSlots, OpenState};
pub use servers::{Lag, SETTINGS, replication_lag};
pub(crate) use survey::SnapshotIndex;

use crate::{Address, NodeId, ServerInfo, SlotJob, SlotSet, Snapshot};

/// A node as a finding names it: displayed as its address, or as its id where no address is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeLabel {
    /// Its id.
    pub id: NodeId,
    /// Its address, `host:port`; where it was reached, if it does not know its own. Empty if
    /// nothing is known.
    pub address: String,
}

/// What one group of nodes says about slots on which nodes disagree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opinion {
    /// The nodes that say so.
    pub nodes: Vec<NodeLabel>,
    /// Who owns which of the disputed slots, as they say.
    pub owners: Vec<(NodeLabel, SlotSet)>,
    /// The disputed slots that nobody owns, as they say.
    pub unowned: SlotSet,
}

/// Why a node says `cluster_state:fail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum DownReason {
    /// It knows no owner of some slots.
    SlotsWithoutOwner {
        /// How many.
        slots: u64,
    },
    /// Masters that have failed, as it sees them, own slots.
    SlotsOfFailedMasters {
        /// How many.
        slots: u64,
    },
    /// It cannot reach more than half of the masters that own slots.
    NoMajority {
        /// How many of them it reaches, itself included if it is one.
        seen: u64,
        /// How many there are.
        masters: u64,
    },
    /// It sees nothing wrong any more, and waits for a moment before it serves: after its start, or after it was cut off.
    Waiting,
}

/// What the servers of a cluster report beside their views of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reported<'a> {
    /// In the order of the views, `None` for one that did not say: the fields of `INFO` and `CLUSTER INFO`, and
    /// [`SETTINGS`] as far as it reports them.
    pub servers: &'a [Option<ServerInfo>],
    /// Who did not answer a question though it had answered before, and why.
    pub failures: &'a [(NodeId, String)],
    /// Who may not be asked what, beside `INFO` and `CLUSTER INFO`.
    pub withheld: &'a [(NodeId, &'static str)],
    /// What waits to be sent on the cluster bus.
    pub backlogs: &'a [Backlog],
    /// The atomic migrations that they are at.
    pub jobs: &'a [SlotJob],
    /// Servers other than a member that answer by its id: the id, and where they answer.
    pub same_id: &'a [(NodeId, Address)],
}

/// What a node has to send to another on the cluster bus (`CLUSTER LINKS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Who sends.
    pub from: NodeId,
    /// Who has not taken it.
    pub to: NodeId,
    /// How many bytes.
    pub bytes: u64,
}

impl Snapshot {
    /// All that is wrong with the cluster: nodes first, then slots, then replication.
    ///
    /// The cost grows with the size of the views together; a thousand views of a thousand nodes
    /// take well under a second.
    pub fn findings(&self) -> Vec<Finding> {
        let survey = SnapshotIndex::new(self);
        let mut findings = Vec::new();
        membership::unreachable(self, &mut findings);
        membership::same_address(&survey, &mut findings);
        membership::failed(&survey, &mut findings);
        membership::bus_links(&survey, &mut findings);
        membership::unknown(&survey, &mut findings);
        ownership::disagreement(&survey, &mut findings);
        findings.extend(self.open_slots().into_iter().map(Finding::OpenSlots));
        ownership::coverage(&survey, &mut findings);
        ownership::multiple_owners(&survey, &mut findings);
        ownership::epochs(&survey, &mut findings);
        membership::replication(&survey, &mut findings);
        membership::taken_for_masters(&survey, &mut findings);
        findings
    }

    /// Addresses under which some node knows one that answers elsewhere and says so, each once. Another server may answer
    /// there by the same id: see [`Reported::same_id`].
    pub fn elsewhere(&self) -> Vec<(NodeId, Address)> {
        membership::elsewhere(&SnapshotIndex::new(self))
    }

    /// The nodes without a connection of the bus to another that answers, though nobody considers that one failed.
    pub fn without_links(&self) -> BTreeSet<NodeId> {
        let survey = SnapshotIndex::new(self);
        let seen = survey.seen(|node| node.lacks_link() && survey.answers(node.id));
        seen.into_iter().map(|(viewer, _)| viewer).collect()
    }

    /// [`Snapshot::findings`], and what the servers report about themselves.
    pub fn diagnosis(&self, reported: Reported<'_>) -> Vec<Finding> {
        let mut findings = self.findings();
        let survey = SnapshotIndex::new(self);
        membership::same_id(self, reported.same_id, &mut findings);
        let servers = servers::Servers::new(self, &survey, reported.servers);
        servers.unknown(reported, &mut findings);
        servers.findings(&mut findings);
        membership::backlogs(&survey, reported.backlogs, &mut findings);
        membership::jobs(&survey, reported.jobs, &mut findings);
        membership::redundancy(&survey, &mut findings);
        findings
    }
}
