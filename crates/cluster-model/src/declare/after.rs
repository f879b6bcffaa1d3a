//! What steps make of a cluster.

use super::{Change, Observed, Owner};
use crate::SlotSet;

impl Observed {
    /// The cluster as it is after a change.
    pub fn after(&self, change: &Change) -> Observed {
        let mut after = self.clone();
        match change {
            Change::Create { masters, replicas } => {
                for Owner { node, slots } in masters {
                    after.enter(node, None);
                    after.give(node, slots);
                }
                replicas.iter().for_each(|it| after.enter(&it.node, Some(&it.master)));
            }
            Change::Configure { nodes, settings, .. } => {
                let nodes = after.nodes.iter_mut().filter(|seen| nodes.contains(&seen.at));
                nodes.for_each(|seen| seen.settings.extend(settings.clone()));
            }
            Change::Join { node, master } => after.enter(node, master.as_deref()),
            Change::Follow { node, master } => after.enter(node, Some(master)),
            Change::Failover { node, master } => after.succeed(node, master),
            Change::MoveSlots { moves } => moves.iter().for_each(|it| {
                after.take(&it.from, &it.slots);
                after.give(&it.to, &it.slots);
            }),
            Change::Leave { node, .. } => {
                if let Some(seen) = after.node_mut(node) {
                    (seen.is_member, seen.master) = (false, None);
                }
            }
        }
        after
    }

    fn enter(&mut self, node: &str, master: Option<&str>) {
        if let Some(seen) = self.node_mut(node) {
            (seen.is_member, seen.master) = (true, master.map(str::to_owned));
        }
    }

    fn give(&mut self, node: &str, slots: &SlotSet) {
        if let Some(seen) = self.node_mut(node) {
            seen.slots = seen.slots.union(slots);
        }
    }

    fn take(&mut self, node: &str, slots: &SlotSet) {
        if let Some(seen) = self.node_mut(node) {
            seen.slots = seen.slots.difference(slots);
        }
    }

    fn succeed(&mut self, successor: &str, master: &str) {
        let slots = self.node(master).map(|seen| seen.slots.clone()).unwrap_or_default();
        self.take(master, &slots);
        self.give(successor, &slots);
        for seen in &mut self.nodes {
            if seen.at == successor {
                seen.master = None;
            } else if seen.at == master || seen.master.as_deref() == Some(master) {
                seen.master = Some(successor.to_owned());
            }
        }
    }
}
