//! Which shard carries too much.

use serde::Serialize;

use super::{Figures, Sample};
use crate::NodeId;

/// What a shard carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Load {
    /// Commands a second of its master.
    Ops,
    /// The memory of its master.
    Memory,
    /// The keys of its master.
    Keys,
    /// The bytes a second in and out of its master.
    Network,
}

/// A shard that carries much more of something than the others do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Heavy {
    /// Its master.
    pub master: NodeId,
    /// Of what.
    pub load: Load,
    /// How many times as much as the others have on average.
    pub times: f64,
}

impl Load {
    const ALL: [Self; 4] = [Self::Ops, Self::Memory, Self::Keys, Self::Network];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ops => "ops",
            Self::Memory => "memory",
            Self::Keys => "keys",
            Self::Network => "network",
        }
    }

    fn of(self, figures: &Figures) -> Option<u64> {
        match self {
            Self::Ops => figures.ops,
            Self::Memory => figures.memory,
            Self::Keys => figures.keys,
            Self::Network => Some(figures.net_in?.saturating_add(figures.net_out?)),
        }
    }

    /// What a shard may have at any rate: differences below that are chance, or the watch itself.
    fn floor(self) -> f64 {
        match self {
            Self::Ops => 200.0,
            Self::Memory => 64.0 * 1024.0 * 1024.0,
            Self::Keys => 1000.0,
            Self::Network => 1024.0 * 1024.0,
        }
    }
}

/// From how many times the others' average on a shard is called heavy.
const TIMES: f64 = 1.5;

impl Sample {
    /// The shards that carry at least one and a half times as much as the others do on average, the worst first. Shards
    /// without slots, and those that did not say, do not count.
    pub fn heavy(&self) -> Vec<Heavy> {
        let owners = self.masters().filter(|it| !it.node.slots.is_empty());
        let owners: Vec<_> = owners.map(|it| (it.node.id, &it.figures)).collect();
        let mut heavy: Vec<Heavy> = Load::ALL
            .into_iter()
            .flat_map(|load| {
                let amounts = owners.iter().filter_map(|(id, it)| Some((*id, load.of(it)? as f64)));
                heavy_of(load, &amounts.collect::<Vec<_>>())
            })
            .collect();
        heavy.sort_by(|a, b| b.times.total_cmp(&a.times));
        heavy
    }
}

fn heavy_of(load: Load, amounts: &[(NodeId, f64)]) -> Vec<Heavy> {
    let sum: f64 = amounts.iter().map(|(_, amount)| amount).sum();
    let others = amounts.len().saturating_sub(1) as f64;
    let times = |amount: f64| amount / ((sum - amount) / others).max(1.0);
    let heavy = amounts.iter().filter(|(_, amount)| others > 0.0 && *amount >= load.floor());
    let heavy =
        heavy.map(|(master, amount)| Heavy { master: *master, load, times: times(*amount) });
    heavy.filter(|it| it.times >= TIMES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_out_is_heavy() {
        let id = |n| NodeId::from_bytes([n; 20]);
        let of = |amounts: &[f64]| {
            let owners: Vec<_> = amounts.iter().zip(1..).map(|(it, n)| (id(n), *it)).collect();
            heavy_of(Load::Ops, &owners)
                .into_iter()
                .map(|it| (it.master, it.times))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(&[1000.0, 1000.0, 3000.0]), [(id(3), 3.0)]);
        assert_eq!(of(&[1000.0, 1100.0, 1200.0]), []);
        assert_eq!(of(&[10.0, 1.0]), [], "next to nothing");
        assert_eq!(of(&[5000.0]), [], "there are no others");
        assert_eq!(of(&[500.0, 0.0]), [(id(1), 500.0)]);
    }
}
