//! A new cluster: who becomes a master with which slots, and which replica follows whom.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::affinity;
use crate::{Address, Slot, SlotRange};

/// In which order replicas are handed out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dealing {
    /// As they were named, the hosts in turn: redis-trib.rb.
    #[default]
    InTurn,
    /// The same with the first of them at the end: redis-cli and valkey-cli.
    Rotated,
}

/// What to create. Nodes are named by their place in the list that was given to [`plan_create`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatePlan {
    /// The masters, in the order of their slots.
    pub masters: Vec<NewMaster>,
    /// The replicas, in the order in which they were handed out: for each master in turn as many
    /// as were asked for, then the nodes that were left over.
    pub replicas: Vec<NewReplica>,
    /// How far replicas are kept away from their masters and from each other.
    pub affinity: Affinity,
}

/// A node that becomes a master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewMaster {
    /// The node.
    pub node: usize,
    /// The first of its slots.
    pub first: Slot,
    /// The last of its slots.
    pub last: Slot,
}

/// A node that becomes a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewReplica {
    /// The node.
    pub node: usize,
    /// The node that becomes its master.
    pub master: usize,
    /// The node that would be its master had nobody looked at how the hosts work out together;
    /// peers print this before they optimise.
    pub first_choice: usize,
    /// Whether it was left over after every master had the replicas that were asked for.
    pub extra: bool,
}

/// How far the nodes that hold the same data are kept on different hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Affinity {
    /// No two of them share a host.
    Apart,
    /// Some replicas of one master share a host.
    ReplicasTogether,
    /// Some replicas are on the host of their master.
    WithMaster,
}

/// Why no cluster can be made of these nodes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CreateError {
    /// There are too few nodes for the masters and replicas wanted.
    #[error(
        "a cluster needs at least {masters} masters; with {replicas} replicas for each of them, \
         at least {needed} nodes are required, and {nodes} are given"
    )]
    TooFewNodes {
        /// How many nodes were given.
        nodes: usize,
        /// How many replicas each master shall have.
        replicas: usize,
        /// How many masters there must be.
        masters: usize,
        /// How many nodes are needed for that.
        needed: usize,
    },
    /// There are more masters than slots.
    #[error("{0} masters cannot share 16384 slots; give them more replicas")]
    TooManyMasters(usize),
    /// One address was given more than once.
    #[error("the node {0} is given twice")]
    SameNode(Address),
}

impl NewMaster {
    /// Its slots.
    pub fn slots(&self) -> SlotRange {
        SlotRange::new(self.first, self.last).unwrap_or_else(|| self.first.into())
    }
}

/// Lays out a cluster of these nodes as redis-trib.rb and redis-cli do, which differ in the `dealing` of replicas.
///
/// Masters are taken from the hosts in turn, and share the slots in equal parts that differ by at most
/// one. Each master gets `replicas` replicas, first of all from other hosts; nodes that are left over
/// become further replicas. Then replicas change places until as few as possible share a host with
/// their master, and of those ways, until as few as possible share a host with each other. Unlike the
/// peers', which tries places at random, this finds the best way there is, always the same, and leaves
/// alone what it cannot better.
///
/// `min_masters` is 3 for a cluster that survives the loss of a master; 1 is allowed.
///
/// # Errors
/// [`CreateError`]; no nodes at all are too few as well.
///
/// ```
/// use redistrib_cluster_model::{Address, plan::create::{Dealing, plan_create}};
///
/// let nodes: Vec<Address> = (7000..7006).map(|port| Address::new("127.0.0.1", port)).collect();
/// let plan = plan_create(&nodes, 1, 3, Dealing::InTurn)?;
/// let slots: Vec<String> = plan.masters.iter().map(|m| m.slots().to_string()).collect();
/// assert_eq!(slots, ["0-5460", "5461-10922", "10923-16383"]);
/// assert_eq!((plan.replicas[0].node, plan.replicas[0].master), (3, 0));
/// # Ok::<(), redistrib_cluster_model::plan::create::CreateError>(())
/// ```
pub fn plan_create(
    nodes: &[Address],
    replicas: usize,
    min_masters: usize,
    dealing: Dealing,
) -> Result<CreatePlan, CreateError> {
    let masters = count_masters(nodes, replicas, min_masters)?;
    let hosts = number_hosts(nodes);
    let order = interleave(&hosts);
    let (chosen, rest) = order.split_at(masters);
    let mut rest = rest.to_vec();
    if dealing == Dealing::Rotated && !rest.is_empty() {
        rest.rotate_left(1);
    }
    let mut replicas = hand_out(chosen, rest, &hosts, replicas);
    let affinity = affinity::optimise(&mut replicas, &hosts);
    Ok(CreatePlan { masters: share_slots(chosen), replicas, affinity })
}

