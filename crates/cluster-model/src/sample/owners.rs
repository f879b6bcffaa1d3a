//! Who owns which slots, followed through samples in which nodes speak of different moments.

use std::collections::BTreeMap;

use super::{News, Sample};
use crate::{NodeId, Slot, SlotSet};

/// The last known owner of each slot.
///
/// Nodes are asked one after the other, so that a slot on its way can have two owners in a sample, or none. Of two the
/// one whose claim is newer counts, and where nobody claims a slot, it is still that of the one who had it.
#[derive(Clone, Debug, Default)]
pub struct Owners(Vec<Option<NodeId>>);

impl Owners {
    /// Takes in a sample, and returns which slots have another owner than before; of the first one nothing is news.
    pub fn follow(&mut self, sample: &Sample) -> Vec<News> {
        let is_first = self.0.is_empty();
        self.0.resize(usize::from(Slot::COUNT), None);
        let mut claims: Vec<_> = sample.masters().map(|it| &it.node).collect();
        claims.sort_by_key(|node| node.config_epoch);
        let mut now = vec![None; self.0.len()];
        for node in claims {
            node.slots.iter().for_each(|slot| now[usize::from(slot.get())] = Some(node.id));
        }
        let mut moved: BTreeMap<(Option<NodeId>, NodeId), SlotSet> = BTreeMap::new();
        for (slot, owner) in Slot::all().zip(now) {
            let known = &mut self.0[usize::from(slot.get())];
            if let Some(owner) = owner.filter(|owner| *known != Some(*owner)) {
                moved.entry((*known, owner)).or_default().insert(slot);
                *known = Some(owner);
            }
        }
        if is_first { Vec::new() } else { moved.into_iter().map(|it| news(it, sample)).collect() }
    }

    /// The last known owner of a slot.
    pub fn owner(&self, slot: Slot) -> Option<NodeId> {
        self.0.get(usize::from(slot.get())).copied().flatten()
    }
}

fn news(((from, to), slots): ((Option<NodeId>, NodeId), SlotSet), sample: &Sample) -> News {
    let name = |id: NodeId| sample.node(id).map_or_else(|| id.to_string(), |it| it.address.clone());
    News::Moved { slots, from: from.map(name), to: name(to) }
}

#[cfg(test)]
mod tests {
    use super::super::{Detail, Figures, NodeSample, NodeState};
    use super::*;
    use crate::Topology;

    fn sample(lines: &[&str]) -> Sample {
        let nodes = Topology::parse(lines.join("\n")).unwrap().nodes.into_iter();
        let nodes = nodes.map(|node| NodeSample {
            address: node.address.to_string(),
            node,
            state: NodeState::Up,
            failure: None,
            age_ms: 0,
            detail: Detail::default(),
            figures: Figures::default(),
        });
        let nodes = nodes.collect();
        let (seed, findings, jobs) = (String::new(), Vec::new(), Vec::new());
        Sample { at_ms: 0, elapsed_ms: 0, seed, nodes, findings, jobs, holder: None }
    }

    #[test]
    fn slots_on_their_way_are_told_once_they_have_arrived() {
        let a = |slots: &str| {
            format!("{} h:1@2 myself,master - 0 0 1 connected{slots}", "a".repeat(40))
        };
        let b = |slots: &str| format!("{} h:2@3 master - 0 0 2 connected{slots}", "b".repeat(40));
        let mut owners = Owners::default();
        let mut news = |one: &str, other: &str| {
            let news = owners.follow(&sample(&[&a(one), &b(other)]));
            news.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(news(" 0-99", ""), [] as [&str; 0]);
        assert_eq!(
            news(" 50-99", ""),
            [] as [&str; 0],
            "the one has given them, the other not told yet"
        );
        assert_eq!(news(" 50-99", " 0-49"), ["50 slots went from h:1 to h:2"]);
        assert_eq!(
            news(" 50-99", " 0-59"),
            ["10 slots went from h:1 to h:2"],
            "the newer claim counts"
        );
        assert_eq!(news(" 60-99", " 0-59"), [] as [&str; 0]);
        assert_eq!(news(" 60-100", " 0-59"), ["1 slot that nobody had is h:1's"]);
    }
}
