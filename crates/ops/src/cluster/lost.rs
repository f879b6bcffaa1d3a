//! Masters that are lost to the cluster, and not only to us.
//!
//! That a master does not answer us can have many reasons: a firewall, another password, a busy moment. Whoever
//! takes its slots then makes it drop all its keys. So its own cluster has to miss it as well.

use std::time::Duration;

use redistrib_cluster_model::Flags;

use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Context, Member, MembershipError};

/// How long the nodes may take to miss one of theirs: twice the default `cluster-node-timeout`.
const LOSS_DEADLINE: Duration = Duration::from_secs(30);

/// Makes sure that every node that answers us has found out by itself that the masters that do not are not to be
/// reached. Waits until they have, since they take their node timeout for it.
///
/// # Errors
/// [`Error::Membership`] for a master that does answer, though not as we need it; [`Error::NotSettled`] for one that
/// another node reaches.
pub(crate) fn confirm(cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
    if let Some((master, failure)) = absent(cluster).find(|(_, failure)| !failure.is_unreachable())
    {
        let (master, why) = (master.id(), failure.to_string());
        return Err(MembershipError::Alive { master, why }.into());
    }
    if seen_well(cluster).is_some() {
        context.note("Waiting until all nodes miss the masters that do not answer");
    }
    until_settled(LOSS_DEADLINE, context.cancel, || {
        let seen = seen_well(cluster);
        if seen.is_some() {
            cluster.refresh();
        }
        Ok(seen)
    })
}

/// The masters with slots that we have no connection to, and why.
fn absent(cluster: &Cluster) -> impl Iterator<Item = (&Member, &Error)> {
    let owners = cluster.masters().filter(|master| !master.node().slots.is_empty());
    owners.filter_map(|master| Some((master, master.failure()?)))
}

/// Which of these masters some other node reaches, in words.
fn seen_well(cluster: &Cluster) -> Option<String> {
    absent(cluster).find_map(|(master, failure)| {
        let sees = |other: &&Member| {
            let seen = other.topology().and_then(|topology| topology.node(master.id()));
            // One that found a stranger where the master was has given its address up, and never says that it failed.
            let misses = |flags: &Flags| flags.is_failed_or_suspected() || flags.is_without_address();
            seen.is_some_and(|node| !misses(&node.flags))
        };
        let witness = cluster.members().iter().find(sees)?.endpoint();
        Some(format!(
            "{witness} sees master {} well, though it does not answer from here ({failure}); its slots are not taken \
             from it: make it reachable first",
            master.id()
        ))
    })
}
