//! One pair of masters: its slots go over batch by batch, each opened, emptied and given away.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redistrib_cluster_model::plan::batch_size::BatchSize;
use redistrib_cluster_model::plan::large;
use redistrib_cluster_model::plan::steer::{Steering, SteeringLimits};
use redistrib_cluster_model::{Slot, SlotSet};
use redistrib_resp::{Command, Reply};

use super::atomic;
use super::burst::{CommandBurst, Item};
use super::commands::{self, MigrateTo, key_name};
use super::counts;
use super::link::Link;
use super::options::MigrateOptions;
use super::shared::Shared;
use super::source::SourceFacts;
use super::taking::Taking;
use super::turns::Turn;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Event, Pair};

/// The most MIGRATEs in a burst, with a pause budget and without: together with their timeout, and two bursts
/// under way, they bound how long a hanging target can make its source hang. The cluster would take the source for
/// failed after its node timeout, 15 s by default.
const MOST_MOVES: usize = 8;
const MOST_MOVES_UNBOUNDED: usize = 16;
/// The most keys in a burst: beyond it nothing is won, and the tool's memory stays small.
const MOST_KEYS: usize = 2000;
/// Keys smaller than this are not what took the time.
const TELLING: u64 = 64 << 10;
/// The most bursts under way at a time, where the network is slow.
const MOST_WINDOW: u32 = 8;

/// The work on one pair, with connections of its own.
#[derive(Debug)]
pub(super) struct PairWork<'a> {
    pub(super) shared: &'a Shared<'a>,
    pub(super) pair: Pair,
    pub(super) source: Link<'a>,
    pub(super) target: Link<'a>,
    /// How the target takes its slots.
    pub(super) taking: Taking,
    to: MigrateTo,
    steering: Steering,
    /// The round trip between the tool and the source, without any work.
    pub(super) round_trip: Duration,
    /// Whether each key's size is asked before it is moved.
    pub(super) weighs: bool,
    /// How fast large keys go over.
    pub(super) large_pace: large::LargeKeyPace,
    /// How long a burst takes at present.
    burst_time: Duration,
    /// Open slots in which the target had keys before the first came from the source.
    pub(super) foreign: BTreeSet<Slot>,
    /// Since when a node has been answering that it is not ready.
    pub(super) passing_since: Option<Instant>,
    /// Slots that were opened and not yet given away.
    pub(super) open: SlotSet,
    /// The open slot that nobody serves.
    pub(super) resting: Option<Slot>,
    /// The database that both connections have selected.
    pub(super) database: u32,
    /// The databases in which the source has been seen to have keys, and the first.
    pub(super) databases: BTreeSet<u32>,
    /// How many keys of the batch were in MIGRATEs that failed: some may have been sent twice.
    pub(super) doubtful: u64,
    /// Held while keys are brought; by a pair that may take long, from its beginning to its end.
    pub(super) turn: Option<Turn<'a>>,
}

impl<'a> PairWork<'a> {
    /// Connects to both nodes.
    pub(super) fn begin(shared: &'a Shared<'a>, pair: Pair) -> Result<Self> {
        let (source, target, to) = shared.connect(pair)?;
        let cancel = shared.context.cancel;
        // All keys of a burst may wait for their first timeout before the first reply comes.
        let patience = source.timeout() + 2 * shared.options.timeout;
        let settle = shared.options.settle;
        let source = Link::new(source, cancel).with_patience(patience);
        let mut source = source.with_settle(settle);
        let about = shared.sources.of(pair.from, || SourceFacts::ask(&mut source))?;
        let mut target = Link::new(target, cancel).with_settle(settle);
        let taking = shared.taking.of(pair.to, || Taking::ask(&mut target))?;
        Ok(Self {
            shared,
            pair,
            source,
            target,
            taking,
            to,
            steering: Steering::new(limits(shared.options)),
            round_trip: about.round_trip,
            weighs: about.may_have_large_keys,
            large_pace: large::LargeKeyPace::default(),
            burst_time: Duration::ZERO,
            foreign: BTreeSet::new(),
            passing_since: None,
            open: SlotSet::new(),
            resting: None,
            database: 0,
            databases: BTreeSet::from([0]),
            doubtful: 0,
            turn: None,
        })
    }

