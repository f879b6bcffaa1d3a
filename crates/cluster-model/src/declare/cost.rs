//! What steps cost, by what the servers report about themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Change, DeclaredMove, Observed, ObservedNode, Plan, PlanStep};
use crate::tally::restored_ever;
use crate::{ServerInfo, SlotCounts, SlotSet};

/// What a step moves or copies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// The slots that change their owner.
    pub slots: usize,
    /// The keys that go over, as they were counted.
    pub keys: u64,
    /// About how many bytes of memory they take at their source; `None` where it does not say.
    pub bytes: Option<u64>,
    /// About how many milliseconds `MIGRATE` takes over the keys at the pace it had so far; `None` where the servers have not moved
    /// any, or do not say, and for what is copied to a replica.
    pub millis: Option<u64>,
}

/// What costs are reckoned from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CostFigures {
    /// What each master holds, by its address.
    pub held: BTreeMap<String, Holdings>,
    /// How many keys there are in the slots that move.
    pub counts: SlotCounts,
    /// How fast keys went so far.
    pub pace: KeySpeed,
}

/// What a master holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holdings {
    /// Its keys, all databases together.
    pub keys: u64,
    /// The memory that they take, in bytes (`used_memory_dataset`).
    pub bytes: Option<u64>,
}

/// How fast keys went by `MIGRATE`, all nodes together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeySpeed {
    /// The keys that were taken (`RESTORE-ASKING`).
    pub keys: u64,
    /// How long the sources were at it (`MIGRATE`).
    pub time: Duration,
}

impl Holdings {
    /// What a server reports of it.
    pub fn of(info: &ServerInfo) -> Self {
        Self { keys: info.keys(), bytes: info.number("used_memory_dataset") }
    }

    /// As large a part of the bytes as these are of the keys.
    fn part(&self, keys: u64) -> Option<u64> {
        if keys == 0 {
            return Some(0);
        }
        let part = u128::from(self.bytes?) * u128::from(keys) / u128::from(self.keys.max(keys));
        u64::try_from(part).ok()
    }
}

impl KeySpeed {
    /// What nodes report (`INFO commandstats`), each with whether it is a master: replicas repeat what their masters take, but
    /// one that gave slots as a master has its own time of it.
    pub fn of<'a>(nodes: impl Iterator<Item = (&'a ServerInfo, bool)>) -> Self {
        nodes.fold(Self::default(), |sum, (info, is_master)| {
            let keys = if is_master { restored_ever(info) } else { 0 };
            let micros = info.of_command("migrate", "usec").unwrap_or_default();
            Self {
                keys: sum.keys.saturating_add(keys),
                time: sum.time.saturating_add(Duration::from_micros(micros)),
            }
        })
    }

    /// How many milliseconds so many keys take.
    fn millis(&self, keys: u64) -> Option<u64> {
        let millis = u128::from(keys) * self.time.as_micros() / 1000;
        u64::try_from(millis.checked_div(u128::from(self.keys))?).ok().filter(|_| keys > 0)
    }
}

impl Cost {
    /// Both, one after the other.
    fn and(self, other: Self) -> Self {
        let both = |one: Option<u64>, two: Option<u64>| Some(one?.saturating_add(two?));
        Self {
            slots: self.slots + other.slots,
            keys: self.keys.saturating_add(other.keys),
            bytes: both(self.bytes, other.bytes),
            millis: match (self.keys, other.keys) {
                (0, _) => other.millis,
                (_, 0) => self.millis,
                _ => both(self.millis, other.millis),
            },
        }
    }
}

impl Plan {
    /// Writes to each step what it costs.
    pub fn price(&mut self, figures: &CostFigures) {
        let mut held = figures.held.clone();
        for step in &mut self.steps {
            step.cost = match &step.change {
                Change::Join { master: Some(master), .. } | Change::Follow { master, .. } => {
                    held.get(master).map(|held| copy(*held))
                }
                Change::Failover { node, master } => {
                    let has = held.get(master).copied().unwrap_or_default();
                    held.insert(node.clone(), has);
                    None
                }
                Change::MoveSlots { moves } => Some(transfers(moves, figures, &mut held)),
                _ => None,
            };
        }
    }

