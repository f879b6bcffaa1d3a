//! Measures the migration of slots: how fast they move, and how long servers are held up meanwhile.
//!
//! [`Bench`] moves slots from one master to another and back, with probes on both and on bystanders, and
//! leaves the cluster as it found it.

mod fill;
mod probe;
mod report;
mod timeline;
mod watch;

use std::time::{Duration, Instant};

use redistrib_cluster_model::{Move, NodeId, NodeName};

pub use fill::fill;
pub use probe::{HoldUp, PingSample, Probe};
pub use report::{BenchReport, HoldUps, Leg};
pub use timeline::{ArrivedKeys, Timeline, Track};

use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, migrate};
use crate::operations::operation::Operation;
use crate::{Cancel, Cluster, Context, Endpoint, MoveError, Pair, Settings, Stop};
use timeline::MoveRecorder;
use watch::Watched;

/// How long the idle cluster is measured first.
const IDLE: Duration = Duration::from_secs(1);

/// The request to measure how slots move there and back.
#[derive(Clone, Debug)]
pub struct Bench {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// How many slots move. Default 1,000.
    pub slots: usize,
    /// The master that gives; by default the one with the most slots.
    pub from: Option<NodeName>,
    /// The master that takes; by default the one with the fewest.
    pub to: Option<NodeName>,
    /// How they move.
    pub migration: MigrateOptions,
}

impl Default for Bench {
    fn default() -> Self {
        let (seed, migration) = (Endpoint::default(), MigrateOptions::default());
        Self { seed, slots: 1000, from: None, to: None, migration }
    }
}

impl Operation for Bench {
    const VERB: &'static str = "bench";
    type Subject = Cluster;
    /// The way there.
    type Plan = Move;
    type Report = BenchReport;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    /// Chooses which slots go from where to where. The one that gives is not to be left without a slot: a server makes itself a
    /// replica then, and would not get them back.
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<Move> {
        let named = |name: &Option<NodeName>| {
            name.as_ref().map(|name| cluster.find_master(name)).transpose()
        };
        let (from, to) = (named(&self.from)?, named(&self.to)?);
        let size = |id: &NodeId| cluster.member(*id).map_or(0, |member| member.node().slots.len());
        let others = |other: Option<NodeId>| {
            cluster.masters().map(|member| member.id()).filter(move |id| Some(*id) != other)
        };
        let from = from.or_else(|| others(to).max_by_key(size));
        let to = to.or_else(|| others(from).min_by_key(size));
        let pair = from.zip(to).filter(|(from, to)| from != to);
        let (from, to) = pair.ok_or(MoveError::OneMaster)?;
        let mut owned = cluster.member(from)?.node().slots.clone();
        if owned.len() <= self.slots || self.slots == 0 {
            return Err(MoveError::TooMany { node: from, has: owned.len() }.into());
        }
        Ok(Move { from, to, slots: owned.take_first(self.slots) })
    }

    /// When the caller cancels once, what has moved by then goes back at once.
    fn apply(
        &self,
        there: Move,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<BenchReport> {
        let pair = Pair { from: there.from, to: there.to };
        let session = BenchContext {
            migration: &self.migration,
            recorder: MoveRecorder::new(context.observer),
            origin: Instant::now(),
            watched: Watched::choose(cluster, pair),
        };
        let ((), idle) = session.watch(cluster, |_| {
            std::thread::sleep(IDLE);
            Ok(())
        })?;
        let first = session.leg(cluster, &there, context.cancel);
        let stopped = match first {
            Err(Error::Cancelled(_)) if context.cancel.requested() == Stop::Finish => true,
            Err(error) => return Err(error),
            Ok(_) => false,
        };
        // The caller's request to finish is met by going back: that may not be cut short by the same request.
        let second = match way_back(cluster, &there) {
            Some(back) => Some(session.leg(cluster, &back, &Cancel::new())?),
            None => None,
        };
        match (first, second) {
            (Ok(first), Some(second)) if !stopped => Ok(session.report(pair, idle, first, second)),
            _ => Err(Error::Cancelled("all slots are back where they were".into())),
        }
    }
}

/// What is still to be moved back.
fn way_back(cluster: &mut Cluster, there: &Move) -> Option<Move> {
    cluster.refresh();
    let held = cluster.member(there.to).ok()?.node().slots.intersection(&there.slots);
    (!held.is_empty()).then_some(Move { from: there.to, to: there.from, slots: held })
}

/// What all parts of one bench have in common.
struct BenchContext<'a> {
    migration: &'a MigrateOptions,
    recorder: MoveRecorder<'a>,
    origin: Instant,
    watched: Watched,
}

impl BenchContext<'_> {
    /// Does something while the nodes are probed. Where both fail, the work's error says more.
    fn watch<T>(
        &self,
        cluster: &mut Cluster,
        work: impl FnOnce(&mut Cluster) -> Result<T>,
    ) -> Result<(T, Vec<Track>)> {
        let probes = self.watched.start(cluster, self.origin)?;
        let done = work(cluster);
        let tracks = probes.finish();
        Ok((done?, tracks?))
    }

    /// Moves the slots one way.
    fn leg(
        &self,
        cluster: &mut Cluster,
        step: &Move,
        cancel: &Cancel,
    ) -> Result<(Leg, Vec<Track>)> {
        let context = Context::new(&self.recorder, cancel);
        let begun = self.origin.elapsed();
        let (done, tracks) = self.watch(cluster, |cluster| {
            migrate(cluster, std::slice::from_ref(step), self.migration, context)
        })?;
        Ok((Leg::new(step, begun, done, &tracks), tracks))
    }

    fn report(
        self,
        pair: Pair,
        idle: Vec<Track>,
        there: (Leg, Vec<Track>),
        back: (Leg, Vec<Track>),
    ) -> BenchReport {
        let idle_hold_up = HoldUps::of(pair, &idle);
        let tracks = [idle, there.1, back.1].concat();
        let timeline = Timeline { tracks, progress: self.recorder.progress(self.origin) };
        BenchReport { pair, idle: idle_hold_up, there: there.0, back: back.0, timeline }
    }
}
