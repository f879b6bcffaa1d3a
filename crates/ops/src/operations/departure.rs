//! A node leaves a cluster for good.

use std::time::Duration;

use redistrib_cluster_model::{NodeId, counted};

use super::forgotten::Forgotten;
use crate::add_node::{handshake_under_way, poorest_master};
use crate::commands::replies::info_in;
use crate::commands::{self, Reset};
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Context, Event, Member, MembershipError, Step};

/// How long news of slots or of a departure may take to reach every node.
const NEWS_DEADLINE: Duration = Duration::from_secs(20);
/// How long handshakes may take that an interrupted run has begun.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(20);
/// How long a server may take to drop the keys of slots that it has given away.
const DROP_DEADLINE: Duration = Duration::from_secs(3);

/// What has to be done for a node to leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Departure {
    /// The node that leaves.
    pub(crate) node: NodeId,
    /// Its replicas, each with the master it will follow.
    pub(crate) reassigned: Vec<(NodeId, NodeId)>,
    /// Whether it keeps its id when it is reset, as redis-cli and valkey-cli leave it.
    pub(crate) keeps_id: bool,
}

impl Departure {
    /// Makes sure that the node can leave, and finds new masters for its replicas. A node that only some others
    /// still know, after a departure that was interrupted, can. Waits until its handshakes have ended, and looks for the nodes again if
    /// it had any.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`] for one that nobody knows, and [`Error::Membership`](crate::Error::Membership) for a master that still owns slots, or whose
    /// replicas would have nobody to follow; [`Error::NotSettled`] for a handshake that does not end.
    pub(crate) fn plan(cluster: &mut Cluster, id: NodeId, context: Context<'_>) -> Result<Self> {
        await_handshakes(cluster, id, context)?;
        cluster.take_in(id);
        let leaving = cluster.known(id).ok_or_else(|| cluster.no_such_node(&id.to_string()))?;
        if !leaving.slots.is_empty() {
            let (node, slots) = (leaving.address.clone(), leaving.slots.len());
            return Err(MembershipError::OwnsSlots { node, slots }.into());
        }
        // A replica of a master without slots would guard nothing.
        let others = |member: &Member| {
            member.id() != id && member.is_up() && !member.node().slots.is_empty()
        };
        let followers = cluster.replicas_of(id).filter(|replica| replica.is_up());
        let reassigned = followers
            .map(|replica| {
                let master = poorest_master(cluster, others)
                    .ok_or_else(|| MembershipError::NoMasterLeft(replica.endpoint().clone()))?;
                Ok((replica.id(), master))
            })
            .collect::<Result<_>>()?;
        Ok(Self { node: id, reassigned, keeps_id: false })
    }

    /// Does it: the replicas follow others, every reachable node forgets the one that leaves, and it is reset, so that it
    /// would come back as somebody new, unless it keeps its id. A node that is down is just forgotten. Returns when no node knows it any more.
    ///
    /// # Errors
    /// [`Error::NotSettled`] for a master that holds keys, or that others take for the owner of slots, before anything has
    /// changed; [`Error::Membership`](crate::Error::Membership) for nodes that would not forget it, when all else is done; those of
    /// [`crate::Connection::call`].
    pub(crate) fn apply(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
        self.refuse_keys(cluster, context)?;
        self.refuse_owner(cluster, context)?;
        for (replica, master) in &self.reassigned {
            let connection = cluster.member_mut(*replica)?.connection()?;
            let name = connection.endpoint().to_string();
            context.step(Step::Following { replica: name, master: *master });
            connection.call(&commands::replicate(*master))?;
        }
        let mut forgotten = Forgotten::one(self.node);
        let mut tell = |cluster: &mut Cluster| {
            context.step(Step::Forgetting);
            let failures = forgotten.tell(cluster);
            self.name_untold(cluster, context);
            failures
        };
        // Whoever the next run asks, should this one be killed, must know what is left to do.
        let failures = if cluster.myself().id() == self.node {
            let failures = tell(cluster);
            self.reset(cluster, context)?;
            failures
        } else {
            self.reset(cluster, context)?;
            tell(cluster)
        };
        if !failures.is_empty() {
            return Err(MembershipError::NotForgotten { node: self.node, failures }.into());
        }
        until_settled(NEWS_DEADLINE, context.cancel, || {
            cluster.refresh();
            Ok(forgotten.amiss(cluster))
        })
    }

