//! Empties the open slots of one batch: lists their keys and has the source MIGRATE them, in bursts.
//!
//! Two bursts are under way at a time: while the source serves one, the next waits in its socket, so that
//! it never idles; it reads that one in another round of its event loop, after having served whoever else
//! waits. A slot is listed again in the same burst as its last known keys, and is done when that list is
//! empty: since it is MIGRATING, no key can come into it any more.

use std::collections::{BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;
use redistrib_cluster_model::Slot;
use redistrib_cluster_model::plan::large::LARGE;
use redistrib_resp::Reply;

use super::burst::{CommandBurst, Item, Sent};
use super::commands;
use super::keys::{Alone, Failed, Large};
use super::pair::PairWork;
use super::trouble::Trouble;
use crate::commands::replies::count_of;
use crate::error::Result;

/// The most keys that one GETKEYSINSLOT asks for.
const LIST_MOST: usize = 1000;
/// The most lists in one burst.
const LISTS_A_BURST: usize = 64;
/// About the most keys that are weighed in one burst: they take a server a millisecond.
const WEIGHED_A_BURST: usize = 1000;
/// The least number of keys that are listed ahead.
const AHEAD_LEAST: usize = 512;
/// The most bytes of key names that are listed ahead.
const AHEAD_BYTES: usize = 4 << 20;
/// How often a slot may be listed without any of its keys going away.
const MOST_IDLE_LISTS: u32 = 100;

/// The keys of a slot that are known and not yet sent for.
#[derive(Debug)]
struct ListedKeys {
    slot: Slot,
    keys: VecDeque<Bytes>,
}

/// The state of a batch while it is copied.
#[derive(Debug)]
struct Copying<'w, 'a> {
    work: &'w mut PairWork<'a>,
    unlisted: VecDeque<(Slot, usize)>,
    /// Those that may go.
    listed: VecDeque<ListedKeys>,
    /// Those whose size is to be asked first.
    unweighed: VecDeque<ListedKeys>,
    /// Those that go alone, when nothing else is under way.
    large: VecDeque<Large>,
    flight: VecDeque<Sent>,
    /// How many keys the lists under way may bring.
    awaited: usize,
    /// How many keys are known and not sent for.
    known: usize,
    key_bytes: usize,
    last_reply: Instant,
    failed: Vec<Failed>,
    idle_lists: u32,
}

impl PairWork<'_> {
    /// Copies the keys of slots, of which so many are known to be in each, until the slots are empty.
    pub(super) fn copy_keys(&mut self, slots: Vec<(Slot, usize)>) -> Result<()> {
        Copying::new(self, slots).run()
    }
}

impl<'w, 'a> Copying<'w, 'a> {
    /// Begins with slots and the number of keys in each.
    fn new(work: &'w mut PairWork<'a>, slots: Vec<(Slot, usize)>) -> Self {
        Self {
            work,
            unlisted: slots.into(),
            listed: VecDeque::new(),
            unweighed: VecDeque::new(),
            large: VecDeque::new(),
            flight: VecDeque::new(),
            awaited: 0,
            known: 0,
            key_bytes: 16,
            last_reply: Instant::now(),
            failed: Vec::new(),
            idle_lists: 0,
        }
    }

    /// Copies until all slots are empty.
    fn run(mut self) -> Result<()> {
        loop {
            self.fill_window()?;
            match self.flight.pop_front() {
                Some(sent) => self.take_in(sent)?,
                None if !self.failed.is_empty() => self.mend()?,
                None => match self.large.pop_front() {
                    Some(large) => self.move_large(large)?,
                    None => return Ok(()),
                },
            }
        }
    }

    /// Keeps enough bursts under way; none while something has to be repaired.
    fn fill_window(&mut self) -> Result<()> {
        while self.failed.is_empty() && self.flight.len() < self.work.window() {
            // Replies that have come must not lie unread while the rate makes us wait.
            if !self.flight.is_empty() && !self.work.may_send() {
                break;
            }
            let burst = self.next_burst();
            if burst.is_empty() {
                break;
            }
            self.work.limit(burst.keys);
            self.flight.push_back(burst.send(&mut self.work.source)?);
        }
        Ok(())
    }

    fn next_burst(&mut self) -> CommandBurst {
        let mut burst = CommandBurst::default();
        let size = self.work.burst_size();
        let mut moves = 0;
        while burst.keys < size && moves < self.work.most_moves() {
            let Some(mut listed) = self.listed.pop_front() else { break };
            self.move_some(&mut burst, &mut listed, size);
            moves += 1;
            if !listed.keys.is_empty() {
                self.listed.push_front(listed);
            } else if !self.has_large(listed.slot) {
                self.list(&mut burst, listed.slot, 0);
            }
        }
        self.weigh_ahead(&mut burst);
        self.list_ahead(&mut burst, size);
        burst
    }