    /// Moves the slots, or as many as there is time for before the caller wants to stop.
    pub(super) fn run(&mut self, mut slots: SlotSet) -> Result<()> {
        let mut size = BatchSize::default();
        while !slots.is_empty() && !self.shared.is_stopping() {
            let batch = slots.take_first(size.slots());
            let started = Instant::now();
            let outcome = self.move_batch(&batch).map_err(|error| self.undo(error));
            outcome.map_err(|error| self.explain(error))?;
            size.observe(started.elapsed());
        }
        Ok(())
    }

    /// Leaves the connection to the target to the next pair that it is in.
    pub(super) fn end(self) {
        if self.database == 0 {
            self.shared.idle.keep(self.pair.to, self.target.into_connection());
        }
    }

    fn move_batch(&mut self, batch: &SlotSet) -> Result<()> {
        self.open = batch.clone();
        self.doubtful = 0;
        let filled = self.open_when_free(batch)?;
        self.ask_databases()?;
        let tally = self.copy_counted(batch, filled)?;
        self.commit(batch)?;
        self.open = SlotSet::new();
        self.shared.context.tell(Event::SlotsMoved { pair: self.pair, slots: batch.clone() });
        tally.map_or(Ok(()), |tally| self.audit(&tally))
    }

    /// Moves the keys of slots that somebody else has opened. Whatever the target has already may be of another
    /// origin.
    pub(super) fn copy_alone(&mut self, slots: &SlotSet) -> Result<()> {
        self.ask_databases()?;
        for database in self.databases.clone() {
            let filled = counts::count_in(&mut self.source, slots, database)?;
            self.copy_in(database, filled)?;
        }
        Ok(())
    }

    /// Opens the slots once the servers are done with a job of somebody else's, or have cleared away after it.
    fn open_when_free(&mut self, batch: &SlotSet) -> Result<Vec<(Slot, usize)>> {
        let mut outcome = Ok(Vec::new());
        let waited = until_settled(self.options().settle, self.shared.context.cancel, || {
            outcome = self.open_slots(batch);
            Ok(outcome.as_ref().err().filter(|error| is_busy(error)).map(ToString::to_string))
        });
        match waited {
            Err(error @ Error::Cancelled(_)) => Err(error),
            _ => outcome,
        }
    }

    /// Opens the slots on the target, then on the source; returns which hold keys, and how many.
    pub(super) fn open_slots(&mut self, batch: &SlotSet) -> Result<Vec<(Slot, usize)>> {
        let Pair { from, to } = self.pair;
        let open = |slot| vec![commands::importing(slot, from), commands::count_keys(slot)];
        let opened = open_all(&mut self.target, batch.iter().map(open).collect());
        let at_target = match opened {
            Ok(counts) => counts,
            Err(error) if is_busy(&error) => return Err(error),
            Err(error) => {
                // No client was sent there yet.
                if let Err(why) = self.close_at_target(batch) {
                    self.warn_of_open(&why);
                }
                return Err(error);
            }
        };
        self.foreign.clear();
        for (slot, reply) in batch.iter().zip(at_target) {
            if reply.view().as_int() != Some(0) {
                self.foreign.insert(slot);
            }
        }
        let open = |slot| vec![commands::migrating(slot, to), commands::count_keys(slot)];
        let counts = open_all(&mut self.source, batch.iter().map(open).collect())?;
        Ok(counts::filled(batch, &counts.iter().map(Reply::view).collect::<Vec<_>>()))
    }

    /// Adds to an error which slots it leaves open and what repairs them.
    pub(super) fn explain(&self, error: Error) -> Error {
        if self.open.is_empty() {
            return error;
        }
        Error::LeftOpen {
            from: self.pair.from,
            to: self.pair.to,
            slots: self.open.clone(),
            unserved: self.resting,
            seed: self.shared.seed.clone(),
            source: Box::new(error),
        }
    }

    /// What stopped the migration is what the user has to know first; this comes on top of it.
    pub(super) fn warn_of_open(&self, why: &Error) {
        self.shared.context.warn(format!("slots {} cannot be taken back: {why}", self.open));
    }