fn count_masters(
    nodes: &[Address],
    replicas: usize,
    min_masters: usize,
) -> Result<usize, CreateError> {
    let mut seen = HashSet::new();
    if let Some(twice) = nodes.iter().find(|node| !seen.insert((&node.host, node.port))) {
        return Err(CreateError::SameNode(twice.clone()));
    }
    let shard = replicas.saturating_add(1);
    let (masters, wanted) = (nodes.len() / shard, min_masters.max(1));
    if masters < wanted {
        let needed = wanted.saturating_mul(shard);
        let nodes = nodes.len();
        return Err(CreateError::TooFewNodes { nodes, replicas, masters: wanted, needed });
    }
    if masters > usize::from(Slot::COUNT) {
        return Err(CreateError::TooManyMasters(masters));
    }
    Ok(masters)
}

/// The host of each node as a number, in the order in which hosts first appear.
fn number_hosts(nodes: &[Address]) -> Vec<usize> {
    let mut known: Vec<&str> = Vec::new();
    let mut number = |host| {
        known.iter().position(|known| *known == host).unwrap_or_else(|| {
            known.push(host);
            known.len() - 1
        })
    };
    nodes.iter().map(|node| number(node.host.as_str())).collect()
}

/// The nodes in such an order that the hosts take turns.
fn interleave(hosts: &[usize]) -> Vec<usize> {
    let mut on_host = vec![0; hosts.len()];
    let turn = |host: &usize| {
        on_host[*host] += 1;
        on_host[*host]
    };
    let turns: Vec<usize> = hosts.iter().map(turn).collect();
    let mut order: Vec<usize> = (0..hosts.len()).collect();
    order.sort_by_key(|node| (turns[*node], hosts[*node]));
    order
}

/// Equal parts of the slots; where they are not whole, the ends are rounded as peers round them.
fn share_slots(masters: &[usize]) -> Vec<NewMaster> {
    let (slots, parts) = (usize::from(Slot::COUNT), masters.len());
    // round(slots * n / parts), in whole numbers.
    let bound = |n: usize| ((2 * slots * n + parts) / (2 * parts)) as u16;
    let part = |(n, node): (usize, &usize)| NewMaster {
        node: *node,
        first: Slot::from_range(bound(n)),
        last: Slot::from_range(bound(n + 1) - 1),
    };
    masters.iter().enumerate().map(part).collect()
}