    /// Others may not have heard yet that its slots have gone: forgetting it, they would have slots without an owner.
    fn refuse_owner(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
        until_settled(NEWS_DEADLINE, context.cancel, || {
            let owns = |member: &&Member| {
                let node = member.topology().and_then(|view| view.node(self.node));
                node.is_some_and(|node| !node.slots.is_empty())
            };
            let Some(witness) = cluster.members().iter().find(owns) else { return Ok(None) };
            let what =
                format!("{} takes node {} for the owner of slots", witness.endpoint(), self.node);
            cluster.refresh();
            Ok(Some(what))
        })
    }

    fn name_untold(&self, cluster: &Cluster, context: Context<'_>) {
        let untold = |member: &&Member| !member.is_up() && member.id() != self.node;
        for member in cluster.members().iter().filter(untold) {
            context.warn(format!(
                "{} cannot be reached and was not told: should it come back, gossip brings the name of the node back \
                 too; then send it CLUSTER FORGET {}",
                member.endpoint(),
                self.node
            ));
        }
    }

    /// A master with keys cannot be reset. Where it owns no slot, no client can read them either; servers may take a
    /// moment to drop those of slots that they have just given away.
    fn refuse_keys(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
        let Ok(leaving) = cluster.member_mut(self.node) else { return Ok(()) };
        if !leaving.is_up() || !leaving.is_master() {
            return Ok(());
        }
        let node = leaving.endpoint().clone();
        let connection = leaving.connection()?;
        until_settled(DROP_DEADLINE, context.cancel, || {
            let keyspace = connection.call(&commands::info_of("keyspace"))?;
            let keys = info_in(&keyspace).keys();
            Ok((keys > 0).then(|| {
                format!(
                    "Node {node} is not empty! It holds {} of slots that it does not own, which no client can read: \
                     FLUSHALL on that node if not needed, and try again",
                    counted(keys, "key")
                )
            }))
        })
    }

    fn reset(&self, cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
        let Ok(leaving) = cluster.member_mut(self.node) else { return Ok(()) };
        if leaving.failure().is_some_and(|failure| matches!(failure, Error::Unexpected { .. })) {
            // Another node answers at its address: itself, after its reset, or one that has the address now.
            return Ok(());
        }
        if !leaving.is_up() {
            let node = leaving.endpoint().to_string();
            let text = format!(
                "{node} cannot be reached, unable to send CLUSTER RESET: it still takes itself for a member; reset it (CLUSTER \
                 RESET HARD) should it come back"
            );
            context.tell(Event::NotReset { node, text });
            return Ok(());
        }
        let how = if self.keeps_id { Reset::Soft } else { Reset::Hard };
        context.step(Step::Resetting { hard: how == Reset::Hard });
        leaving.connection()?.call(&commands::reset(how))?;
        Ok(())
    }
}

/// Waits for the end of handshakes that an interrupted run has begun. One that outlasted the reset would make the node a member under its
/// new id, since servers ask no list of forgotten ids then; and before its end a node does not know whom it will have met.
fn await_handshakes(cluster: &mut Cluster, id: NodeId, context: Context<'_>) -> Result<()> {
    let mut has_waited = false;
    until_settled(HANDSHAKE_DEADLINE, context.cancel, || {
        let under_way = handshake_under_way(cluster, id);
        if under_way.is_some() {
            cluster.refresh();
            has_waited = true;
        }
        Ok(under_way)
    })?;
    if has_waited { cluster.rediscover() } else { Ok(()) }
}
