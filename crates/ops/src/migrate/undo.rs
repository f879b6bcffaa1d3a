//! Slots that the target refuses are taken back: trying again would not heal that, and slots that stay open stand in the
//! way of every other migration.

use redistrib_cluster_model::{Slot, SlotSet};
use redistrib_resp::Command;

use super::link::Link;
use super::pair::PairWork;
use super::{commands, counts};
use crate::error::{Error, Result};
use crate::{Pair, Stop};

impl PairWork<'_> {
    /// Takes the open slots back if a server's refusal stopped their migration, and returns the error to tell.
    pub(super) fn undo(&mut self, error: Error) -> Error {
        let is_hopeless = matches!(error, Error::Refused { .. });
        if !is_hopeless || self.open.is_empty() || self.shared.context.cancel.wish() == Stop::Now {
            return error;
        }
        let slots = self.open.clone();
        match self.take_back() {
            // What stopped the migration is what the user has to know.
            Err(_) => error,
            Ok(()) => {
                let Pair { from, to } = self.pair;
                Error::TakenBack { from, to, slots, source: Box::new(error) }
            }
        }
    }

    /// Slots of which the target has no keys are just closed. Of any other the source serves again first, or it would
    /// not take the keys, and then these come back: slot by slot, since meanwhile clients do not find them.
    fn take_back(&mut self) -> Result<()> {
        // Replies may be under way on the old ones.
        let (source, target, _) = self.shared.connect(self.pair)?;
        (self.source, self.target) = (self.source.renewed(source), self.target.renewed(target));
        let slots = self.open.clone();
        let untouched = slots.difference(&self.held_by_target(&slots)?);
        self.close_at_source(&untouched)?;
        // A client that was sent to the target may have written there before that.
        let filled = self.held_by_target(&untouched)?;
        self.close_at_target(&untouched.difference(&filled))?;
        for slot in self.open.clone().iter() {
            self.bring_back(slot)?;
        }
        Ok(())
    }

    fn bring_back(&mut self, slot: Slot) -> Result<()> {
        let slots = SlotSet::from_iter([slot]);
        let Pair { from, to } = self.pair;
        let mut back = PairWork::begin(self.shared, Pair { from: to, to: from })?;
        self.close_at_source(&slots)?;
        back.copy_alone(&slots)?;
        if !self.held_by_target(&slots)?.is_empty() {
            let node = self.target.endpoint();
            return Err(Error::Precondition(format!("{node} still has keys of slot {slot}")));
        }
        self.close_at_target(&slots)
    }

    /// The slots of which the target has keys in any database.
    fn held_by_target(&mut self, slots: &SlotSet) -> Result<SlotSet> {
        let mut databases = self.databases.clone();
        databases.extend(counts::info(&mut self.target, "keyspace")?.databases().into_keys());
        let held = counts::count(&mut self.target, slots, &databases)?;
        Ok(held.into_keys().collect())
    }

    fn close_at_source(&mut self, slots: &SlotSet) -> Result<()> {
        close(&mut self.source, slots)
    }

    /// Closes slots at a target that has no keys of them, and to which no client is sent for them.
    pub(super) fn close_at_target(&mut self, slots: &SlotSet) -> Result<()> {
        close(&mut self.target, slots)?;
        self.open = self.open.difference(slots);
        Ok(())
    }
}

fn close(node: &mut Link<'_>, slots: &SlotSet) -> Result<()> {
    let close: Vec<Command> = slots.iter().map(commands::stable).collect();
    let replies = node.set_each(&close)?;
    close.iter().zip(replies).try_for_each(|(command, reply)| node.accept(command, reply).map(drop))
}
