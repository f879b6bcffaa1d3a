//! What a new node is to be, and which master it follows.

use redistrib_cluster_model::{Node, NodeId};

use crate::error::Result;
use crate::{Cluster, Member, MembershipError};

/// What a new node is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewRole {
    /// A master without slots.
    Master,
    /// A replica of this master.
    ReplicaOf(NodeId),
    /// A replica of whichever reachable master has the fewest, with slots or without.
    Replica,
}

impl NewRole {
    /// The master that the new node would follow, if any. Pure: for plans as well as for carrying them out.
    ///
    /// # Errors
    /// [`Error::NoSuchNode`](crate::Error::NoSuchNode), and [`Error::Membership`](crate::Error::Membership) for a node that is no master, or where none can be reached.
    pub fn master(self, cluster: &Cluster) -> Result<Option<NodeId>> {
        self.master_of(cluster, None)
    }

    /// The same for a node that may be a member already: it does not follow itself.
    pub(super) fn master_of(
        self,
        cluster: &Cluster,
        own: Option<NodeId>,
    ) -> Result<Option<NodeId>> {
        match self {
            Self::Master => Ok(None),
            Self::ReplicaOf(id) if cluster.member(id)?.node().is_master() => Ok(Some(id)),
            Self::ReplicaOf(id) => Err(MembershipError::NotAMaster(id).into()),
            Self::Replica => match poorest_master(cluster, |it| it.is_up() && Some(it.id()) != own)
            {
                Some(id) => Ok(Some(id)),
                None => Err(MembershipError::NoMasterToFollow.into()),
            },
        }
    }

    /// The same for a node that is a member already, which keeps what it has. Pure.
    pub(super) fn for_member(self, node: &Node, cluster: &Cluster) -> Result<Option<NodeId>> {
        let id = node.id;
        match (self, node.master) {
            (Self::Master, None) => Ok(None),
            (Self::Replica, Some(master)) => Ok(Some(master)),
            (Self::ReplicaOf(asked), Some(master)) if asked == master => Ok(Some(master)),
            (Self::ReplicaOf(_) | Self::Replica, None) if node.slots.is_empty() => {
                self.master_of(cluster, Some(id))
            }
            (_, None) => {
                Err(MembershipError::IsMaster { node: id, slots: node.slots.len() }.into())
            }
            (_, Some(master)) => Err(MembershipError::IsReplica { node: id, master }.into()),
        }
    }
}

/// The master with the fewest replicas among those that `which` accepts.
pub(crate) fn poorest_master(cluster: &Cluster, which: impl Fn(&Member) -> bool) -> Option<NodeId> {
    let masters = cluster.masters().filter(|member| which(member));
    // Of equals, one whose data a replica guards.
    let need = |member: &&Member| {
        (cluster.replicas_of(member.id()).count(), member.node().slots.is_empty())
    };
    masters.min_by_key(need).map(Member::id)
}
