//! What the operations that move slots have in common.

use std::collections::BTreeSet;

use redistrib_cluster_model::{Move, NodeId};

use crate::error::Result;
use crate::migrate::{MigrateOptions, Migrated, migrate};
use crate::{Cluster, Context};

/// Looks again at the nodes that give or take slots, and returns whether they still own what they are to give. Of others that have
/// changed meanwhile nothing is asked but that they agree in the end.
pub(crate) fn still_owned(cluster: &mut Cluster, moves: &[Move]) -> bool {
    let ends: BTreeSet<NodeId> = moves.iter().flat_map(|step| [step.from, step.to]).collect();
    cluster.refresh_of(|member| ends.contains(&member.id()));
    let owns = |step: &Move| {
        let from = cluster.member(step.from);
        from.is_ok_and(|from| step.slots.difference(&from.node().slots).is_empty())
    };
    moves.iter().all(owns)
}

/// [`migrate`], where there is anything to move.
///
/// # Errors
/// Those of [`migrate`].
pub(crate) fn carry_out(
    cluster: &mut Cluster,
    moves: &[Move],
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<Migrated> {
    if moves.is_empty() {
        return Ok(Migrated::default());
    }
    migrate(cluster, moves, options, context)
}
