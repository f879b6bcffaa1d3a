//! The cluster bus at rest: what nodes have told each other of their slots has been heard.
//!
//! A node's news may be under way for a while, as TCP holds back a small message behind one that nobody has
//! acknowledged yet. Redis 7.0.15 suffers from news that are late. A node that a command has told of a slot's new
//! owner, and that then hears that owner's news from before, marks the slot as unclaimed; it keeps the mark when it
//! takes the slot itself, and hands the slot over, and deletes its keys, at the next of that owner's old news. Source:
//! redis/redis pull requests 12344 and 12564.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use redistrib_cluster_model::{Move, NodeId};
use redistrib_resp::{Command, Reply};

use super::options::MigrateOptions;
use super::preflight;
use crate::cluster::in_parallel;
use crate::error::{Error, Result};
use crate::lock::Holder;
use crate::wait::until_settled;
use crate::{Cluster, Connection, Context, Member, limits};

/// How long a message is listened for before it is sent again, as one may get lost between nodes.
const LISTEN: Duration = Duration::from_millis(100);
/// Where a user may not send or hear messages, this is waited instead: TCP holds nothing back for longer.
const BLIND_WAIT: Duration = Duration::from_millis(250);

/// Waits until the targets have received all that the masters have sent so far.
///
/// Messages of PUBLISH go the same way as news of slots and stay behind them.
///
/// # Errors
/// [`Error::NotSettled`] where a master is not heard; [`Error::Move`] where it does not answer either; those of
/// [`Connection::open`].
pub(super) fn drain(
    cluster: &mut Cluster,
    targets: &BTreeSet<NodeId>,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    unless_forbidden(hear_all(cluster, targets, options, context))
}

fn hear_all(
    cluster: &mut Cluster,
    targets: &BTreeSet<NodeId>,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let channel = Holder::new("bus").name();
    let masters = cluster.masters().filter(|member| member.is_up());
    let masters: BTreeSet<NodeId> = masters.map(|member| member.id()).collect();
    let awaited: Vec<_> = targets.iter().map(|target| (*target, masters.clone())).collect();
    let listening: Result<Vec<Listener>> = listeners(cluster, &awaited, &channel).collect();
    let mut listening = listening?;
    until_settled(options.settle, context.cancel, || {
        publish(cluster, &masters, &channel)?;
        for listener in &mut listening {
            if let Some(silent) = listener.listen()? {
                require_alive(cluster, &listener.unheard)?;
                return listener.silence(cluster, silent).map(Some);
            }
        }
        Ok(None)
    })
}

/// Waits until the masters that were told of new owners have received all that the old and the new ones sent before.
///
/// A master that hears the new owner's old news, and then the old owner's, takes the old one for the owner again until
/// the new one's next news: all nodes would have agreed, and a moment later they would not. A node that cannot be asked,
/// or dies meanwhile, is not waited for.
///
/// # Errors
/// [`Error::NotSettled`] where an owner is not heard; [`Error::Cancelled`].
pub(super) fn drain_to_others(
    cluster: &mut Cluster,
    moves: &[Move],
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let channel = Holder::new("bus").name();
    let ends = |step: &Move| [step.from, step.to];
    let masters = cluster.masters().filter(|member| member.is_up()).map(Member::id);
    let awaited = masters.map(|id| {
        let told = moves.iter().filter(|step| !ends(step).contains(&id));
        (id, told.flat_map(ends).collect::<BTreeSet<NodeId>>())
    });
    let awaited = awaited.filter(|(_, owners)| !owners.is_empty());
    // Where connections are scarce, the nodes that are not listened at are still asked at the end.
    let awaited: Vec<_> = awaited.take(limits::free_files() / 2).collect();
    let owners: BTreeSet<NodeId> = moves.iter().flat_map(ends).collect();
    let mut listening: Vec<Listener> =
        listeners(cluster, &awaited, &channel).filter_map(Result::ok).collect();
    let outcome = until_settled(options.settle, context.cancel, || {
        // A connection that has merely broken is made again.
        if !owners.iter().all(|id| is_up(cluster, *id)) {
            cluster.reconnect();
        }
        publish(cluster, &owners, &channel)?;
        for listener in &mut listening {
            listener.unheard.retain(|id| is_up(cluster, *id));
            if let Ok(Some(silent)) = listener.listen() {
                return listener.silence(cluster, silent).map(Some);
            }
        }
        Ok(None)
    });
    unless_forbidden(outcome)
}

