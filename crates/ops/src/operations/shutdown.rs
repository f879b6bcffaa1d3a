//! `shutdown`: a cluster of one node ends.

use super::operation::Operation;
use crate::commands::replies::info_in;
use crate::commands::{self, Reset};
use crate::error::Result;
use crate::{Cluster, Context, Endpoint, Member, MembershipError, Settings};

/// The request to end a cluster of which the seed is the last node and holds no key: it is reset.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// The last node.
    pub seed: Endpoint,
    /// Whether nodes that it takes for dead and that do not answer us either do not count.
    pub ignore_failed: bool,
}

impl Operation for Shutdown {
    const VERB: &'static str = "shutdown";
    type Subject = Cluster;
    type Plan = ();
    type Report = ();

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    /// # Errors
    /// [`Error::Membership`](crate::Error::Membership) while there are other nodes or keys.
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<()> {
        let seed = cluster.seed().clone();
        let is_dead = |member: &&Member| {
            let seen = cluster.myself().topology().and_then(|topology| topology.node(member.id()));
            let missed = seen.is_some_and(|it| it.flags.is_failed_or_suspected());
            missed && !member.is_up()
        };
        let others = cluster.members().len() - 1;
        let dead = cluster.members().iter().filter(is_dead).count();
        let (passed_over, failed) = if self.ignore_failed { (dead, 0) } else { (0, dead) };
        if others > passed_over {
            return Err(MembershipError::OtherNodes { seed, others, failed }.into());
        }
        let connection = cluster.myself_mut().connection()?;
        let keyspace = connection.call(&commands::info_of("keyspace"))?;
        let keys = info_in(&keyspace).keys();
        if keys > 0 {
            return Err(MembershipError::HoldsKeys { node: seed, keys }.into());
        }
        Ok(())
    }

    fn apply(&self, _plan: (), cluster: &mut Cluster, _context: Context<'_>) -> Result<()> {
        // As somebody new: a node that still remembers the old id may be about to make others forget it.
        let reset = commands::reset(Reset::Hard);
        cluster.myself_mut().connection()?.call(&reset).map(drop)
    }
}
