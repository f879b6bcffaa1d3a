//! The cluster as it is, as far as a declared one concerns it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{NodeId, SlotSet};

/// The nodes of a cluster, and those that are to come into it.
///
/// Nodes are called by their addresses: a declared one as its file writes it, another as the cluster does. Ids change
/// when nodes start again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// All of them, each once.
    pub nodes: Vec<ObservedNode>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedNode {
    /// Its address.
    pub at: String,
    /// Its id.
    pub id: NodeId,
    /// Whether it is a member of the cluster.
    pub is_member: bool,
    /// Whether it answers.
    pub is_up: bool,
    /// The address of the master that it follows.
    pub master: Option<String>,
    /// The slots that it owns.
    pub slots: SlotSet,
    /// What it has for the settings that are declared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
}

impl ObservedNode {
    /// A node that belongs nowhere yet.
    pub fn stranger(at: impl Into<String>, id: NodeId) -> Self {
        Self {
            at: at.into(),
            id,
            is_member: false,
            is_up: true,
            master: None,
            slots: SlotSet::new(),
            settings: BTreeMap::new(),
        }
    }

    /// Whether it has these settings.
    pub(crate) fn has_settings(&self, settings: &BTreeMap<String, String>) -> bool {
        let has = |(name, value): (&String, &String)| {
            self.settings.get(name).is_some_and(|has| is_same(has, value))
        };
        settings.iter().all(has)
    }

    /// Whether it owns slots.
    pub fn is_owner(&self) -> bool {
        !self.slots.is_empty()
    }
}

impl Observed {
    /// The node of this address.
    pub fn node(&self, at: &str) -> Option<&ObservedNode> {
        self.nodes.iter().find(|node| node.at == at)
    }

    pub(super) fn node_mut(&mut self, at: &str) -> Option<&mut ObservedNode> {
        self.nodes.iter_mut().find(|node| node.at == at)
    }

    /// The nodes that are members.
    pub fn members(&self) -> impl Iterator<Item = &ObservedNode> {
        self.nodes.iter().filter(|node| node.is_member)
    }

    /// The members that follow this one and answer.
    pub(crate) fn good_replicas(&self, master: &str) -> usize {
        let follows = |node: &&ObservedNode| node.is_up && node.master.as_deref() == Some(master);
        self.members().filter(follows).count()
    }

    /// The slots that have an owner.
    pub fn covered(&self) -> SlotSet {
        self.members().fold(SlotSet::new(), |all, node| all.union(&node.slots))
    }
}

/// Whether what a server reports for a setting is what was declared: the same text, or the same number of bytes.
///
/// ```
/// use redistrib_cluster_model::declare::is_same;
/// assert!(is_same("1073741824", "1gb") && !is_same("1000000000", "1gb"));
/// ```
pub fn is_same(has: &str, declared: &str) -> bool {
    has == declared || bytes(declared).is_some_and(|size| bytes(has) == Some(size))
}

/// A size as servers read it: `1gb` is 2^30 bytes, `1g` 10^9.
fn bytes(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" => 1000,
        "kb" => 1 << 10,
        "m" => 1_000_000,
        "mb" => 1 << 20,
        "g" => 1_000_000_000,
        "gb" => 1 << 30,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit)
}
