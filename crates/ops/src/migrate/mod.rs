//! The migration engine: moves slots with their keys between masters, under live traffic.
//!
//! Give [`migrate`] a list of moves; it runs those that share no node at the same time, and small ones that do, tells its
//! [`Observer`](crate::Observer) what it does, and leaves the cluster such that at every instant another
//! run can finish what an interrupted one began: the open slots of the cluster are its only journal.
//! Around it stand `reshard` and all other verbs that move slots.

mod ahead;
mod atomic;
mod burst;
mod bus;
mod commit;
mod copy;
mod counted;
mod counts;
mod databases;
mod evictions;
pub(crate) mod fitness;
mod followers;
mod give_back;
mod keys;
mod known;
mod large;
mod limiter;
mod link;
pub(crate) mod mend;
mod options;
mod others;
pub(crate) mod pace;
mod pair;
mod preflight;
mod queue;
mod ready;
mod settle;
mod shared;
mod source;
mod stale;
mod taking;
mod tally;
mod trials;
mod trouble;
mod turns;
mod undo;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use redistrib_cluster_model::{Move, NodeId};
use serde::Serialize;

pub(crate) use atomic::JobQuestions;
pub(crate) use atomic::finish_running_at;
pub(crate) use atomic::{any_running, known_jobs};
pub use atomic::{finish_running, jobs};
pub use fitness::obstacles;
pub use options::{Atomic, MigrateOptions, Rate};

use crate::agreement::disagreement;
use crate::commands;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Context, Event, Member, Stop};
use evictions::Evictions;
use shared::Shared;

/// How often all nodes are asked at the end, while some of them are known to be behind.
const LOOK_AT_ALL: Duration = Duration::from_secs(1);

/// What a migration did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Migrated {
    /// Slots with a new owner.
    pub slots: usize,
    /// Keys that the targets acknowledged.
    pub keys: u64,
    /// About what the keys took in the sources' memory, by samples; 0 where the servers do not say.
    pub bytes: u64,
    /// From the first open slot to the agreement of all nodes.
    #[serde(skip)]
    pub took: Duration,
}

/// Moves slots with their keys. Every [`Move`] names slots that its `from` owns; a slot is in one move.
///
/// The first [`Cancel::press`](crate::Cancel::press) finishes the batches under way (about a second of
/// work) and leaves no slot open; the second stops at once.
///
/// # Errors
/// [`Error::Move`], [`Error::Unfit`] and [`Error::NotSettled`] before anything changes; [`Error::LeftOpen`] around
/// whatever stops it while slots are open; [`Error::Cancelled`]; [`Error::NotSettled`] at the end.
///
/// ```no_run
/// use redistrib_ops::migrate::{MigrateOptions, migrate};
/// use redistrib_ops::{Cancel, Cluster, Context, Settings, Silent, model::Move};
///
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// let ids: Vec<_> = cluster.masters().map(|member| member.id()).collect();
/// let slots = cluster.member(ids[0])?.node().slots.clone().take_first(100);
/// let moves = [Move { from: ids[0], to: ids[1], slots }];
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// let done = migrate(&mut cluster, &moves, &MigrateOptions::default(), context)?;
/// println!("{} slots, {} keys", done.slots, done.keys);
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn migrate(
    cluster: &mut Cluster,
    moves: &[Move],
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<Migrated> {
    preflight::check(cluster, moves, options, context)?;
    let targets = moves.iter().map(|step| step.to).collect();
    bus::drain(cluster, &targets, options, context)?;
    let evictions = Evictions::begin(cluster, &targets);
    let wanted: usize = moves.iter().map(|step| step.slots.len()).sum();
    let queue = queue::Queue::new(moves);
    let pairs: BTreeSet<_> = moves.iter().map(|step| (step.from, step.to)).collect();
    context.tell(Event::MigrationStarted { slots: wanted, pairs: pairs.len() });
    let started = Instant::now();
    let shared = Shared::new(cluster, options, context);
    ahead::ask_sources(&shared, moves);
    let outcome = queue.run(&shared);
    shared.tell_untold();
    let (slots, keys, bytes) = shared.moved();
    outcome?;
    if slots < wanted && context.cancel.requested() != Stop::No {
        let what = format!("{slots} of {wanted} slots have moved, and no slot is left open");
        return Err(Error::Cancelled(what));
    }
    bus::drain_to_others(cluster, moves, options, context)?;
    look_at_end(cluster, moves, options, context)?;
    evictions.tell(cluster, context);
    Ok(Migrated { slots, keys, bytes, took: started.elapsed() })
}

/// Waits until all nodes, replicas too, see the same owners. A server that has lost its last slot follows the new owner
/// and may have closed its connections over that: it is no less a member. Those that have not learned of the moves are asked
/// again; all of them from time to time, since more may have happened than that.
fn look_at_end(
    cluster: &mut Cluster,
    moves: &[Move],
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let mut all_asked: Option<Instant> = None;
    until_settled(options.settle, context.cancel, || {
        let behind = cluster.members().iter().filter(|member| is_behind(member, moves));
        let behind: BTreeSet<NodeId> = behind.map(Member::id).collect();
        match all_asked {
            Some(at) if at.elapsed() < LOOK_AT_ALL && !behind.is_empty() => {
                cluster.refresh_of(|member| behind.contains(&member.id()));
            }
            _ => {
                cluster.refresh();
                all_asked = Some(Instant::now());
            }
        }
        cluster.reconnect();
        let unsettled = unreplaced_master(cluster).or_else(|| disagreement(cluster, |_| true));
        Ok(unsettled.or_else(|| followers::follow_owner(cluster, moves)))
    })
}

/// Whether a node has not heard yet that slots have moved.
fn is_behind(member: &Member, moves: &[Move]) -> bool {
    let Some(view) = member.topology() else { return false };
    let has_heard = |step: &Move| {
        view.node(step.to).is_some_and(|to| step.slots.difference(&to.slots).is_empty())
    };
    !moves.iter().all(has_heard)
}

/// A master that does not answer and still has slots in the eyes of the others: no replica has taken them over.
fn unreplaced_master(cluster: &Cluster) -> Option<String> {
    let views = || cluster.members().iter().filter_map(Member::topology);
    let is_owner =
        |id| views().any(|view| view.node(id).is_some_and(|node| !node.slots.is_empty()));
    let mut silent = cluster.masters().filter(|master| !master.is_up());
    let master = silent.find(|master| is_owner(master.id()))?;
    Some(format!("master {} ({}) cannot be reached", master.endpoint(), master.id()))
}
