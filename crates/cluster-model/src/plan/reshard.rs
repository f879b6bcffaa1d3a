//! A number of slots for one master, taken from others.

use crate::{Move, NodeId, SlotSet};

/// Why a reshard cannot be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReshardError {
    /// More slots are wanted than the sources own.
    #[error("{wanted} slots are wanted, and the sources own {owned}")]
    TooFewSlots {
        /// How many were wanted.
        wanted: usize,
        /// How many the sources own together.
        owned: usize,
    },
    /// The target is among the sources.
    #[error("the target {0} is also a source")]
    TargetIsSource(NodeId),
    /// One source was given more than once.
    #[error("the source {0} is given twice")]
    SameSource(NodeId),
}

/// Takes `count` slots from the sources for the target, from each in proportion to what it owns, the
/// lowest slots first.
///
/// As redis-trib.rb and redis-cli do it: the source that owns most comes first, its share is rounded
/// up and all others are rounded down. Unlike theirs, the shares add up to `count`: what rounding
/// leaves goes, one slot each, to the sources that lost most by it. Sources that give nothing are
/// left out.
///
/// # Errors
/// [`ReshardError`].
///
/// ```
/// use redistrib_cluster_model::{NodeId, plan::reshard::plan_reshard};
///
/// let [a, b, c] = [1, 2, 3].map(|n| NodeId::from_bytes([n; 20]));
/// let sources = [(a, "0-5460".parse()?), (b, "5461-10922".parse()?)];
/// let moves = plan_reshard(&sources, c, 100)?;
/// // Redis-cli would move 51 + 49 slots, too.
/// assert_eq!(moves[0].slots.to_string(), "5461-5511");
/// assert_eq!(moves[1].slots.to_string(), "0-48");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn plan_reshard(
    sources: &[(NodeId, SlotSet)],
    target: NodeId,
    count: usize,
) -> Result<Vec<Move>, ReshardError> {
    for (place, (id, _)) in sources.iter().enumerate() {
        if *id == target {
            return Err(ReshardError::TargetIsSource(target));
        }
        if sources[..place].iter().any(|(other, _)| other == id) {
            return Err(ReshardError::SameSource(*id));
        }
    }
    let owned = sources.iter().map(|(_, slots)| slots.len()).sum();
    if count > owned {
        return Err(ReshardError::TooFewSlots { wanted: count, owned });
    }
    let mut sources: Vec<&(NodeId, SlotSet)> = sources.iter().collect();
    sources.sort_by_key(|(_, slots)| std::cmp::Reverse(slots.len()));
    let sizes: Vec<usize> = sources.iter().map(|(_, slots)| slots.len()).collect();
    let moves =
        sources.into_iter().zip(shares(&sizes, owned, count)).map(|((from, slots), share)| Move {
            from: *from,
            to: target,
            slots: slots.clone().take_first(share),
        });
    Ok(moves.filter(|step| !step.slots.is_empty()).collect())
}

/// What each source gives, `sizes` in descending order and `count` at most their sum.
fn shares(sizes: &[usize], owned: usize, count: usize) -> Vec<usize> {
    // A part of `owned` is a whole slot. Sums stay far below 2^32: at most 2^14 slots each.
    let exact = |size: &usize| size * count;
    let mut shares: Vec<usize> = sizes.iter().map(|size| exact(size) / owned.max(1)).collect();
    if let (Some(first), Some(size)) = (shares.first_mut(), sizes.first()) {
        *first = exact(size).div_ceil(owned.max(1));
    }
    let mut left = count.saturating_sub(shares.iter().sum());
    let mut by_loss: Vec<usize> = (1..sizes.len()).collect();
    by_loss.sort_by_key(|place| std::cmp::Reverse(exact(&sizes[*place]) % owned.max(1)));
    for place in by_loss {
        if left > 0 && shares[place] < sizes[place] {
            shares[place] += 1;
            left -= 1;
        }
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slot;
    use crate::testing::{id, slots};
    use proptest::prelude::*;

    #[test]
    fn refuses_what_cannot_be() {
        let sources = [(id(1), slots("0-9")), (id(2), slots("10-19"))];
        assert_eq!(
            plan_reshard(&sources, id(3), 21),
            Err(ReshardError::TooFewSlots { wanted: 21, owned: 20 })
        );
        assert_eq!(plan_reshard(&sources, id(2), 1), Err(ReshardError::TargetIsSource(id(2))));
        let twice = [sources[0].clone(), sources[0].clone()];
        assert_eq!(plan_reshard(&twice, id(2), 1), Err(ReshardError::SameSource(id(1))));
        assert_eq!(plan_reshard(&sources, id(3), 0), Ok(vec![]));
        assert_eq!(plan_reshard(&[], id(3), 0), Ok(vec![]));
    }

    #[test]
    fn shares_are_those_of_the_peers_where_theirs_add_up() {
        // Three masters of 5461, 5462 and 5461 slots, 1000 slots: 334, 333, 333.
        assert_eq!(shares(&[5462, 5461, 5461], 16384, 1000), [334, 333, 333]);
        // Rounded as the peers round, five sources of equal size would give 3 + 4 * 2 = 11 of 13.
        assert_eq!(shares(&[9; 5], 45, 13), [3, 3, 3, 2, 2]);
        assert_eq!(shares(&[9; 5], 45, 45), [9; 5]);
    }

    proptest! {
        #[test]
        fn exactly_so_many_slots_move(
            owners in prop::collection::vec(0u8..7, 200),
            count in 0usize..200,
        ) {
            let owned_by = |owner| {
                let owned = (0u16..).zip(&owners).filter(move |(_, o)| **o == owner);
                owned.map(|(slot, _)| Slot::new(slot).unwrap()).collect::<SlotSet>()
            };
            let sources: Vec<_> = (0..7).map(|owner| (id(owner), owned_by(owner))).collect();
            let moves = plan_reshard(&sources, id(9), count).unwrap();
            prop_assert_eq!(moves.iter().map(|step| step.slots.len()).sum::<usize>(), count);
            for step in &moves {
                let owned = &sources.iter().find(|(id, _)| *id == step.from).unwrap().1;
                prop_assert!(step.slots.difference(owned).is_empty());
                let share = owned.len() as f64 * count as f64 / 200.0;
                prop_assert!((step.slots.len() as f64 - share).abs() <= 1.0);
            }
        }
    }
}
