//! Slots that the target refuses are taken back: trying again would not help, and slots that stay open stand in the
//! way of every other migration.
//!
//! A source that simply served such a slot again would not find the keys that the target has: it would answer clients that
//! they do not exist, and a counter would start again. So the slot rests while its keys go back, and nobody serves it: the
//! source calls it the target's and takes keys in (IMPORTING), the target still calls it the source's, and clients are
//! sent to and fro. A node that imports a slot runs MIGRATE for it, and takes keys of it, whoever owns it. No node ever
//! sees an owner other than the source, but the source itself; when all keys are back it calls the slot its own again.
//! Meanwhile both import the slot from themselves, or from a third: a master of Valkey makes a slot its own that it
//! imports from a node which has news of its slots and does not claim this one. Source: cluster_legacy.c of Valkey,
//! `clusterUpdateSlotsConfigWith`.

use std::time::Duration;

use bytes::Bytes;
use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_resp::Command;

use super::link::Link;
use super::pair::PairWork;
use super::settle::ask;
use super::shared::Shared;
use super::taking::Taking;
use super::{commands, counts, fitness};
use crate::cluster::read_topology;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cancel, Cluster, Member, MoveError, Pair, Stop};

/// How long the target may take to say that it would run MIGRATE, and that the source would take what it sends.
const TRIAL: Duration = Duration::from_millis(500);
/// How many of the target's keys of a slot are looked for at the source before the slot rests.
const MOST_COMPARED: usize = 10_000;
/// How often clients that the source has sent to the target before may bring new keys into a slot that rests.
const MOST_ROUNDS: usize = 20;

