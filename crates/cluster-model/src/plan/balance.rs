//! The plans of redis-trib.py: what a node that joins gets, and who takes over from one that quits.

use super::rebalance::{RebalanceBy, RebalanceCriteria, RebalanceError, Weighed, plan_rebalance};
use super::spread::spread;
use crate::{Move, Node, NodeId, SlotSet};

/// Decides how large a part of the slots each node shall have, in relation to the others.
///
/// A closure from `&Node` to `f64` is a balancer as well.
///
/// ```
/// use redistrib_cluster_model::Node;
/// use redistrib_cluster_model::plan::balance::{Balancer, EvenBalancer};
///
/// fn total(balancer: &impl Balancer, nodes: &[&Node]) -> f64 {
///     nodes.iter().map(|node| balancer.weight(node)).sum()
/// }
/// assert_eq!(total(&EvenBalancer, &[]), 0.0);
/// assert_eq!(total(&|node: &Node| if node.address.port == 7000 { 2.0 } else { 1.0 }, &[]), 0.0);
/// ```
pub trait Balancer {
    /// The weight of this node: finite and not negative.
    fn weight(&self, node: &Node) -> f64;
}

/// The same weight for every node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EvenBalancer;

/// So many slots from one master to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotTransfer {
    /// The master that gives.
    pub from: NodeId,
    /// The master that gets.
    pub to: NodeId,
    /// How many slots.
    pub count: usize,
}

/// Why transfers cannot be made of a balance plan.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferError {
    /// A transfer names a node that is not among the masters.
    #[error("the balance plan names {0}, which is not a master of the cluster")]
    Unknown(NodeId),
    /// A transfer goes from a node to itself.
    #[error("the balance plan moves slots of {0} to itself")]
    ToItself(NodeId),
    /// The transfers take more slots from a node than it owns.
    #[error("the balance plan takes more slots from {0} than it owns")]
    TooMany(NodeId),
}

impl Balancer for EvenBalancer {
    fn weight(&self, _: &Node) -> f64 {
        1.0
    }
}

impl<F: Fn(&Node) -> f64> Balancer for F {
    fn weight(&self, node: &Node) -> f64 {
        self(node)
    }
}

/// The balance plan that is used unless a caller has its own: transfers after which the slots are shared
/// among all these masters by weight, new ones included.
///
/// # Errors
/// [`RebalanceError`], if the weights make no sense.
pub fn balance_plan(
    masters: &[&Node],
    balancer: &impl Balancer,
) -> Result<Vec<SlotTransfer>, RebalanceError> {
    let weighed = |node: &&Node| Weighed {
        id: node.id,
        slots: node.slots.clone(),
        weight: balancer.weight(node),
    };
    let masters: Vec<Weighed> = masters.iter().map(weighed).collect();
    let measure = RebalanceBy::Slots;
    let options = RebalanceCriteria { measure, threshold: 0.0, use_empty_masters: true };
    let moves = plan_rebalance(&masters, &options)?.moves.into_iter();
    Ok(moves.map(|m| SlotTransfer { from: m.from, to: m.to, count: m.slots.len() }).collect())
}

/// The moves that make up these transfers: each takes the lowest slots of its giver that no transfer
/// before it took.
///
/// # Errors
/// [`TransferError`]: the plan may be a caller's own.
pub fn moves_of(masters: &[&Node], transfers: &[SlotTransfer]) -> Result<Vec<Move>, TransferError> {
    let mut left: Vec<(NodeId, SlotSet)> =
        masters.iter().map(|node| (node.id, node.slots.clone())).collect();
    let mut moves = Vec::new();
    for transfer in transfers.iter().filter(|transfer| transfer.count > 0) {
        let SlotTransfer { from, to, count } = *transfer;
        if from == to {
            return Err(TransferError::ToItself(from));
        }
        let known = |id| left.iter().position(|(known, _)| *known == id);
        known(to).ok_or(TransferError::Unknown(to))?;
        let giver = known(from).ok_or(TransferError::Unknown(from))?;
        if left[giver].1.len() < count {
            return Err(TransferError::TooMany(from));
        }
        moves.push(Move { from, to, slots: left[giver].1.take_first(count) });
    }
    Ok(moves)
}

