//! What is said of slots is reported once it is certain.
//!
//! Nodes are asked one after the other. While slots move, some speak of the moment before and some of the one after, which
//! looks like a dispute, and is none. So what is wrong with slots counts when all nodes have been asked again since it was
//! first seen, and it is still so.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::time::{Duration, Instant};

use redistrib_cluster_model::{Finding, SlotSet};

/// The slots that something is wrong with, as far as it is not certain.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    kinds: HashMap<Discriminant<Finding>, Doubt>,
    is_begun: bool,
}

/// Slots that are wrong in one way, and since when.
#[derive(Debug, Default)]
struct Doubt(Vec<(SlotSet, Instant)>);

impl Doubts {
    /// The findings that are certain. `oldest` is when the node was asked that has not been asked for the longest time,
    /// and `spread` the time between it and the one that was asked last. The first time all are taken as they are.
    pub(super) fn settle(
        &mut self,
        findings: Vec<Finding>,
        oldest: Instant,
        spread: Duration,
    ) -> Vec<Finding> {
        let mut wrong: HashMap<Discriminant<Finding>, SlotSet> = HashMap::new();
        for (finding, slots) in findings.iter().filter_map(|it| Some((it, slots_of(it)?))) {
            let all = wrong.entry(discriminant(finding)).or_default();
            *all = all.union(slots);
        }
        self.kinds.retain(|kind, _| wrong.contains_key(kind));
        let mut certain = HashMap::new();
        for (kind, slots) in wrong {
            certain.insert(kind, self.kinds.entry(kind).or_default().certain(&slots, oldest));
        }
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let holds = |finding: &Finding| match finding {
            // Each reported its time when it was asked.
            Finding::ClocksDiffer { apart_ms, .. } => {
                u128::from(*apart_ms) > spread.as_millis() + 1000
            }
            _ => slots_of(finding)
                .zip(certain.get(&discriminant(finding)))
                .is_none_or(|(slots, certain)| is_first || !slots.intersection(certain).is_empty()),
        };
        findings.into_iter().filter(holds).collect()
    }
}

impl Doubt {
    /// Of these slots those that all nodes have been asked about since they were first wrong.
    fn certain(&mut self, all: &SlotSet, oldest: Instant) -> SlotSet {
        let mut fresh = all.clone();
        for (slots, _) in &mut self.0 {
            *slots = slots.intersection(all);
            fresh = fresh.difference(slots);
        }
        self.0.retain(|(slots, _)| !slots.is_empty());
        if !fresh.is_empty() {
            self.0.push((fresh, Instant::now()));
        }
        let certain = self.0.iter().filter(|(_, since)| *since < oldest);
        certain.fold(SlotSet::new(), |all, (slots, _)| all.union(slots))
    }
}

/// The slots of a finding that several nodes' words make.
fn slots_of(finding: &Finding) -> Option<&SlotSet> {
    match finding {
        Finding::Disagreement { slots, .. }
        | Finding::MultipleOwners { slots, .. }
        | Finding::Uncovered { slots } => Some(slots),
        Finding::OpenSlots(open) => Some(&open.slots),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_wrong_once_all_nodes_were_asked_anew() {
        let uncovered = |slots: &str| vec![Finding::Uncovered { slots: slots.parse().unwrap() }];
        let begin = Instant::now();
        let late = begin + Duration::from_secs(3600);
        let spread = Duration::from_secs(1);
        let mut doubts = Doubts::default();
        let mut is_taken =
            |slots: &str, oldest| !doubts.settle(uncovered(slots), oldest, spread).is_empty();
        assert!(is_taken("0-9", begin), "the first look is taken as it is");
        assert!(!is_taken("0-9", begin), "nobody was asked anew");
        assert!(is_taken("0-9", late));
        assert!(!is_taken("20-29", begin), "other slots: it moves on");
        assert!(is_taken("20-29,40", late));
        assert!(!is_taken("41", begin));
    }
}
