//! `migrate-slots`: these very slots, from one master to another.

use redistrib_cluster_model::{Move, NodeId, NodeName, SlotSet};

use super::moves::{carry_out, still_owned};
use super::operation::{Operation, Recovery};
use crate::cluster::read_topology;
use crate::error::{Error, Result};
use crate::migrate::{MigrateOptions, Migrated};
use crate::{Cluster, Connection, Context, Endpoint, MoveError, Settings};

/// The request to move slots with their keys from one master to another. Those that the target owns already, as after a run that
/// was interrupted, count as moved. A node may be named by an address that it does not announce: then who answers there is asked.
#[derive(Clone, Debug, Default)]
pub struct MigrateSlots {
    /// Any node of the cluster.
    pub seed: Endpoint,
    /// The master that owns the slots: the seed, where none is named.
    pub from: Option<NodeName>,
    /// The master that takes them: the seed, where none is named.
    pub to: Option<NodeName>,
    /// The slots.
    pub slots: SlotSet,
    /// How they move.
    pub migration: MigrateOptions,
}

impl Operation for MigrateSlots {
    const VERB: &'static str = "migrate-slots";
    type Subject = Cluster;
    /// At most one.
    type Plan = Vec<Move>;
    type Report = Migrated;

    fn discover(&self, settings: &Settings) -> Result<Cluster> {
        Cluster::discover(&self.seed, settings)
    }

    fn recovery(&self) -> Recovery<'_> {
        Recovery::Mend(&self.migration)
    }

    /// # Errors
    /// [`Error::Move`] where neither the source nor the target owns one of the slots, or the nodes are of different clusters;
    /// those of [`Cluster::find`].
    fn plan(&self, cluster: &mut Cluster, _context: Context<'_>) -> Result<Vec<Move>> {
        let (from, to) = (end(cluster, self.from.as_ref())?, end(cluster, self.to.as_ref())?);
        let slots = self.slots.difference(&cluster.member(to)?.node().slots);
        let source = cluster.member(from)?;
        let missing = slots.difference(&source.node().slots);
        if !missing.is_empty() {
            let node = source.endpoint().clone();
            return Err(MoveError::NotOwner { node, slots: missing }.into());
        }
        let step = Some(Move { from, to, slots }).filter(|step| !step.slots.is_empty());
        Ok(step.into_iter().collect())
    }

    fn still_fits(
        &self,
        moves: &Vec<Move>,
        cluster: &mut Cluster,
        _context: Context<'_>,
    ) -> Result<bool> {
        Ok(still_owned(cluster, moves))
    }

    fn apply(
        &self,
        moves: Vec<Move>,
        cluster: &mut Cluster,
        context: Context<'_>,
    ) -> Result<Migrated> {
        carry_out(cluster, &moves, &self.migration, context)
    }
}

/// The member of this name, or that answers at this address.
fn end(cluster: &Cluster, name: Option<&NodeName>) -> Result<NodeId> {
    match (cluster.find_or_myself(name), name) {
        (Err(unknown @ Error::NoSuchNode { .. }), Some(name)) => {
            name.as_str().parse().map_or(Err(unknown), |endpoint| at(cluster, &endpoint))
        }
        (found, _) => found,
    }
}

fn at(cluster: &Cluster, endpoint: &Endpoint) -> Result<NodeId> {
    let id = read_topology(&mut Connection::open(endpoint, cluster.settings())?)?.0.id;
    if cluster.member(id).is_ok() {
        return Ok(id);
    }
    Err(MoveError::OtherCluster(cluster.seed().clone(), endpoint.clone()).into())
}
