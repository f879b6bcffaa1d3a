//! Emptied slots change hands: the target learns it first, so that at every moment somebody serves them; then
//! the source, then all other masters at once.
//!
//! One pair at a time, since the target raises its config epoch, and two that do so at once would raise it to
//! the same. And no more slots at a time than the pause budget allows.

use std::time::{Duration, Instant};

use redistrib_cluster_model::SlotSet;
use redistrib_resp::{Command, Reply};

use super::others;
use super::pair::PairWork;
use super::taking::Taking;
use crate::Cluster;
use crate::error::Result;

/// How many slots are given away in one go at least: they cost each node some 2 ms.
const LEAST_COMMIT: usize = 32;
/// What a slot costs each node, and the same again in reserve, where the news of them go out together: a SETSLOT or
/// two and a line in the nodes' files.
const SLOT_COST: Duration = Duration::from_micros(10);
/// What it costs the source to count a slot's keys in one database.
const COUNT_COST: Duration = Duration::from_micros(1);

impl PairWork<'_> {
    /// Gives emptied slots to the target.
    pub(super) fn commit(&mut self, slots: &SlotSet) -> Result<()> {
        let mut left = slots.clone();
        let mut size = self.first_commit();
        while !left.is_empty() {
            let some = left.take_first(size);
            let started = Instant::now();
            self.commit_some(&some)?;
            size = self.next_commit(size, started.elapsed());
        }
        Ok(())
    }

    fn commit_some(&mut self, slots: &SlotSet) -> Result<()> {
        let shared = self.shared;
        self.empty(slots)?;
        let mut cluster = shared.cluster();
        // What the target refused must not be given to it by the others.
        let taken = self.taking.take(&mut self.target, slots, self.pair.to)?;
        // From here on the target owns them: whatever becomes of the source, the others are told.
        let assign = self.assignments(&taken.slots);
        let told = self.tell_source_and_others(&mut cluster, &taken.slots, &assign);
        self.confirm(&mut cluster, &taken.slots, told)?;
        self.open = self.open.difference(&taken.slots);
        shared.add_slots(taken.slots.len());
        taken.refusal.map_or(Ok(()), Err)
    }

    /// Returns what the source says. The others are told even if it says nothing.
    fn tell_source_and_others(
        &mut self,
        cluster: &mut Cluster,
        slots: &SlotSet,
        assign: &[Command],
    ) -> Result<Vec<Reply>> {
        if self.taking == Taking::Replicated {
            let replies = self.source.set_each(assign);
            self.tell_others(cluster, slots, assign);
            return replies;
        }
        let sent = self.source.send(assign);
        self.tell_others(cluster, slots, assign);
        sent?;
        assign.iter().map(|command| self.source.receive(command)).collect()
    }

    /// They would learn it from the target anyway: one that does not answer is no failure.
    pub(super) fn tell_others(&self, cluster: &mut Cluster, slots: &SlotSet, assign: &[Command]) {
        let answers = match self.taking {
            Taking::Replicated => self.shared.others().tell(cluster, self.pair, assign),
            Taking::Together | Taking::OneByOne => others::tell(cluster, self.pair, assign),
        };
        for (node, answer) in answers {
            let trouble = match answer {
                Err(error) => error.to_string(),
                Ok(replies) => match replies.iter().find_map(|reply| reply.view().as_error()) {
                    None => continue,
                    Some(text) => String::from_utf8_lossy(text).into_owned(),
                },
            };
            self.shared.note_untold(node, slots, trouble);
        }
    }

    fn first_commit(&self) -> usize {
        match (self.options().max_pause, self.taking) {
            (None, _) => usize::MAX,
            (Some(budget), Taking::Together | Taking::Replicated) => {
                let count = COUNT_COST.as_micros() * self.databases.len() as u128;
                let fitting = budget.as_micros() / (SLOT_COST.as_micros() + count);
                usize::try_from(fitting).unwrap_or(usize::MAX).max(LEAST_COMMIT)
            }
            (Some(_), Taking::OneByOne) => LEAST_COMMIT,
        }
    }

    /// How many slots to give away after `size` of them took so long. Where a target takes them one by one, it may
    /// send its whole slot map to every node for each, and the nodes compare that with theirs.
    fn next_commit(&self, size: usize, took: Duration) -> usize {
        match (self.options().max_pause, self.taking) {
            (Some(budget), Taking::OneByOne) => {
                let hold_up = took.saturating_sub(2 * self.round_trip).as_secs_f64().max(1e-6);
                let fitting = size as f64 * budget.as_secs_f64() / hold_up;
                (fitting as usize).clamp(LEAST_COMMIT, 2 * size)
            }
            _ => size,
        }
    }
}
