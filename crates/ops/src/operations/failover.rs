//! `failover`: a replica takes the place of its master.

use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redistrib_cluster_model::{NodeId, NodeLabel, NodeName, Slot, SlotSet};
use redistrib_resp::Command;
use serde::Serialize;

use super::operation::Operation;
use crate::cluster::bus::LINK_DEADLINE;
use crate::commands::{self, Without};
use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, finish_running_at, jobs};
use crate::operations::votes;
use crate::wait::until_settled;
use crate::{
    Cancel, Cluster, Connection, Context, Endpoint, Member, MembershipError, Refusal, Settings,
    Stop, limits, server_info,
};

/// A server gives a failover up after 5 s (`CLUSTER_MF_TIMEOUT` in its source), as where a vote did not come in time, and says so
/// in its log alone.
const PATIENCE: Duration = Duration::from_secs(6);
/// How long it may take until all nodes agree: a few attempts, and an election takes two node timeouts.
const DEADLINE: Duration = Duration::from_secs(60);
/// The time between two commands of the probe.
const INTERVAL: Duration = Duration::from_millis(1);

/// What a replica may do to become master (`CLUSTER FAILOVER`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FailoverMode {
    /// The master holds its clients up until the replica has all its data: nothing is lost.
    #[default]
    Agreed,
    /// Without the master: what it has not passed on is lost. The other masters vote.
    Force,
    /// Without the master and without a vote, where no majority of masters is left: if others know better, the
    /// cluster may disagree for a while.
    TakeOver,
}

/// A replica that is to take the place of its master.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failover {
    /// The replica.
    pub replica: NodeLabel,
    /// Its master.
    pub master: NodeLabel,
    /// The master's slots.
    pub slots: SlotSet,
    /// How.
    pub mode: FailoverMode,
}

/// The request to let a replica take the place of its master.
#[derive(Clone, Debug, Default)]
pub struct Promote {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The replica: the seed, where none is named.
    pub which: Option<NodeName>,
    /// How.
    pub mode: FailoverMode,
}

/// What a [`Promote`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promoted {
    /// Who took whose place.
    pub failover: Failover,
    /// How long the writes of a probe were held up, where its user may write at all.
    pub held_up: Option<Duration>,
}

impl Operation for Promote {
    const VERB: &'static str = "failover";
    type Subject = Cluster;
    type Plan = Failover;
    type Report = Promoted;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<Failover> {
        Failover::plan(cluster, cluster.find_or_myself(self.which.as_ref())?, self.mode)
    }

    fn apply(
        &self,
        failover: Failover,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<Promoted> {
        let held_up = failover.apply(cluster, context)?;
        // Atomic migrations may have ended meanwhile.
        let slots = cluster.member(failover.replica.id)?.node().slots.clone();
        Ok(Promoted { failover: Failover { slots, ..failover }, held_up })
    }
}

impl Failover {
    /// Plans the promotion of a replica. Changes nothing.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`]; [`Error::Membership`] for a node that is a master, and for a master that does not answer
    /// where it is needed.
    pub fn plan(cluster: &Cluster, replica: NodeId, mode: FailoverMode) -> Result<Self> {
        let member = cluster.member(replica)?;
        let node = member.endpoint();
        let Some(id) = member.node().master.filter(|_| !member.is_master()) else {
            return Err(MembershipError::IsMasterAlready(node.clone()).into());
        };
        let master = cluster.member(id)?;
        if let (FailoverMode::Agreed, Some(failure)) = (mode, master.failure()) {
            let (replica, why) = (node.clone(), failure.to_string());
            return Err(MembershipError::SilentMaster { replica, why }.into());
        }
        let member_named =
            |member: &Member| NodeLabel { id: member.id(), address: member.endpoint().to_string() };
        let slots = master.node().slots.clone();
        Ok(Self { replica: member_named(member), master: member_named(master), slots, mode })
    }