    /// One MIGRATE of as many of a slot's keys as may go.
    fn move_some(&mut self, burst: &mut CommandBurst, listed: &mut ListedKeys, size: usize) {
        let most = self.work.options().keys_per_migrate;
        let most = if most == 0 { usize::MAX } else { most };
        let count = listed.keys.len().min(size - burst.keys).min(most);
        let keys: Vec<Bytes> = listed.keys.drain(..count).collect();
        self.known = self.known.saturating_sub(count);
        if let Some(sample) = keys.first() {
            burst.push(Item::Sample, commands::memory_usage(sample));
        }
        let command = self.work.migrate_keys(&keys);
        burst.push(Item::Move { slot: listed.slot, keys }, command);
    }

    /// Asks for the size of keys that the next bursts are to move.
    fn weigh_ahead(&mut self, burst: &mut CommandBurst) {
        let mut weighed = 0;
        while weighed < WEIGHED_A_BURST {
            let Some(ListedKeys { slot, keys }) = self.unweighed.pop_front() else { break };
            weighed += keys.len();
            for key in keys {
                let command = commands::memory_usage(&key);
                burst.push(Item::Weigh { slot, key }, command);
            }
        }
    }

    /// Lists slots, so that the next bursts have keys to move.
    fn list_ahead(&mut self, burst: &mut CommandBurst, size: usize) {
        let wanted = (4 * size).max(AHEAD_LEAST).min(AHEAD_BYTES / self.key_bytes + 1);
        for _ in 0..LISTS_A_BURST {
            if self.known + self.awaited >= wanted {
                break;
            }
            let Some((slot, count)) = self.unlisted.pop_front() else { break };
            self.list(burst, slot, count);
        }
    }

    fn list(&mut self, burst: &mut CommandBurst, slot: Slot, count: usize) {
        let expected = count.min(LIST_MOST);
        self.awaited += expected;
        burst.push(Item::List { slot, expected }, commands::list_keys(slot, LIST_MOST));
    }

    /// Takes in the replies of the burst that was sent first.
    fn take_in(&mut self, sent: Sent) -> Result<()> {
        let replies = sent.receive(&mut self.work.source)?;
        let now = Instant::now();
        let begun = self.last_reply.max(sent.at + self.work.round_trip);
        let hold_up = now.saturating_duration_since(begun);
        self.last_reply = now;
        let (mut moved, mut bytes, mut weight) = (0, 0, None);
        for (place, (item, reply)) in sent.burst.items.iter().zip(&replies).enumerate() {
            match item {
                Item::List { slot, expected } => {
                    self.awaited = self.awaited.saturating_sub(*expected);
                    self.take_list(&sent, place, (*slot, *expected == 0), reply)?;
                }
                Item::Sample => weight = reply.view().as_int(),
                Item::Weigh { slot, key } => self.take_weight(*slot, key, reply),
                Item::Move { slot, keys } => {
                    let count = self.take_moved(&sent, place, *slot, keys, reply)?;
                    moved += count;
                    bytes += weigh(weight.take(), count);
                }
            }
        }
        self.report(&sent, moved, bytes, hold_up)
    }

    fn report(&mut self, sent: &Sent, keys: u64, bytes: u64, hold_up: Duration) -> Result<()> {
        if sent.burst.keys == 0 {
            return Ok(());
        }
        if self.failed.is_empty() {
            self.work.observe(sent.burst.keys, hold_up);
        }
        if keys > 0 {
            self.idle_lists = 0;
            self.work.tell_moved(keys, bytes, hold_up);
        }
        if self.work.is_over(hold_up) && self.failed.is_empty() {
            // A server that has read the next bursts, too, answers all when all are done.
            let read = std::iter::once(sent).chain(&self.flight).map(|sent| &sent.burst);
            self.work.look_for_large_key(read, hold_up)?;
        }
        Ok(())
    }

