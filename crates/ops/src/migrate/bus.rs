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

use redistrib_cluster_model::NodeId;
use redistrib_resp::{Command, Reply};

use super::options::MigrateOptions;
use super::preflight;
use crate::cluster::in_parallel;
use crate::error::{Error, Result};
use crate::lock::Holder;
use crate::wait::until_settled;
use crate::{Cluster, Connection, Context, Member};

/// How long a message is listened for before it is sent again, as one may get lost between nodes.
const LISTEN: Duration = Duration::from_millis(100);
/// Where a user may not send or hear messages, this is waited instead: TCP holds nothing back for longer.
const BLIND_WAIT: Duration = Duration::from_millis(250);

/// Waits until the targets have heard all that the masters had to tell so far.
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
    match hear_all(cluster, targets, options, context) {
        Err(Error::Refused { .. }) => {
            thread::sleep(BLIND_WAIT);
            Ok(())
        }
        outcome => outcome,
    }
}

fn hear_all(
    cluster: &mut Cluster,
    targets: &BTreeSet<NodeId>,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let channel = Holder::new("bus").name();
    let mut listening = listeners(cluster, targets, &channel)?;
    until_settled(options.settle, context.cancel, || {
        publish(cluster, &channel)?;
        for listener in &mut listening {
            if let Some(silent) = listener.listen()? {
                require_alive(cluster, &listener.unheard)?;
                let (node, other) =
                    (listener.connection.endpoint(), cluster.member(silent)?.endpoint());
                return Ok(Some(format!("{node} hears nothing from {other} over the cluster bus")));
            }
        }
        Ok(None)
    })
}

/// Nobody will hear from a master that is gone. A connection that has merely broken is made again.
fn require_alive(cluster: &mut Cluster, masters: &BTreeSet<NodeId>) -> Result<()> {
    if cluster.masters().any(|master| masters.contains(&master.id()) && !master.is_up()) {
        cluster.reconnect();
    }
    let mut awaited = cluster.masters().filter(|master| masters.contains(&master.id()));
    awaited.find_map(preflight::missing_master).map_or(Ok(()), Err)
}

/// A target that listens.
#[derive(Debug)]
struct Listener {
    connection: Connection,
    /// The masters that it has not heard yet.
    unheard: BTreeSet<NodeId>,
}

fn listeners(
    cluster: &Cluster,
    targets: &BTreeSet<NodeId>,
    channel: &str,
) -> Result<Vec<Listener>> {
    let masters = cluster.masters().filter(|member| member.is_up());
    let masters: BTreeSet<NodeId> = masters.map(|member| member.id()).collect();
    let targets: Vec<NodeId> = targets.iter().copied().collect();
    let subscribe = Command::new("SUBSCRIBE").arg(channel);
    let listening = in_parallel(&targets, |target| {
        let mut connection = cluster.connect(*target)?;
        connection.call(&subscribe)?;
        let mut unheard = masters.clone();
        unheard.remove(target);
        Ok(Listener { connection, unheard })
    });
    listening.into_iter().collect()
}

/// Has every master send its id. A master that fails is missed by those that listen.
///
/// # Errors
/// [`Error::Refused`].
fn publish(cluster: &mut Cluster, channel: &str) -> Result<()> {
    let publish = |member: &Member| -> Option<Arc<[Command]>> {
        let command = || Command::new("PUBLISH").arg(channel).arg(member.id().to_string());
        (member.is_up() && member.is_master()).then(|| Arc::new([command()]) as _)
    };
    let answers = cluster.hear_each(publish, |connection, replies| {
        let publish = Command::new("PUBLISH");
        Ok(replies.iter().find_map(|reply| connection.refusal(&publish, reply.view())))
    });
    let mut refusals = answers.into_iter().filter_map(|answer| answer?.ok()?);
    refusals.next().map_or(Ok(()), Err)
}

impl Listener {
    /// Returns a master that is not heard in time.
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
}

/// Who sent a message: `message`, the channel, the id.
fn sender(message: &Reply) -> Option<NodeId> {
    message.view().elements().nth(2)?.as_str()?.parse().ok()
}
