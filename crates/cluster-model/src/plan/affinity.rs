//! Replicas change places until those that hold the same data are on different hosts.
//!
//! How many replicas go from each host to each master is a flow from hosts to masters. A replica on
//! the host of its master costs [`WITH_MASTER`]; of several replicas of one master on one host, each
//! beyond the first costs 1. The cost of one more is never less than that of the one before, so a flow in
//! which no circle of exchanges saves anything is the cheapest there is.

use std::collections::BTreeMap;

use super::create::{Affinity, NewReplica};

/// So much that no number of replicas that share a host weighs as much.
const WITH_MASTER: i64 = 1 << 32;

/// Exchanges replicas between masters until nothing can be saved. `hosts` is the host of each node.
pub(crate) fn optimise(replicas: &mut [NewReplica], hosts: &[usize]) -> Affinity {
    let mut flow = Flow::new(replicas, hosts);
    while flow.cost() > 0 {
        let Some(circle) = flow.saving_circle() else { break };
        for exchange in &circle {
            let moved = replicas.iter_mut().find(|replica| {
                hosts[replica.node] == exchange.host
                    && replica.master == flow.masters[exchange.from].0
            });
            // The flow is counted from these replicas, so there is one.
            if let Some(replica) = moved {
                replica.master = flow.masters[exchange.to].0;
            }
        }
        flow = Flow::new(replicas, hosts);
    }
    match flow.cost() {
        0 => Affinity::Apart,
        1..WITH_MASTER => Affinity::ReplicasTogether,
        _ => Affinity::WithMaster,
    }
}

/// How many replicas go from which host to which master.
struct Flow {
    /// The hosts that have replicas.
    hosts: Vec<usize>,
    /// The masters that have replicas, each with its host.
    masters: Vec<(usize, usize)>,
    /// By host, then by master.
    counts: Vec<Vec<i64>>,
}

/// One replica on `host` goes from one master to another; places in [`Flow::masters`].
struct Exchange {
    host: usize,
    from: usize,
    to: usize,
}

impl Flow {
    fn new(replicas: &[NewReplica], hosts: &[usize]) -> Flow {
        let places = |keys: &mut dyn Iterator<Item = usize>| {
            let mut places: BTreeMap<usize, usize> = keys.map(|key| (key, 0)).collect();
            places.values_mut().enumerate().for_each(|(place, value)| *value = place);
            places
        };
        let masters = places(&mut replicas.iter().map(|replica| replica.master));
        let sources = places(&mut replicas.iter().map(|replica| hosts[replica.node]));
        let mut counts = vec![vec![0; masters.len()]; sources.len()];
        for replica in replicas {
            counts[sources[&hosts[replica.node]]][masters[&replica.master]] += 1;
        }
        Flow {
            hosts: sources.into_keys().collect(),
            masters: masters.into_keys().map(|master| (master, hosts[master])).collect(),
            counts,
        }
    }

    /// What the `n`th replica (from 1) of this host costs at this master.
    fn marginal(&self, host: usize, master: usize, n: i64) -> i64 {
        if self.hosts[host] == self.masters[master].1 { WITH_MASTER } else { i64::from(n > 1) }
    }

    fn cost(&self) -> i64 {
        let cells = (0..self.hosts.len())
            .flat_map(|host| (0..self.masters.len()).map(move |master| (host, master)));
        cells
            .map(|(host, master)| {
                let count = self.counts[host][master];
                (1..=count).map(|n| self.marginal(host, master, n)).sum::<i64>()
            })
            .sum()
    }

    /// Exchanges that together save something and leave every master as many replicas as it has:
    /// a circle of negative cost, found as Bellman and Ford do.
    ///
    /// The vertices are the masters and then the hosts. The edge from a master to a host takes a
    /// replica of that host away from the master; the edge from a host to a master gives it one.
    fn saving_circle(&self) -> Option<Vec<Exchange>> {
        let vertices = self.masters.len() + self.hosts.len();
        let mut distance = vec![0i64; vertices];
        let mut before = vec![usize::MAX; vertices];
        let mut changed = None;
        for _ in 0..vertices {
            changed = self.relax(&mut distance, &mut before);
            changed?;
        }
        // After that many rounds only a circle still changes; go back far enough to be on it.
        let mut start = changed?;
        for _ in 0..vertices {
            start = before[start];
        }
        let mut circle = vec![start];
        let mut vertex = before[start];
        while vertex != start {
            circle.push(vertex);
            vertex = before[vertex];
        }
        Some(self.exchanges(&circle))
    }

    /// One round over all edges; the last vertex that came nearer, if any did.
    fn relax(&self, distance: &mut [i64], before: &mut [usize]) -> Option<usize> {
        let masters = self.masters.len();
        let mut changed = None;
        let mut edge = |from: usize, to: usize, cost: i64| {
            if distance[from] + cost < distance[to] {
                distance[to] = distance[from] + cost;
                before[to] = from;
                changed = Some(to);
            }
        };
        for (host, counts) in self.counts.iter().enumerate() {
            for (master, count) in counts.iter().enumerate() {
                if *count > 0 {
                    edge(master, masters + host, -self.marginal(host, master, *count));
                }
                edge(masters + host, master, self.marginal(host, master, count + 1));
            }
        }
        changed
    }

    /// A circle of vertices, last first, as exchanges.
    fn exchanges(&self, circle: &[usize]) -> Vec<Exchange> {
        let masters = self.masters.len();
        let length = circle.len();
        let hosts = (0..length).filter(|at| circle[*at] >= masters);
        hosts
            .map(|at| Exchange {
                host: self.hosts[circle[at] - masters],
                from: circle[(at + 1) % length],
                to: circle[(at + length - 1) % length],
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn replica(node: usize, master: usize) -> NewReplica {
        NewReplica { node, master, first_choice: master, extra: false }
    }

    /// The least cost of all ways to hand out the replicas.
    fn cheapest(replicas: &mut Vec<NewReplica>, at: usize, hosts: &[usize]) -> i64 {
        if at == replicas.len() {
            return Flow::new(replicas, hosts).cost();
        }
        let mut best = i64::MAX;
        for other in at..replicas.len() {
            let (one, two) = (replicas[at].master, replicas[other].master);
            (replicas[at].master, replicas[other].master) = (two, one);
            best = best.min(cheapest(replicas, at + 1, hosts));
            (replicas[at].master, replicas[other].master) = (one, two);
        }
        best
    }

    #[test]
    fn three_replicas_go_round_in_a_circle() {
        // Each replica is on the host of its master, and no two can simply change places.
        let hosts = [0, 1, 2, 0, 1, 2];
        let mut replicas = vec![replica(3, 0), replica(4, 1), replica(5, 2)];
        assert_eq!(optimise(&mut replicas, &hosts), Affinity::Apart);
    }

    proptest! {
        #[test]
        fn nothing_is_cheaper(
            hosts in prop::collection::vec(0usize..4, 9),
            masters in prop::collection::vec(0usize..3, 6),
        ) {
            let mut replicas: Vec<NewReplica> =
                masters.iter().enumerate().map(|(n, master)| replica(3 + n, *master)).collect();
            let best = cheapest(&mut replicas.clone(), 0, &hosts);
            optimise(&mut replicas, &hosts);
            prop_assert_eq!(Flow::new(&replicas, &hosts).cost(), best);
            let mut after: Vec<usize> = replicas.iter().map(|replica| replica.master).collect();
            let mut before = masters;
            after.sort_unstable();
            before.sort_unstable();
            prop_assert_eq!(after, before);
        }
    }
}