/// Spreads the slots of a master that quits over the others, so that these come out as even by weight as
/// they can without moving a slot of their own.
///
/// # Errors
/// [`RebalanceError`], if there is no other master, or the weights of the others make no sense.
///
/// ```
/// use redistrib_cluster_model::{Topology, plan::balance::{EvenBalancer, quit_plan}};
///
/// let topology = Topology::parse("\
/// 76a6fdbc6fe619ef120cf230145cb4b43c80aeaf h:1 master - 0 0 1 connected 0-9
/// 7349f132ca8cefc148b203ff3e02f8afb1692962 h:2 master - 0 0 2 connected 10-19
/// ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 h:3 master - 0 0 3 connected 20-31
/// ")?;
/// let masters: Vec<_> = topology.masters().collect();
/// let moves = quit_plan(masters[0], &masters[1..], &EvenBalancer)?;
/// assert_eq!(moves[0].slots.to_string(), "0-5");
/// assert_eq!(moves[1].slots.to_string(), "6-9");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn quit_plan(
    leaving: &Node,
    others: &[&Node],
    balancer: &impl Balancer,
) -> Result<Vec<Move>, RebalanceError> {
    let mut takers = Vec::with_capacity(others.len());
    for node in others.iter().filter(|node| node.id != leaving.id) {
        let weight = balancer.weight(node);
        if !weight.is_finite() || weight < 0.0 {
            return Err(RebalanceError::BadWeight(node.id, weight));
        }
        takers.push((node.id, node.slots.len(), weight));
    }
    let levels: Vec<(usize, f64)> = takers.iter().map(|(_, has, weight)| (*has, *weight)).collect();
    let given = spread(leaving.slots.len(), &levels).ok_or(RebalanceError::NoWeight)?;
    let mut slots = leaving.slots.clone();
    let step = |((to, ..), count): (&(NodeId, usize, f64), usize)| Move {
        from: leaving.id,
        to: *to,
        slots: slots.take_first(count),
    };
    Ok(takers.iter().zip(given).filter(|(_, count)| *count > 0).map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;
    use crate::testing::{id, master, slots};
    use proptest::prelude::*;

    #[test]
    fn a_node_that_joins_gets_its_part_from_all() {
        let nodes = [master(1, "0-8191"), master(2, "8192-16383"), master(3, "")];
        let masters: Vec<&Node> = nodes.iter().collect();
        let plan = balance_plan(&masters, &EvenBalancer).unwrap();
        let wanted = [(1, 2730), (2, 2731)].map(|(from, count)| SlotTransfer {
            from: id(from),
            to: id(3),
            count,
        });
        assert_eq!(plan, wanted);
        let moves = moves_of(&masters, &plan).unwrap();
        assert_eq!(moves[1].slots, slots("8192-10922"));
        let double = |node: &Node| if node.id == id(3) { 2.0 } else { 1.0 };
        let plan = balance_plan(&masters, &double).unwrap();
        assert_eq!(plan.iter().map(|transfer| transfer.count).sum::<usize>(), 8192);
    }

    #[test]
    fn a_plan_that_does_not_fit_the_cluster_is_refused() {
        let nodes = [master(1, "0-9"), master(2, "10-19")];
        let masters: Vec<&Node> = nodes.iter().collect();
        for (from, to, count, error) in [
            (1, 9, 1, TransferError::Unknown(id(9))),
            (9, 1, 1, TransferError::Unknown(id(9))),
            (1, 1, 1, TransferError::ToItself(id(1))),
            (1, 2, 11, TransferError::TooMany(id(1))),
        ] {
            let plan = [SlotTransfer { from: id(from), to: id(to), count }];
            assert_eq!(moves_of(&masters, &plan), Err(error));
        }
    }

    #[test]
    fn the_last_master_cannot_quit_with_slots() {
        let (full, empty) = (master(1, "0-9"), master(2, ""));
        assert_eq!(quit_plan(&full, &[], &EvenBalancer), Err(RebalanceError::NoWeight));
        assert_eq!(quit_plan(&full, &[&full], &EvenBalancer), Err(RebalanceError::NoWeight));
        assert_eq!(quit_plan(&empty, &[], &EvenBalancer), Ok(vec![]));
    }

    proptest! {
        #[test]
        fn quitting_leaves_the_others_as_even_as_can_be(
            counts in prop::collection::vec(0u16..60, 2..8),
        ) {
            let mut next = 0;
            let mut nodes = Vec::new();
            for (n, count) in (1..).zip(&counts) {
                let owned = (next..next + count).map(|slot| Slot::new(slot).unwrap()).collect();
                nodes.push(Node { slots: owned, ..master(n, "") });
                next += count;
            }
            let others: Vec<&Node> = nodes[1..].iter().collect();
            let moves = quit_plan(&nodes[0], &others, &EvenBalancer).unwrap();
            let moved: SlotSet = moves.iter().flat_map(|step| step.slots.ranges()).collect();
            prop_assert_eq!(&moved, &nodes[0].slots);
            prop_assert_eq!(moves.iter().map(|step| step.slots.len()).sum::<usize>(), moved.len());
            let got = |node: &Node| {
                moves.iter().filter(|step| step.to == node.id).map(|step| step.slots.len()).sum::<usize>()
            };
            let lowest = others.iter().map(|node| node.slots.len() + got(node)).min().unwrap();
            for node in others {
                prop_assert!(got(node) == 0 || node.slots.len() + got(node) <= lowest + 1);
            }
        }
    }
}