fn is_up(cluster: &Cluster, id: NodeId) -> bool {
    cluster.member(id).is_ok_and(Member::is_up)
}

/// Whoever may not send or hear messages waits for a while instead.
fn unless_forbidden(outcome: Result<()>) -> Result<()> {
    match outcome {
        Err(Error::Refused { .. }) => {
            thread::sleep(BLIND_WAIT);
            Ok(())
        }
        outcome => outcome,
    }
}

/// Nobody will hear from a master that is gone. A connection that has merely broken is made again, and one that is not ready is
/// waited for.
fn require_alive(cluster: &mut Cluster, masters: &BTreeSet<NodeId>) -> Result<()> {
    if cluster.masters().any(|master| masters.contains(&master.id()) && !master.is_up()) {
        cluster.reconnect();
    }
    let is_gone = |master: &&Member| master.failure().is_some_and(|error| !error.is_passing());
    let mut awaited =
        cluster.masters().filter(|master| masters.contains(&master.id())).filter(is_gone);
    awaited.find_map(preflight::missing_master).map_or(Ok(()), Err)
}

/// A node that listens.
#[derive(Debug)]
struct Listener {
    connection: Connection,
    /// The nodes that it has not heard yet.
    unheard: BTreeSet<NodeId>,
}

/// Those that listen, each with the nodes that it has to hear.
fn listeners(
    cluster: &Cluster,
    awaited: &[(NodeId, BTreeSet<NodeId>)],
    channel: &str,
) -> impl Iterator<Item = Result<Listener>> + use<> {
    let subscribe = Command::new("SUBSCRIBE").arg(channel);
    let listening = in_parallel(awaited, |(id, speakers)| {
        let mut connection = cluster.connect(*id)?;
        connection.call(&subscribe)?;
        let mut unheard = speakers.clone();
        unheard.remove(id);
        Ok(Listener { connection, unheard })
    });
    listening.into_iter()
}

/// Has each of the nodes send its id. One that fails is missed by those that listen.
///
/// # Errors
/// [`Error::Refused`].
fn publish(cluster: &mut Cluster, speakers: &BTreeSet<NodeId>, channel: &str) -> Result<()> {
    let publish = |member: &Member| -> Option<Arc<[Command]>> {
        let command = || Command::new("PUBLISH").arg(channel).arg(member.id().to_string());
        (member.is_up() && speakers.contains(&member.id())).then(|| Arc::new([command()]) as _)
    };
    let answers = cluster.hear_each(publish, |connection, replies| {
        let publish = Command::new("PUBLISH");
        Ok(replies.iter().find_map(|reply| connection.refusal(&publish, reply.view())))
    });
    let mut refusals = answers.into_iter().filter_map(|answer| answer?.ok()?);
    refusals.next().map_or(Ok(()), Err)
}

impl Listener {
    /// Returns a node that is not heard in time.
    fn listen(&mut self) -> Result<Option<NodeId>> {
        while let Some(silent) = self.unheard.first() {
            match self.connection.poll(LISTEN)? {
                None => return Ok(Some(*silent)),
                Some(message) => {
                    if let Some(id) = sender(&message) {
                        self.unheard.remove(&id);
                    }
                }
            }
        }
        Ok(None)
    }

    fn silence(&self, cluster: &Cluster, silent: NodeId) -> Result<String> {
        let (node, other) = (self.connection.endpoint(), cluster.member(silent)?.endpoint());
        Ok(format!("{node} hears nothing from {other} over the cluster bus"))
    }
}

/// Who sent a message: `message`, the channel, the id.
fn sender(message: &Reply) -> Option<NodeId> {
    message.view().elements().nth(2)?.as_str()?.parse().ok()
}
