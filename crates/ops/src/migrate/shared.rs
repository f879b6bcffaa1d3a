//! What the workers of a migration share.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use redistrib_cluster_model::{NodeId, SlotSet};

use super::bus;
use super::commands::MigrateTo;
use super::known::{Idle, Known};
use super::limiter::Limiter;
use super::options::MigrateOptions;
use super::others::Others;
use super::source::SourceFacts;
use super::taking::Taking;
use super::turns::Turns;
use crate::cluster::endpoint_of;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Connection, Context, Endpoint, Event, MoveError, Pair, Stop};

/// One for each migration; the workers borrow it.
pub(super) struct Shared<'a> {
    /// Whoever holds it commits, or asks the cluster something: one at a time.
    cluster: Mutex<&'a mut Cluster>,
    others: Mutex<Others<'a>>,
    /// Which masters could not be told new owners of which slots, and what stood in the way first.
    untold: Mutex<BTreeMap<Endpoint, (SlotSet, String)>>,
    /// The pairs that have begun in this migration.
    begun: Mutex<Vec<Pair>>,
    pub(super) seed: Endpoint,
    pub(super) options: &'a MigrateOptions,
    pub(super) context: Context<'a>,
    pub(super) limiter: Limiter,
    /// Whether a node knows each of the commands that move slots atomically.
    pub(super) ways: Known<[bool; 2]>,
    /// How a target takes slots.
    pub(super) taking: Known<Taking>,
    /// What a source has said of itself.
    pub(super) sources: Known<SourceFacts>,
    pub(super) idle: Idle,
    pub(super) turns: Turns,
    failed: AtomicBool,
    slots: AtomicUsize,
    keys: AtomicU64,
    bytes: AtomicU64,
}

