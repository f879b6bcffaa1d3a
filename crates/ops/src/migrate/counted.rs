//! A pair copies keys in its turn, and counts them before and afterwards.

use redistrib_cluster_model::{Slot, SlotSet, most_removed};

use super::counts;
use super::pair::PairWork;
use super::tally::SlotTally;
use super::turns::Turn;
use crate::error::Result;

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
    ) -> Result<Option<SlotTally>> {
        if filled.is_empty() && self.databases.len() == 1 {
            return Ok(None);
        }
        let is_for_long = self.turn.is_some();
        self.take_turn();
        let mut tally = SlotTally::begin(self.pair, &mut self.target)?;
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
    pub(super) fn audit(&mut self, tally: &SlotTally) -> Result<()> {
        let held: u64 = tally.before.values().sum();
        let gone = held.saturating_sub(tally.brought) + 2 * self.doubtful;
        let removed = |earlier: &_, now: &_| most_removed(earlier, now).saturating_add(gone);
        tally.close(&mut self.target, &self.databases, removed).map(drop)
    }
}
