//! Of the pairs that share a node, one at a time brings keys: a node that several sources sent keys to at once would be held
//! up for all of them together, and how many keys MIGRATE has brought it could not be told apart.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use redistrib_cluster_model::{NodeId, Slot, SlotSet, most_removed};

use super::counts;
use super::pair::PairWork;
use super::tally::Tally;
use crate::Pair;
use crate::error::Result;

/// One for each node.
#[derive(Debug)]
pub(super) struct Turns(BTreeMap<NodeId, Mutex<()>>);

/// As long as it lives, no other pair of either node brings keys.
#[derive(Debug)]
pub(super) struct Turn<'a>(
    #[expect(dead_code, reason = "it is there to be dropped")] Vec<MutexGuard<'a, ()>>,
);

impl Turns {
    pub(super) fn new(nodes: impl Iterator<Item = NodeId>) -> Self {
        Self(nodes.map(|node| (node, Mutex::default())).collect())
    }

    /// Waits until it is a pair's turn. Whoever takes one holds neither another nor the cluster.
    pub(super) fn of(&self, pair: Pair) -> Turn<'_> {
        // All in one order, so that no two wait for each other.
        let nodes = [pair.from.min(pair.to), pair.from.max(pair.to)];
        let locks = nodes.iter().filter_map(|node| self.0.get(node));
        Turn(locks.map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner)).collect())
    }
}

impl<'a> PairWork<'a> {
    /// For a pair whose turn it is already.
    pub(super) fn with_turn(mut self, turn: Option<Turn<'a>>) -> Self {
        self.turn = turn;
        self
    }

    /// Copies what the slots hold, if they hold anything, when it is this pair's turn to bring keys.
    pub(super) fn copy_counted(
        &mut self,
        batch: &SlotSet,
        filled: Vec<(Slot, usize)>,
    ) -> Result<Option<Tally>> {
        if filled.is_empty() && self.databases.len() == 1 {
            return Ok(None);
        }
        let is_for_long = self.turn.is_some();
        self.take_turn();
        let mut tally = Tally::begin(self.pair, &mut self.target)?;
        counts::add(&mut tally.before, &filled);
        self.copy_keys(filled)?;
        self.copy_other_databases(batch, &mut tally.before)?;
        tally.end_copying(&mut self.target)?;
        if !is_for_long {
            self.turn = None;
        }
        Ok(Some(tally))
    }

    /// Waits until no other pair brings keys to or from either node.
    pub(super) fn take_turn(&mut self) {
        if self.turn.is_none() {
            self.turn = Some(self.shared.turns.of(self.pair));
        }
    }

    /// Makes sure that what the slots held is on the target. What the source lost meanwhile, MIGRATE has not brought.
    pub(super) fn audit(&mut self, tally: &Tally) -> Result<()> {
        let held: u64 = tally.before.values().sum();
        let gone = held.saturating_sub(tally.brought) + 2 * self.doubtful;
        let removed = |earlier: &_, now: &_| most_removed(earlier, now).saturating_add(gone);
        tally.close(&mut self.target, &self.databases, removed).map(drop)
    }
}