    pub(super) fn options(&self) -> &'a MigrateOptions {
        self.shared.options
    }

    /// How many keys the next burst may move.
    pub(super) fn burst_size(&self) -> usize {
        let burst = self.steering.burst();
        burst.keys * burst.migrates
    }

    /// How many MIGRATEs the next burst may hold.
    pub(super) fn most_moves(&self) -> usize {
        if self.options().max_pause.is_some() { MOST_MOVES } else { MOST_MOVES_UNBOUNDED }
    }

    /// How many bursts are to be under way: one that is served, one that waits for it, and as many as
    /// are on the network meanwhile.
    pub(super) fn window(&self) -> usize {
        let travelling = if self.burst_time.is_zero() {
            0
        } else {
            (self.round_trip.as_secs_f64() / self.burst_time.as_secs_f64()).round() as u32
        };
        (2 + travelling).min(MOST_WINDOW) as usize
    }

    /// Whether the rate lets more keys go at this moment.
    pub(super) fn may_send(&self) -> bool {
        self.shared.limiter.is_due()
    }

    /// Waits as long as the rate asks for.
    pub(super) fn limit(&self, keys: usize) {
        self.shared.limiter.wait(keys, self.shared.context.cancel);
    }

    /// MIGRATE for keys that were never tried. While a target hangs, the source serves nobody until the timeout, once for
    /// each MIGRATE that it has already been sent.
    pub(super) fn migrate_keys(&self, keys: &[Bytes]) -> Command {
        let timeout = self.options().timeout.min(large::PATIENCE);
        self.migrate_with(keys, timeout, self.options().replace)
    }

    pub(super) fn migrate_with(&self, keys: &[Bytes], timeout: Duration, replace: bool) -> Command {
        self.to.keys(keys, self.database, timeout, replace)
    }

    /// Learns from how long a burst held the servers up.
    pub(super) fn observe(&mut self, keys: usize, hold_up: Duration) {
        self.steering.observe(keys, hold_up);
        self.burst_time = (self.burst_time * 3 + hold_up) / 4;
        self.passing_since = None;
    }

    pub(super) fn is_over(&self, hold_up: Duration) -> bool {
        self.options().max_pause.is_some_and(|budget| hold_up > budget)
    }

    pub(super) fn tell_moved(&self, keys: u64, bytes: u64, hold_up: Duration) {
        self.shared.add_moved(keys, bytes);
        if keys > 0 {
            self.shared.context.tell(Event::KeysMoved { pair: self.pair, keys, bytes, hold_up });
        }
    }

    /// Looks for a large key among those of bursts that took too long.
    pub(super) fn look_for_large_key<'b>(
        &mut self,
        bursts: impl Iterator<Item = &'b CommandBurst>,
        hold_up: Duration,
    ) -> Result<()> {
        let keys = bursts.flat_map(|burst| &burst.items).filter_map(|item| match item {
            Item::Move { keys, .. } => Some(keys),
            _ => None,
        });
        let keys: Vec<Bytes> = keys.flatten().cloned().collect();
        self.name_large_key(&keys, hold_up)
    }

    pub(super) fn warn_of_large_key(&self, key: &[u8], size: u64, hold_up: Duration) {
        if size >= TELLING && self.is_over(hold_up) {
            self.shared.context.warn(format!(
                "key {} of {size} bytes held both nodes up for {} ms, longer than the pause that is allowed",
                key_name(key),
                hold_up.as_millis(),
            ));
        }
    }
}

/// Two bursts may stand between a client and its answer, the one that is served and the one that waits,
/// so each gets half of what is allowed. A burst is cut into MIGRATEs by slots, not by the steering.
fn limits(options: &MigrateOptions) -> SteeringLimits {
    let max_pause = options.max_pause.map(|budget| budget / 2);
    SteeringLimits { max_pause, keys_per_migrate: MOST_KEYS, migrates_in_flight: 1 }
}

/// Whether a server refuses because of a job of its own.
fn is_busy(error: &Error) -> bool {
    atomic::is_passing(error)
}

/// Opens slots, and returns for each what the server says to the count of its keys.
fn open_all(node: &mut Link<'_>, groups: Vec<Vec<Command>>) -> Result<Vec<Reply>> {
    let mut counts = Vec::with_capacity(groups.len());
    for (group, replies) in groups.iter().zip(node.set_slots(&groups)?) {
        let accepted =
            group.iter().zip(replies).map(|(command, reply)| node.accept(command, reply));
        counts.extend(accepted.collect::<Result<Vec<Reply>>>()?.pop());
    }
    Ok(counts)
}