    /// Carries it out, once the master's atomic migrations have ended, with the slots that it has then, and waits until every node
    /// that answers sees the new master; then the cluster has been looked at again. Returns how long the writes of a probe were held
    /// up, where its user may write at all. The probe deletes a key that is not there.
    ///
    /// # Errors
    /// Those of [`Connection::call`]; [`Error::NotSettled`]; [`Error::Cancelled`].
    pub fn apply(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<Option<Duration>> {
        let text = format!("Letting {} take the place of {}", self.replica, self.master);
        context.note(text);
        // Redis 8.6 crashes where its master is about to hand slots over, and Valkey gives up what it was at.
        if self.mode == FailoverMode::Agreed && self.finish_jobs(cluster, context)? {
            // The master has other slots now.
            return Self::plan(cluster, self.replica.id, self.mode)?.carry_out(cluster, context);
        }
        self.carry_out(cluster, context)
    }

    /// Waits for the atomic migrations that the master takes part in; returns whether there were any. Of one that has just begun
    /// the target alone may know.
    fn finish_jobs(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<bool> {
        let jobs = jobs(cluster).into_iter().map(|job| [job.from, job.to]);
        let ends: Vec<NodeId> =
            jobs.filter(|ends| ends.contains(&self.master.id)).flatten().collect();
        let is_end = |member: &Member| ends.contains(&member.id());
        finish_running_at(cluster, is_end, &MigrateOptions::default(), context)
    }

    fn carry_out(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<Option<Duration>> {
        // A takeover needs no votes.
        if self.mode != FailoverMode::TakeOver {
            votes::await_expiry(cluster, self.replica.id, context)?;
        }
        let probe = self.probe(cluster)?;
        match self.promote(cluster, context) {
            Ok(()) => Ok(probe.and_then(WriteProbe::finish)),
            Err(error) => {
                probe.inspect(WriteProbe::abandon);
                Err(error)
            }
        }
    }

    fn promote(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
        let command = commands::failover(match self.mode {
            FailoverMode::Agreed => Without::Nothing,
            FailoverMode::Force => Without::Master,
            FailoverMode::TakeOver => Without::Votes,
        });
        self.ask(cluster, &command, context)?;
        let mut asked = Instant::now();
        let promoted = until_settled(DEADLINE, context.cancel, || {
            cluster.refresh();
            if !cluster.member(self.replica.id)?.is_master() && asked.elapsed() > PATIENCE {
                context.warn(format!("{} has given up, and is asked again", self.replica));
                self.ask(cluster, &command, context)?;
                asked = Instant::now();
            }
            Ok(self.missing(cluster))
        });
        match promoted {
            Err(Error::NotSettled { what, after })
                if self.mode == FailoverMode::Force
                    && !cluster.member(self.replica.id)?.is_master() =>
            {
                let replica = self.replica.to_string();
                return Err(MembershipError::NotElected { replica, what, after }.into());
            }
            promoted => promoted?,
        }
        self.let_writes_go(cluster);
        Ok(())
    }

    /// Redis before 6.2.7 keeps writes that it held up as a master until 10 s are over, though it follows the new one long since
    /// (`resetManualFailover` in its source). Now it sends them on. Where it may not be told, they wait.
    fn let_writes_go(&self, cluster: &mut Cluster) {
        let Ok(old) = cluster.member_mut(self.master.id) else { return };
        let Ok(old) = old.connection() else { return };
        let info = server_info::ask_one(old, &[]).unwrap_or_default();
        let patch = info.field("redis_version").and_then(|it| it.strip_prefix("6.2."));
        if patch.and_then(|patch| patch.parse().ok()).is_some_and(|patch: u32| patch < 7) {
            // A failure has no other meaning than that they wait.
            drop(old.call(&commands::unpause()));
        }
    }

    /// Asks the replica. One that has come a moment ago may have no bus link to its master yet, and then takes it for dead.
    fn ask(&self, cluster: &mut Cluster, command: &Command, context: Context<'_>) -> Result<()> {
        let replica = cluster.member_mut(self.replica.id)?.connection()?;
        let may_pass = |error: &Error| error.refused() == Some(Refusal::MasterUnseen);
        replica.call_until_accepted(command, LINK_DEADLINE, context.cancel, may_pass)
    }

    /// What is still to come.
    fn missing(&self, cluster: &Cluster) -> Option<String> {
        let new = &self.replica;
        for member in cluster.members() {
            let Some(topology) = member.topology() else { continue };
            let knows = topology.node(new.id).is_some_and(|node| {
                node.is_master() && self.slots.difference(&node.slots).is_empty()
            });
            if !knows {
                return Some(format!("{} does not see {new} as the master yet", member.endpoint()));
            }
        }
        let old = cluster.member(self.master.id).ok()?;
        (old.is_up() && old.node().master != Some(new.id))
            .then(|| format!("{} does not follow {new} yet", self.master))
    }

    /// A probe on a slot of the master; none where it owns no slot.
    fn probe(&self, cluster: &Cluster) -> Result<Option<WriteProbe>> {
        let Some(key) = self.absent_key() else { return Ok(None) };
        let nodes = [&self.master, &self.replica].map(|node| cluster.member(node.id));
        let [master, replica] = nodes;
        let endpoints = [master?.endpoint().clone(), replica?.endpoint().clone()];
        Ok(WriteProbe::start(endpoints, cluster.settings().clone(), key))
    }

    /// The name of a key in one of the slots. No user has such a name.
    fn absent_key(&self) -> Option<String> {
        self.slots.first()?;
        let mut names = (0_u64..).map(|n| format!("redis-trib:probe:{}:{n}", self.replica.id));
        names.find(|name| self.slots.contains(Slot::of_key(name.as_bytes())))
    }
}

/// A thread that writes nothing, as writes are written, to whichever of two nodes accepts it.
struct WriteProbe {
    stop: Cancel,
    thread: JoinHandle<Option<Duration>>,
}

impl WriteProbe {
    /// None where there is no thread for it.
    fn start(nodes: [Endpoint; 2], settings: Settings, key: String) -> Option<Self> {
        let stop = Cancel::new();
        let asked = stop.clone();
        let thread = limits::spawn(move || measure(&nodes, &settings, &key, &asked)).ok()?;
        Some(Self { stop, thread })
    }

    /// Ends it without waiting: nobody may serve where a failover has failed, or was stopped half-way.
    fn abandon(&self) {
        self.stop.press();
        self.stop.press();
    }

    /// The longest time from one accepted command to the next.
    fn finish(self) -> Option<Duration> {
        self.stop.press();
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn measure(
    nodes: &[Endpoint; 2],
    settings: &Settings,
    key: &str,
    stop: &Cancel,
) -> Option<Duration> {
    let command = commands::delete(key.as_bytes());
    let mut links: [Option<Connection>; 2] = [None, None];
    let (mut at, mut since, mut longest) = (0, Instant::now(), None);
    // The last answer counts: the new master's.
    let mut accepted = true;
    while !(stop.requested() != Stop::No && accepted) {
        if links[at].as_ref().is_none_or(Connection::is_broken) {
            links[at] = Connection::open(&nodes[at], settings).ok();
        }
        let answer = links[at].as_mut().map(|link| link.call(&command));
        accepted = matches!(answer, Some(Ok(_)));
        if accepted {
            longest = longest.max(Some(since.elapsed()));
            since = Instant::now();
        } else if matches!(&answer, Some(Err(error)) if error.refused() == Some(Refusal::NotPermitted))
        {
            return None;
        } else {
            at = 1 - at;
        }
        match stop.requested() {
            Stop::Now => return None,
            Stop::Finish if since.elapsed() > DEADLINE => return None,
            _ => {}
        }
        thread::sleep(INTERVAL);
    }
    longest
}