impl std::fmt::Debug for Shared<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl<'a> Shared<'a> {
    pub(super) fn new(
        cluster: &'a mut Cluster,
        options: &'a MigrateOptions,
        context: Context<'a>,
    ) -> Self {
        let turns = Turns::new(cluster.members().iter().map(crate::Member::id));
        Self {
            seed: cluster.seed().clone(),
            cluster: Mutex::new(cluster),
            others: Mutex::new(Others::new(context.cancel)),
            untold: Mutex::default(),
            begun: Mutex::default(),
            options,
            context,
            limiter: Limiter::new(options.rate),
            ways: Known::default(),
            taking: Known::default(),
            sources: Known::default(),
            idle: Idle::default(),
            turns,
            failed: AtomicBool::new(false),
            slots: AtomicUsize::new(0),
            keys: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    pub(super) fn cluster(&self) -> MutexGuard<'_, &'a mut Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn others(&self) -> MutexGuard<'_, Others<'a>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> MutexGuard<'_, Vec<Pair>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a node has begun to give or take slots.
    pub(super) fn is_at_work(&self, id: NodeId) -> bool {
        self.begun().iter().any(|pair| [pair.from, pair.to].contains(&id))
    }

    /// Before a pair begins: a source that was a target before has raised its config epoch, and its new target has to
    /// have learned of that.
    pub(super) fn await_news(&self, pair: Pair) -> Result<()> {
        let was_target = {
            let mut begun = self.begun();
            begun.push(pair);
            begun.iter().any(|earlier| earlier.to == pair.from)
        };
        if was_target {
            let target = BTreeSet::from([pair.to]);
            bus::drain(&mut self.cluster(), &target, self.options, self.context)?;
        }
        Ok(())
    }

    /// Connections to the source and the target of a pair, and how the one reaches the other.
    pub(super) fn connect(&self, pair: Pair) -> Result<(Connection, Connection, MigrateTo)> {
        let (source, target, to, settings) = {
            let cluster = self.cluster();
            let source = cluster.member(pair.from)?;
            let target = cluster.member(pair.to)?;
            let settings = cluster.settings().clone();
            // The source may know the target by another address than we do.
            let known = source.topology().and_then(|topology| topology.node(pair.to));
            let address = known.map(|node| endpoint_of(node, target.endpoint()));
            let address = address.unwrap_or_else(|| target.endpoint().clone());
            let to = MigrateTo {
                host: address.host().to_owned(),
                port: address.port().unwrap_or_default(),
                credentials: settings.credentials.clone(),
            };
            (source.endpoint().clone(), target.endpoint().clone(), to, settings)
        };
        let open = |id, node: &Endpoint| match self.idle.take(id) {
            Some(connection) => Ok(connection),
            None => Connection::open(node, &settings),
        };
        Ok((open(pair.from, &source)?, open(pair.to, &target)?, to))
    }

    /// After a job of the servers that failed: which of the slots the source still owns. Those that are with the
    /// target have moved.
    ///
    /// # Errors
    /// [`Error::Move`] where either node is no master any more, or slots are with somebody else; [`Error::NotSettled`].
    pub(super) fn look_again(&self, pair: Pair, slots: &SlotSet) -> Result<SlotSet> {
        let mut cluster = self.cluster();
        until_settled(self.options.settle, self.context.cancel, || {
            cluster.refresh();
            cluster.reconnect();
            let ends = [cluster.member(pair.from)?, cluster.member(pair.to)?];
            let mut failures = ends.into_iter().filter_map(crate::Member::failure);
            Ok(failures.find(|error| error.is_passing()).map(ToString::to_string))
        })?;
        for id in [pair.from, pair.to] {
            let member = cluster.member(id)?;
            if !member.is_up() || !member.is_master() {
                let (node, seed) = (member.endpoint().clone(), self.seed.clone());
                return Err(MoveError::Replaced { node, id, seed }.into());
            }
        }
        let owned = |id| Ok::<_, Error>(slots.intersection(&cluster.member(id)?.node().slots));
        let (left, moved) = (owned(pair.from)?, owned(pair.to)?);
        let others = slots.difference(&left).difference(&moved);
        if !others.is_empty() {
            return Err(MoveError::Elsewhere(others).into());
        }
        if !moved.is_empty() {
            self.add_slots(moved.len());
            self.context.tell(Event::SlotsMoved { pair, slots: moved });
        }
        Ok(left)
    }

    /// A connection to one node.
    pub(super) fn connect_to(&self, id: NodeId) -> Result<Connection> {
        let (endpoint, settings) = {
            let cluster = self.cluster();
            (cluster.member(id)?.endpoint().clone(), cluster.settings().clone())
        };
        Connection::open(&endpoint, &settings)
    }

    /// Notes that a master could not be told the new owner of slots.
    pub(super) fn note_untold(&self, node: Endpoint, slots: &SlotSet, trouble: String) {
        let mut untold = self.untold.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, _) = untold.entry(node).or_insert_with(|| (SlotSet::new(), trouble));
        *all = all.union(slots);
    }

    /// Warns of those masters, of each once.
    pub(super) fn tell_untold(&self) {
        let untold =
            std::mem::take(&mut *self.untold.lock().unwrap_or_else(PoisonError::into_inner));
        for (node, (slots, trouble)) in untold {
            let what =
                format!("{node} could not be told the new owner of slots {slots}: {trouble}");
            self.context.warn(what);
        }
    }

    /// Whether no new batch is to begin.
    pub(super) fn is_stopping(&self) -> bool {
        self.failed.load(Ordering::SeqCst) || self.context.cancel.requested() != Stop::No
    }

    /// One worker failed: the others finish their batches.
    pub(super) fn fail(&self) {
        self.failed.store(true, Ordering::SeqCst);
    }

    pub(super) fn add_moved(&self, keys: u64, bytes: u64) {
        self.keys.fetch_add(keys, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.limiter.observe(keys, bytes);
    }

    pub(super) fn add_slots(&self, count: usize) {
        self.slots.fetch_add(count, Ordering::Relaxed);
    }

    /// Slots, keys and bytes moved so far.
    pub(super) fn moved(&self) -> (usize, u64, u64) {
        let slots = self.slots.load(Ordering::Relaxed);
        (slots, self.keys.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed))
    }
}
