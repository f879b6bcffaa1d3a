//! What the workers of a migration share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redistrib_cluster_model::SlotSet;
use redistrib_resp::{Command, Reply};

use super::commands::{self, MigrateTo};
use super::limiter::Limiter;
use super::link::Link;
use super::options::MigrateOptions;
use crate::cluster::endpoint_of;
use crate::error::Result;
use crate::{Cluster, Connection, Context, Endpoint, Pair, Stop};

/// One for each migration; the workers borrow it.
pub(super) struct Shared<'a> {
    /// Whoever holds it commits, or asks the cluster something: one at a time.
    cluster: Mutex<&'a mut Cluster>,
    pub(super) seed: Endpoint,
    pub(super) options: &'a MigrateOptions,
    pub(super) context: Context<'a>,
    pub(super) limiter: Limiter,
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
        Self {
            seed: cluster.seed().clone(),
            cluster: Mutex::new(cluster),
            options,
            context,
            limiter: Limiter::new(options.rate),
            failed: AtomicBool::new(false),
            slots: AtomicUsize::new(0),
            keys: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn cluster(&self) -> MutexGuard<'_, &'a mut Cluster> {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner)
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
        let source = Connection::open(&source, &settings)?;
        Ok((source, Connection::open(&target, &settings)?, to))
    }

    /// Whether no new batch is to begin.
    pub(super) fn is_stopping(&self) -> bool {
        self.failed.load(Ordering::SeqCst) || self.context.cancel.wish() != Stop::No
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

    /// Gives emptied slots to the target, no more at a time than the pause budget allows.
    ///
    /// For each slot that a target takes, it sends its whole slot map to every node, and each node compares
    /// that with its own in one go with all that have arrived: a thousand slots at once hold all nodes up
    /// for some 100 ms. Waiting for the answers of all masters after a few keeps that short.
    pub(super) fn commit(
        &self,
        pair: Pair,
        slots: &SlotSet,
        target: &mut Link<'_>,
        source: &mut Link<'_>,
        round_trip: Duration,
    ) -> Result<()> {
        let mut left = slots.clone();
        let mut size = if self.options.max_pause.is_some() { LEAST_COMMIT } else { left.len() };
        while !left.is_empty() {
            let some = left.take_first(size);
            let started = Instant::now();
            self.commit_some(pair, &some, target, source)?;
            if let Some(budget) = self.options.max_pause {
                let hold_up = started.elapsed().saturating_sub(2 * round_trip);
                size = next_commit(size, hold_up, budget);
            }
        }
        Ok(())
    }

    /// The target is told first, so that at every moment somebody serves the slots; then the source, then
    /// all other masters at once. One pair at a time, since the target raises its config epoch, and two that
    /// do so at once would raise it to the same.
    fn commit_some(
        &self,
        pair: Pair,
        slots: &SlotSet,
        target: &mut Link<'_>,
        source: &mut Link<'_>,
    ) -> Result<()> {
        let assign: Vec<Command> =
            slots.iter().map(|slot| commands::assign(slot, pair.to)).collect();
        let mut cluster = self.cluster();
        let replies = set_slots(target, &assign)?;
        // What the target refused must not be given to it by the others.
        let (given, refused) = part(assign, replies);
        // From here on the target owns them: whatever becomes of the source, the others are told.
        let sent = source.send(&given);
        self.tell_others(&mut cluster, pair, &given);
        sent?;
        for command in &given {
            let reply = source.receive(command)?;
            if !has_become_replica(&reply) {
                source.accept(command, reply)?;
            }
        }
        self.add_slots(given.len());
        match refused {
            None => Ok(()),
            Some((command, reply)) => target.accept(&command, reply).map(drop),
        }
    }

    /// The other masters would learn it from the target anyway: one that does not answer is no failure.
    fn tell_others(&self, cluster: &mut Cluster, pair: Pair, assign: &[Command]) {
        let is_other = |id| id != pair.from && id != pair.to;
        let answers = cluster.broadcast(
            |member| member.is_up() && member.node().is_master() && is_other(member.id()),
            assign,
        );
        for (member, answer) in cluster.members().iter().zip(answers) {
            let trouble = match answer {
                None => continue,
                Some(Err(error)) => error.to_string(),
                Some(Ok(replies)) => match replies.iter().find_map(|r| r.view().as_error()) {
                    None => continue,
                    Some(text) => String::from_utf8_lossy(text).into_owned(),
                },
            };
            let node = member.endpoint();
            self.context
                .warn(format!("{node} could not be told the new owner of slots: {trouble}"));
        }
    }
}

/// How many slots are given away in one go at least: they cost each node some 2 ms.
const LEAST_COMMIT: usize = 32;

/// How many slots to give away next after `size` of them took `hold_up`.
fn next_commit(size: usize, hold_up: Duration, budget: Duration) -> usize {
    let fitting = size as f64 * budget.as_secs_f64() / hold_up.as_secs_f64().max(1e-6);
    (fitting as usize).clamp(LEAST_COMMIT, 2 * size.max(LEAST_COMMIT))
}

/// A source that hears from the target itself that its last slot has gone turns into the target's replica, and
/// needs no telling any more.
fn has_become_replica(reply: &Reply) -> bool {
    let refusal = reply.view().as_error().unwrap_or_default();
    String::from_utf8_lossy(refusal).contains("only with masters")
}

/// Sends commands of one slot each.
fn set_slots(node: &mut Link<'_>, commands: &[Command]) -> Result<Vec<Reply>> {
    let groups: Vec<Vec<Command>> = commands.iter().map(|command| vec![command.clone()]).collect();
    Ok(node.set_slots(&groups)?.into_iter().flatten().collect())
}

/// The commands that were accepted, and the first that was refused with its reply.
fn part(commands: Vec<Command>, replies: Vec<Reply>) -> (Vec<Command>, Option<(Command, Reply)>) {
    let mut accepted = Vec::with_capacity(commands.len());
    let mut refused = None;
    for (command, reply) in commands.into_iter().zip(replies) {
        if reply.view().as_error().is_none() {
            accepted.push(command);
        } else if refused.is_none() {
            refused = Some((command, reply));
        }
    }
    (accepted, refused)
}
