//! What is said of slots is told once it is certain.
//!
//! Nodes are asked one after the other. While slots move, some speak of the moment before and some of the one after, which
//! looks like a dispute, and is none. So what is wrong with slots counts when all nodes have been asked anew since it was
//! first seen, and it is still so.

use std::time::{Duration, Instant};

use redistrib_cluster_model::{Finding, SlotSet};

/// The slots that something is wrong with, as far as it is not certain, and since when.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    since: Vec<(SlotSet, Instant)>,
    is_begun: bool,
}

impl Doubts {
    /// The findings that are certain. `oldest` is when the node was asked that has not been asked for the longest time,
    /// and `spread` the time between it and the one that was asked last. The first time all are taken as they are.
    pub(super) fn settle(
        &mut self,
        findings: Vec<Finding>,
        oldest: Instant,
        spread: Duration,
    ) -> Vec<Finding> {
        let all =
            findings.iter().filter_map(slots_of).fold(SlotSet::new(), |all, it| all.union(it));
        let mut fresh = all.clone();
        for (slots, _) in &mut self.since {
            *slots = slots.intersection(&all);
            fresh = fresh.difference(slots);
        }
        self.since.retain(|(slots, _)| !slots.is_empty());
        let now = Instant::now();
        if !fresh.is_empty() {
            self.since.push((fresh, now));
        }
        let is_first = !std::mem::replace(&mut self.is_begun, true);
        let certain = self.since.iter().filter(|(_, since)| is_first || *since < oldest);
        let certain = certain.fold(SlotSet::new(), |all, (slots, _)| all.union(slots));
        let holds = |finding: &Finding| match finding {
            // Each told its time when it was asked.
            Finding::ClocksDiffer { apart_ms, .. } => {
                u128::from(*apart_ms) > spread.as_millis() + 1000
            }
            _ => slots_of(finding).is_none_or(|slots| !slots.intersection(&certain).is_empty()),
        };
        findings.into_iter().filter(holds).collect()
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
        let mut told =
            |slots: &str, oldest| !doubts.settle(uncovered(slots), oldest, spread).is_empty();
        assert!(told("0-9", begin), "the first look is taken as it is");
        assert!(!told("0-9", begin), "nobody was asked anew");
        assert!(told("0-9", late));
        assert!(!told("20-29", begin), "other slots: it moves on");
        assert!(told("20-29,40", late));
        assert!(!told("41", begin));
    }
}