    /// The keys of a slot that is listed for the first time or again.
    fn take_list(
        &mut self,
        sent: &Sent,
        place: usize,
        (slot, again): (Slot, bool),
        reply: &Reply,
    ) -> Result<()> {
        let view = reply.view();
        if view.as_error().is_some() {
            return self.note_failure(sent, place, (slot, &[]), reply);
        }
        if view.is_empty() || self.failed.iter().any(|failed| failed.slot == slot) {
            return Ok(());
        }
        self.idle_lists += u32::from(again);
        if self.idle_lists > MOST_IDLE_LISTS
            && let Some(command) = sent.command(place)
        {
            let what = "keys stay listed in the slot though MIGRATE says that they moved";
            return Err(self.work.source.unexpected(command, what));
        }
        // Copied out of the reply, so that a burst's buffer goes when the burst is done.
        let keys: VecDeque<Bytes> =
            view.elements().filter_map(|key| key.as_bytes()).map(Bytes::copy_from_slice).collect();
        let total: usize = keys.iter().map(Bytes::len).sum();
        self.key_bytes = (total / keys.len().max(1)).max(16);
        self.known += keys.len();
        if self.work.weighs {
            self.unweighed.push_back(ListedKeys { slot, keys });
        } else {
            self.listed.push_front(ListedKeys { slot, keys });
        }
        Ok(())
    }

    /// The size of a key. Where a server does not report it, a key is taken to be small.
    fn take_weight(&mut self, slot: Slot, key: &Bytes, reply: &Reply) {
        if self.failed.iter().any(|failed| failed.slot == slot) {
            self.known = self.known.saturating_sub(1);
            return;
        }
        let bytes = count_of(reply.view());
        if let Some(bytes) = bytes.filter(|bytes| *bytes >= LARGE) {
            self.known = self.known.saturating_sub(1);
            let key = Alone { key: key.clone(), bytes: Some(bytes), tries: 0 };
            self.large.push_back(Large { slot, key });
            return;
        }
        match self.listed.back_mut() {
            Some(last) if last.slot == slot => last.keys.push_back(key.clone()),
            _ => self.listed.push_back(ListedKeys { slot, keys: VecDeque::from([key.clone()]) }),
        }
    }

    fn has_large(&self, slot: Slot) -> bool {
        self.large.iter().any(|large| large.slot == slot)
    }

    /// Moves a large key, and lists its slot again when it was the last of them there.
    fn move_large(&mut self, large: Large) -> Result<()> {
        let slot = large.slot;
        self.work.move_large(large)?;
        if !self.has_large(slot) {
            self.unlisted.push_back((slot, 1));
        }
        self.last_reply = Instant::now();
        Ok(())
    }

    /// How many keys of a MIGRATE went over.
    fn take_moved(
        &mut self,
        sent: &Sent,
        place: usize,
        slot: Slot,
        keys: &[Bytes],
        reply: &Reply,
    ) -> Result<u64> {
        let view = reply.view();
        if view.as_error().is_some() {
            self.work.doubtful += keys.len() as u64;
            return self.note_failure(sent, place, (slot, keys), reply).map(|()| 0);
        }
        // NOKEY: all of them were deleted or expired since they were listed.
        Ok(if view.is_ok() { keys.len() as u64 } else { 0 })
    }

    /// Notes a refusal that need not be the end.
    fn note_failure(
        &mut self,
        sent: &Sent,
        place: usize,
        (slot, keys): (Slot, &[Bytes]),
        reply: &Reply,
    ) -> Result<()> {
        let text = reply.view().as_error().unwrap_or_default();
        let trouble = Trouble::of(text);
        if trouble == Trouble::Other
            && let Some(command) = sent.command(place)
        {
            self.work.source.accept(command, reply.clone())?;
        }
        let reply = String::from_utf8_lossy(text).into_owned();
        self.failed.push(Failed { slot, keys: keys.to_vec(), trouble, reply, tries: 0 });
        Ok(())
    }

    /// Finds out what became of the keys of failed MIGRATEs and brings them over one by one, then goes
    /// on with what their slots still hold.
    fn mend(&mut self) -> Result<()> {
        let failed = std::mem::take(&mut self.failed);
        let slots: BTreeSet<Slot> = failed.iter().map(|failed| failed.slot).collect();
        self.listed.retain(|listed| !slots.contains(&listed.slot));
        self.unweighed.retain(|listed| !slots.contains(&listed.slot));
        self.large.retain(|large| !slots.contains(&large.slot));
        let known = self.listed.iter().chain(&self.unweighed);
        self.known = known.map(|listed| listed.keys.len()).sum();
        for failed in failed {
            self.work.settle(failed)?;
        }
        self.unlisted.extend(slots.into_iter().map(|slot| (slot, 1)));
        self.last_reply = Instant::now();
        Ok(())
    }
}

/// The bytes of `count` keys of which one was weighed.
fn weigh(weight: Option<i64>, count: u64) -> u64 {
    let bytes = weight.and_then(|bytes| u64::try_from(bytes).ok());
    bytes.unwrap_or(0).saturating_mul(count)
}