/// Gives each master its replicas from other hosts if there are any, then deals out what is left.
fn hand_out(
    masters: &[usize],
    mut rest: Vec<usize>,
    hosts: &[usize],
    replicas: usize,
) -> Vec<NewReplica> {
    let mut given = Vec::with_capacity(rest.len());
    let mut give = |master: usize, extra: bool| {
        if !rest.is_empty() {
            let apart = rest.iter().position(|node| hosts[*node] != hosts[master]);
            let node = rest.remove(apart.unwrap_or(0));
            given.push(NewReplica { node, master, first_choice: master, extra });
        }
    };
    for master in masters {
        (0..replicas).for_each(|_| give(*master, false));
    }
    // Fewer are left than a full round of masters with their replicas would take.
    for _ in 0..=replicas {
        masters.iter().for_each(|master| give(*master, true));
    }
    given
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn nodes(hosts: &[u8]) -> Vec<Address> {
        let node =
            |(n, host): (usize, &u8)| Address::new(format!("10.0.0.{host}"), 7000 + n as u16);
        hosts.iter().enumerate().map(node).collect()
    }

    fn pairs(plan: &CreatePlan) -> Vec<(usize, usize)> {
        plan.replicas.iter().map(|replica| (replica.node, replica.master)).collect()
    }

    #[test]
    fn six_nodes_on_one_host_are_as_in_the_transcripts() {
        let plan = plan_create(&nodes(&[1; 6]), 1, 3, Dealing::InTurn).unwrap();
        assert_eq!(pairs(&plan), [(3, 0), (4, 1), (5, 2)]);
        assert_eq!(plan.affinity, Affinity::WithMaster);
    }

    #[test]
    fn peers_rotate_the_replicas() {
        for (hosts, replicas, expected) in [
            (&[1; 6][..], 1, &[(4, 0), (5, 1), (3, 2)][..]),
            (&[1; 9], 2, &[(4, 0), (5, 0), (6, 1), (7, 1), (8, 2), (3, 2)]),
            (&[1; 7], 1, &[(4, 0), (5, 1), (6, 2), (3, 0)]),
            (&[1, 1, 1, 2, 2, 2], 1, &[(5, 0), (2, 3), (4, 1)]),
        ] {
            let plan = plan_create(&nodes(hosts), replicas, 3, Dealing::Rotated).unwrap();
            let first: Vec<_> = plan.replicas.iter().map(|r| (r.node, r.first_choice)).collect();
            assert_eq!(first, expected, "{hosts:?}");
        }
        let alone = plan_create(&nodes(&[1; 3]), 0, 3, Dealing::Rotated).unwrap();
        assert!(alone.replicas.is_empty());
    }

    #[test]
    fn hosts_are_kept_apart() {
        // Two nodes on each of three hosts.
        let plan = plan_create(&nodes(&[1, 1, 2, 2, 3, 3]), 1, 3, Dealing::InTurn).unwrap();
        assert_eq!(plan.masters.iter().map(|m| m.node).collect::<Vec<_>>(), [0, 2, 4]);
        assert_eq!(plan.affinity, Affinity::Apart);
        // Masters and replicas for whom the first choice cannot stay.
        let plan = plan_create(&nodes(&[1, 2, 3, 3]), 0, 3, Dealing::InTurn).unwrap();
        assert_eq!(plan.affinity, Affinity::Apart);
        assert!(plan.replicas.is_empty());
        let plan = plan_create(&nodes(&[1, 1, 1, 2, 2, 2]), 1, 3, Dealing::InTurn).unwrap();
        assert_eq!(plan.affinity, Affinity::Apart);
    }

    #[test]
    fn nodes_left_over_become_replicas_of_the_first_masters() {
        let plan = plan_create(&nodes(&[1; 8]), 1, 3, Dealing::InTurn).unwrap();
        assert_eq!(plan.masters.len(), 4);
        let plan = plan_create(&nodes(&[1; 5]), 0, 5, Dealing::InTurn).unwrap();
        assert!(plan.replicas.is_empty());
        let plan = plan_create(&nodes(&[1; 11]), 2, 3, Dealing::InTurn).unwrap();
        let extra: Vec<_> =
            plan.replicas.iter().filter(|r| r.extra).map(|r| (r.node, r.master)).collect();
        assert_eq!(extra, [(9, 0), (10, 1)]);
    }

    #[test]
    fn too_few_nodes_are_refused_with_the_number_that_would_do() {
        let error = plan_create(&nodes(&[1; 5]), 1, 3, Dealing::InTurn).unwrap_err();
        let wanted = CreateError::TooFewNodes { nodes: 5, replicas: 1, masters: 3, needed: 6 };
        assert_eq!(error, wanted);
        assert!(plan_create(&[], 0, 0, Dealing::InTurn).is_err());
        assert!(plan_create(&nodes(&[1]), usize::MAX, 1, Dealing::InTurn).is_err());
        assert_eq!(
            plan_create(&nodes(&[1]), 0, 1, Dealing::InTurn).unwrap().masters[0].slots().len(),
            16384
        );
    }

    #[test]
    fn a_node_given_twice_is_refused() {
        let mut twice = nodes(&[1; 3]);
        twice.push(twice[1].clone());
        assert_eq!(
            plan_create(&twice, 0, 3, Dealing::InTurn),
            Err(CreateError::SameNode(twice[1].clone()))
        );
    }

    proptest! {
        #[test]
        fn every_node_has_its_place_and_every_slot_its_owner(
            hosts in prop::collection::vec(0u8..6, 1..40),
            replicas in 0usize..4,
            rotated in any::<bool>(),
        ) {
            let dealing = if rotated { Dealing::Rotated } else { Dealing::InTurn };
            let Ok(plan) = plan_create(&nodes(&hosts), replicas, 1, dealing) else {
                prop_assert!(hosts.len() <= replicas);
                return Ok(());
            };
            let mut placed: Vec<usize> = plan.masters.iter().map(|m| m.node).collect();
            placed.extend(plan.replicas.iter().map(|r| r.node));
            placed.sort_unstable();
            prop_assert_eq!(placed, (0..hosts.len()).collect::<Vec<_>>());

            let mut next = 0;
            for master in &plan.masters {
                prop_assert_eq!(master.first.get(), next);
                next = master.last.get() + 1;
            }
            prop_assert_eq!(next, Slot::COUNT);
            let lens = plan.masters.iter().map(|m| m.slots().len());
            prop_assert!(lens.clone().max().unwrap() - lens.min().unwrap() <= 1);

            for master in plan.masters.iter().map(|master| master.node) {
                let count = |is: &dyn Fn(&&NewReplica) -> bool| plan.replicas.iter().filter(is).count();
                let chosen = count(&|r| r.first_choice == master);
                prop_assert_eq!(count(&|r| r.first_choice == master && !r.extra), replicas);
                prop_assert!((replicas..=2 * replicas).contains(&chosen));
                prop_assert_eq!(count(&|r| r.master == master), chosen);
            }
        }
    }
}
