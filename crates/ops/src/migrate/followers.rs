//! Replicas of a source that gave its last slot away.
//!
//! The source turns into a replica of the new owner, and its replicas follow that owner too, by the news of the slots. Redis
//! 6.2 leaves behind those that hear first that the source is a replica: they would follow a replica for ever, and could
//! take over from nobody. Later servers mend it at the next message. Source: redis/redis `clusterUpdateSlotsConfigWith`, the
//! comment on sub-replicas, which 6.2 has not.

use redistrib_cluster_model::{Move, NodeId};

use crate::{Cluster, commands};

/// Lets such replicas follow whom their master follows, and returns which one did not do so yet. To be called again.
pub(super) fn follow_owner(cluster: &mut Cluster, moves: &[Move]) -> Option<String> {
    let chained = chained(cluster, moves);
    for (replica, owner) in &chained {
        let connection = cluster.member_mut(*replica).and_then(|member| member.connection());
        // What a server refuses or does not hear is asked for again; the caller's deadline bounds that.
        let _ = connection.and_then(|connection| connection.call(&commands::replicate(*owner)));
    }
    let (replica, owner) = chained.first()?;
    Some(format!("replica {replica} follows a replica of {owner} instead of {owner}"))
}

/// Replicas of sources that are replicas themselves, each with the source's master.
fn chained(cluster: &Cluster, moves: &[Move]) -> Vec<(NodeId, NodeId)> {
    let owner_of = |source: NodeId| cluster.member(source).ok()?.node().master;
    let sources = moves.iter().filter_map(|step| Some((step.from, owner_of(step.from)?)));
    let chained = sources.flat_map(|(source, owner)| {
        let replicas = cluster.replicas_of(source).filter(move |replica| replica.id() != owner);
        replicas.map(move |replica| (replica.id(), owner))
    });
    chained.collect()
}