    /// What all slots cost that move.
    pub fn moved(&self) -> Cost {
        self.sum(|change| matches!(change, Change::MoveSlots { .. }))
    }

    /// What all replicas copy.
    pub fn copied(&self) -> Cost {
        self.sum(|change| !matches!(change, Change::MoveSlots { .. }))
    }

    fn sum(&self, which: impl Fn(&Change) -> bool) -> Cost {
        let costs = self.steps.iter().filter(|step| which(&step.change)).filter_map(|it| it.cost);
        costs.fold(Cost { bytes: Some(0), ..Cost::default() }, Cost::and)
    }

    /// The nodes whose keys and bytes [`Plan::price`] has to know: who gives slots, who is copied.
    pub fn sources(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().flat_map(|PlanStep { change, .. }| match change {
            Change::Join { master: Some(at), .. }
            | Change::Follow { master: at, .. }
            | Change::Failover { master: at, .. } => vec![at.as_str()],
            Change::MoveSlots { moves } => {
                moves.iter().flat_map(|it| [it.from.as_str(), it.to.as_str()]).collect()
            }
            _ => Vec::new(),
        })
    }

    /// The slots that move, each with its owner before the first step.
    pub fn moving<'a>(
        &'a self,
        observed: &'a Observed,
    ) -> impl Iterator<Item = (&'a str, SlotSet)> {
        let moves = self.steps.iter().filter_map(|step| match &step.change {
            Change::MoveSlots { moves } => Some(moves),
            _ => None,
        });
        let all = moves.flatten().fold(SlotSet::new(), |all, it| all.union(&it.slots));
        let part = move |seen: &'a ObservedNode| (seen.at.as_str(), seen.slots.intersection(&all));
        observed.members().map(part).filter(|(_, slots)| !slots.is_empty())
    }
}

fn copy(Holdings { keys, bytes }: Holdings) -> Cost {
    Cost { slots: 0, keys, bytes: if keys == 0 { Some(0) } else { bytes }, millis: None }
}