impl PairWork<'_> {
    /// Takes the open slots back if a server's refusal stopped their migration, and returns the error to report.
    pub(super) fn undo(&mut self, error: Error) -> Error {
        // What may pass by itself has been waited for: the next run finds the servers ready.
        let is_hopeless = matches!(error, Error::Refused { .. }) && !error.is_passing();
        if !is_hopeless
            || self.open.is_empty()
            || self.shared.context.cancel.requested() == Stop::Now
        {
            return error;
        }
        let slots = self.open.clone();
        match self.take_back_open() {
            Err(why) => {
                self.warn_of_open(&why);
                error
            }
            Ok(()) => {
                let Pair { from, to } = self.pair;
                Error::TakenBack { from, to, slots, source: Box::new(error) }
            }
        }
    }

    /// Takes back slots that are open at both ends; what the target has of them may be of any origin.
    pub(super) fn take_back(&mut self, slots: &SlotSet) -> Result<()> {
        self.open = slots.clone();
        self.foreign = slots.iter().collect();
        self.take_back_open().map_err(|error| self.explain(error))
    }

    /// Slots of which the target has no keys are just closed; the others rest one by one until their keys are back.
    fn take_back_open(&mut self) -> Result<()> {
        self.take_turn();
        self.connect_anew()?;
        let slots = self.open.clone();
        let empty = slots.difference(&self.held_by_target(&slots)?);
        let filled = self.close_empty(&empty)?;
        let from = self.pair.from;
        let open = filled.iter().map(|slot| commands::importing(slot, from));
        self.target.set_all(&open.collect::<Vec<_>>())?;
        let empty = empty.difference(&filled);
        self.source.set_all(&closing(&empty))?;
        self.open = slots.difference(&empty);
        let Some(first) = self.open.first() else { return Ok(()) };
        let Pair { from, to } = self.pair;
        let mut back = PairWork::begin(self.shared, Pair { from: to, to: from })?;
        back.try_to_send(first)?;
        for slot in self.open.clone().iter() {
            self.settle_doubles(slot)?;
            if let Err(error) = self.bring_back(slot, &mut back) {
                self.wake(slot, back.taking)?;
                self.resting = None;
                return Err(error);
            }
            self.resting = None;
            self.open.remove(slot);
        }
        Ok(())
    }

    /// Replies may be under way on the old connections. A source that has lost the slots has nothing to take back.
    fn connect_anew(&mut self) -> Result<()> {
        let (mut source, target, _) = self.shared.connect(self.pair)?;
        let lost = self.open.difference(&read_topology(&mut source)?.0.slots);
        if !lost.is_empty() {
            let node = source.endpoint().clone();
            return Err(MoveError::NotOwner { node, slots: lost }.into());
        }
        (self.source, self.target) = (self.source.renewed(source), self.target.renewed(target));
        Ok(())
    }

    /// A target that takes no writes may not run MIGRATE either. It is asked for a key that is not there.
    fn try_to_send(&mut self, slot: Slot) -> Result<()> {
        let key = Bytes::from(fitness::key_in(slot));
        let command = self.migrate_with(&[key], TRIAL, false);
        self.source.call_when_ready(&[command]).map(drop)
    }

    /// Of a key in both places the source's value is the one that clients know. The target's is a copy that a MIGRATE left
    /// of which nobody heard, and goes, unless the target had keys of the slot before: that is for the user to decide, and
    /// not while nobody serves the slot.
    fn settle_doubles(&mut self, slot: Slot) -> Result<()> {
        self.ask_databases()?;
        for database in self.databases.clone() {
            self.select(database)?;
            let listed =
                self.target.call_when_ready(&[commands::list_keys(slot, MOST_COMPARED)])?;
            let keys = listed.iter().flat_map(|reply| reply.view().elements());
            let keys: Vec<Bytes> =
                keys.filter_map(|key| key.as_bytes()).map(Bytes::copy_from_slice).collect();
            let here = self.exist_at_source(&keys)?;
            let doubled = keys.into_iter().zip(here).filter(|(_, here)| *here);
            let doubled: Vec<Bytes> = doubled.map(|(key, _)| key).collect();
            if database == 0 && !self.foreign.contains(&slot) {
                ask(&mut self.target, doubled.iter().map(|key| commands::delete(key)))?;
            } else if let Some(first) = doubled.first() {
                let (keys, count) = (commands::key_name(first), doubled.len());
                return Err(Error::KeysInBothPlaces { slot, keys, count });
            }
            self.select(0)?;
        }
        Ok(())
    }

    fn bring_back(&mut self, slot: Slot, back: &mut PairWork<'_>) -> Result<()> {
        let Pair { from, to } = self.pair;
        let slots = SlotSet::from_iter([slot]);
        // As at a commit, a config epoch is raised, and nobody else's slots change hands meanwhile.
        let shared = self.shared;
        let cluster = shared.cluster();
        let third = third(&cluster, shared, self.pair);
        let rest_at_target = resting(slot, to, third);
        rest(&mut self.target, &rest_at_target)?;
        // First of all the source stops serving the slot. Nothing but DELSLOTS makes it give one up of which it has keys.
        let mut give_up =
            vec![commands::disown(slot), commands::stable(slot), commands::assign(slot, to)];
        give_up.extend(resting(slot, from, third));
        self.resting = Some(slot);
        rest(&mut self.source, &give_up)?;
        for _ in 0..MOST_ROUNDS {
            back.copy_alone(&slots)?;
            if self.close_empty(&slots)?.is_empty() {
                return self.source.call_when_ready(&[commands::assign(slot, from)]).map(drop);
            }
            rest(&mut self.target, &rest_at_target)?;
        }
        let node = self.target.endpoint().clone();
        Err(MoveError::KeysStay { node, slot }.into())
    }

    /// Lets the source serve a slot again, and send clients on for the keys that it has not. From where the target imports
    /// it does not matter to them. It must not stay at rest, whatever the user asks meanwhile: it is tried again.
    fn wake(&self, slot: Slot, source: Taking) -> Result<()> {
        let Pair { from, to } = self.pair;
        let uncancelled = Cancel::new();
        let serve = [commands::assign(slot, from), commands::migrating(slot, to)];
        let attempt = || {
            let mut node = Link::new(self.shared.cluster().connect(from)?, &uncancelled);
            match source {
                Taking::Together => node.at_once(&serve).map(drop),
                Taking::OneByOne | Taking::Replicated => node.call_all(&serve).map(drop),
            }
        };
        until_settled(self.options().settle, &uncancelled, || {
            Ok(attempt().err().map(|error| format!("nobody serves slot {slot}: {error}")))
        })
    }

    /// Closes slots at the target, and returns those of which it still had keys then: a client that was sent there may have
    /// written meanwhile.
    fn close_empty(&mut self, slots: &SlotSet) -> Result<SlotSet> {
        if self.taking == Taking::Together {
            // Redis 8.6 shows keys only while the slot is open.
            let each = |slot| [commands::count_keys(slot), commands::stable(slot)];
            let steps: Vec<Command> = slots.iter().flat_map(each).collect();
            let answer = self.target.at_once(&steps)?;
            let counts: Vec<_> = answer.view().elements().step_by(2).collect();
            Ok(counts::filled(slots, &counts).into_iter().map(|(slot, _)| slot).collect())
        } else {
            self.target.set_all(&closing(slots))?;
            self.held_by_target(slots)
        }
    }

    /// The slots of which the target has keys in any database.
    fn held_by_target(&mut self, slots: &SlotSet) -> Result<SlotSet> {
        let mut databases = self.databases.clone();
        databases.extend(counts::info(&mut self.target, "keyspace")?.databases().into_keys());
        let held = counts::count(&mut self.target, slots, &databases)?;
        Ok(held.into_keys().collect())
    }

    /// Closes slots at a target that has no keys of them, and to which no client is sent for them.
    pub(super) fn close_at_target(&mut self, slots: &SlotSet) -> Result<()> {
        self.target.set_all(&closing(slots))?;
        self.open = self.open.difference(slots);
        Ok(())
    }
}

/// A master that has given and taken no slots lately.
fn third(cluster: &Cluster, shared: &Shared<'_>, pair: Pair) -> Option<NodeId> {
    let is_other = |id: &NodeId| ![pair.from, pair.to].contains(id) && !shared.is_at_work(*id);
    cluster.masters().filter(|member| member.is_up()).map(Member::id).find(is_other)
}

/// For a node that is to import a slot from itself, or where it refuses that, from the third.
fn resting(slot: Slot, own: NodeId, third: Option<NodeId>) -> Vec<Command> {
    third.into_iter().chain([own]).map(|peer| commands::importing(slot, peer)).collect()
}

/// Sends a node all at once; only the last command may be refused, and only if there is another of its kind before it.
fn rest(node: &mut Link<'_>, steps: &[Command]) -> Result<()> {
    let replies = node.pipeline_when_ready(steps)?;
    let mut answered: Vec<_> = steps.iter().zip(replies).collect();
    let has_other = |steps: &[Command]| match steps {
        [.., one, last] => one.args().nth(3) == last.args().nth(3),
        _ => false,
    };
    if has_other(steps) {
        answered.pop();
    }
    answered.into_iter().try_for_each(|(command, reply)| node.accept(command, reply).map(drop))
}

fn closing(slots: &SlotSet) -> Vec<Command> {
    slots.iter().map(commands::stable).collect()
}
