//! Whether the nodes of a cluster, replicas too, see the same owners of slots.

use std::time::Duration;

use crate::error::Result;
use crate::wait::until_settled;
use crate::{Cluster, Context, Member};

/// What two of the reachable nodes see differently, in words.
pub(crate) fn disagreement(cluster: &Cluster, which: impl Fn(&Member) -> bool) -> Option<String> {
    let members = cluster.members().iter().filter(|member| which(member));
    let mut views = members.filter_map(|member| Some((member, member.topology()?)));
    let (first, theirs) = views.next()?;
    let (other, _) = views.find(|(_, view)| !view.agrees_with(theirs))?;
    let (one, two) = (first.endpoint(), other.endpoint());
    Some(format!("{one} and {two} do not see the same owners of slots"))
}

/// Waits until all nodes that can be reached see the same owners.
///
/// # Errors
/// [`crate::Error::NotSettled`]; [`crate::Error::Cancelled`].
pub(crate) fn agree(cluster: &mut Cluster, deadline: Duration, context: Context<'_>) -> Result<()> {
    until_settled(deadline, context.cancel, || {
        cluster.refresh();
        Ok(disagreement(cluster, |_| true))
    })
}