/// Moves that share no node run side by side: the node that has most to send and to take is what the rest waits for.
fn transfers(
    moves: &[DeclaredMove],
    figures: &CostFigures,
    held: &mut BTreeMap<String, Holdings>,
) -> Cost {
    let mut all = Cost { bytes: Some(0), ..Cost::default() };
    let mut busy: BTreeMap<&str, u64> = BTreeMap::new();
    for DeclaredMove { from, to, slots } in moves {
        let counts = slots.iter().filter_map(|slot| figures.counts.get(&slot));
        let keys = counts.fold(0u64, |sum, count| sum.saturating_add(*count));
        let source = held.entry(from.clone()).or_default();
        let bytes = source.part(keys);
        source.keys = source.keys.saturating_sub(keys);
        source.bytes = source.bytes.zip(bytes).map(|(has, gone)| has.saturating_sub(gone));
        let target = held.entry(to.clone()).or_default();
        target.keys = target.keys.saturating_add(keys);
        target.bytes = target.bytes.zip(bytes).map(|(has, come)| has.saturating_add(come));
        for node in [from, to] {
            let busy = busy.entry(node).or_default();
            *busy = busy.saturating_add(keys);
        }
        all = all.and(Cost { slots: slots.len(), keys, bytes, millis: None });
    }
    let longest = busy.into_values().max().unwrap_or_default();
    Cost { millis: figures.pace.millis(longest), ..all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::slots;

    fn transfer(from: &str, to: &str, moved: &str) -> DeclaredMove {
        DeclaredMove { from: from.into(), to: to.into(), slots: slots(moved) }
    }

    fn priced(changes: Vec<Change>, figures: &CostFigures) -> Plan {
        let step = |change| PlanStep { change, lowers: Vec::new(), cost: None };
        let steps = changes.into_iter().map(step).collect();
        let mut plan = Plan { steps, notes: Vec::new() };
        plan.price(figures);
        plan
    }

    fn figures(pace: KeySpeed) -> CostFigures {
        let has = |keys, bytes| Holdings { keys, bytes: Some(bytes) };
        let held = [("a", has(30, 3000)), ("b", has(10, 500)), ("c", has(0, 70))];
        let counts = slots("0-9").iter().map(|slot| (slot, 1)).collect();
        CostFigures { held: held.map(|(at, held)| (at.into(), held)).into(), counts, pace }
    }

    #[test]
    fn moves_side_by_side_cost_the_time_of_the_busiest_node() {
        let moves = vec![transfer("a", "c", "0-5"), transfer("b", "d", "6-9")];
        let pace = KeySpeed { keys: 1000, time: Duration::from_secs(2) };
        let plan = priced(vec![Change::MoveSlots { moves }], &figures(pace));
        // A fifth of the bytes of a, and two fifths of those of b; six keys at 2 ms each.
        let cost = Cost { slots: 10, keys: 10, bytes: Some(800), millis: Some(12) };
        assert_eq!((plan.steps[0].cost, plan.moved()), (Some(cost), cost));
        assert_eq!(plan.copied(), Cost { bytes: Some(0), ..Cost::default() });
    }

    #[test]
    fn the_pace_is_what_all_nodes_had_so_far() {
        let source = ServerInfo::parse("cmdstat_migrate:calls=3,usec=5000000,usec_per_call=1\r\n");
        let target = ServerInfo::parse(
            "cmdstat_restore-asking:calls=12,usec=9,failed_calls=2\r\ncmdstat_migrate:calls=1,usec=1\r\n",
        );
        let infos = [(&source, false), (&target, true), (&target, false)];
        let pace = KeySpeed { keys: 10, time: Duration::from_micros(5_000_002) };
        assert_eq!(KeySpeed::of(infos.into_iter()), pace);
        assert_eq!(
            KeySpeed::of([(&source, true)].into_iter()).millis(10),
            None,
            "no key is told of"
        );
    }

    #[test]
    fn what_no_server_tells_is_not_made_up() {
        let moves = vec![transfer("a", "c", "0-5")];
        let mut figures = figures(KeySpeed::default());
        let cost = |figures: &CostFigures, moves: &[DeclaredMove]| {
            priced(vec![Change::MoveSlots { moves: moves.to_vec() }], figures).moved()
        };
        assert_eq!(cost(&figures, &moves).millis, None, "no key has been moved yet");
        figures.held.get_mut("a").unwrap().bytes = None;
        assert_eq!(cost(&figures, &moves).bytes, None);
        figures.pace = KeySpeed { keys: 9, time: Duration::from_secs(9) };
        let empty = cost(&figures, &[transfer("a", "c", "20-29")]);
        assert_eq!(empty, Cost { slots: 10, keys: 0, bytes: Some(0), millis: None });
    }

    #[test]
    fn replicas_copy_what_their_master_has_by_then() {
        let follow = |master: &str| Change::Follow { node: "r".into(), master: master.into() };
        let changes = vec![
            follow("a"),
            Change::MoveSlots { moves: vec![transfer("a", "c", "0-9")] },
            Change::Failover { node: "e".into(), master: "a".into() },
            Change::Join { node: "n".into(), master: Some("e".into()) },
            follow("c"),
            Change::Join { node: "m".into(), master: None },
        ];
        let plan = priced(changes, &figures(KeySpeed::default()));
        let copies: Vec<_> =
            plan.steps.iter().map(|it| it.cost.map(|it| (it.keys, it.bytes))).collect();
        let copy = |keys, bytes| Some((keys, Some(bytes)));
        let expected = [copy(30, 3000), copy(10, 1000), None, copy(20, 2000), copy(10, 1070), None];
        assert_eq!(copies, expected);
        assert_eq!((plan.copied().keys, plan.copied().bytes), (60, Some(6070)));
    }
}
