//! What the verbs that move slots have in common.

use std::collections::BTreeSet;

use redistrib_ops::Cluster;
use redistrib_ops::migrate::{migrate, obstacles};
use redistrib_ops::model::fitness::{Obstacle, Weight};
use redistrib_ops::model::{Move, NodeId, SlotSet};

use super::{Outcome, Session};
use crate::args::MigrationArgs;
use crate::render::json::{MigratedDocument, MovesDocument};
use crate::{render, voice};

/// Which master owns which slots.
pub(super) type Owners = Vec<(NodeId, SlotSet)>;

/// Which master owns which slots now, by what each says of itself.
pub(super) fn owners(cluster: &Cluster) -> Owners {
    cluster.masters().map(|master| (master.id(), master.node().slots.clone())).collect()
}

/// Shows the moves alone with `--dry-run` or if there are none; otherwise carries them out and tells what was done.
pub(super) fn carry_out(
    session: &Session,
    verb: &str,
    cluster: &mut Cluster,
    moves: &[Move],
    migration: &MigrationArgs,
) -> anyhow::Result<Outcome> {
    if session.dry_run || moves.is_empty() {
        return Ok(show(session, cluster, moves));
    }
    let options = migration.options();
    let ends: BTreeSet<NodeId> = moves.iter().flat_map(|step| [step.from, step.to]).collect();
    let done = session.hold(verb, cluster, |cluster, context| {
        // Of others that have changed meanwhile nothing is asked but that they agree in the end.
        cluster.refresh_of(|member| ends.contains(&member.id()));
        migrate(cluster, moves, &options, context)
    })?;
    if voice::peer().is_none() {
        session.output.line(render::migrated(&done));
    }
    session.output.document(&MigratedDocument::new(&done));
    Ok(Outcome::Done)
}

/// Shows the moves as a document, with what stands in their way.
pub(super) fn show(session: &Session, cluster: &mut Cluster, moves: &[Move]) -> Outcome {
    let (obstacles, outcome) = weigh(session, cluster, moves);
    session.output.document(&MovesDocument::new(moves, &obstacles));
    outcome
}

/// Tells what stands in the way of the moves, and whether they would be refused for it.
pub(super) fn weigh(
    session: &Session,
    cluster: &mut Cluster,
    moves: &[Move],
) -> (Vec<Obstacle>, Outcome) {
    let obstacles = obstacles(cluster, moves);
    session.output.lines(obstacles.iter().map(render::obstacle));
    let is_refused = obstacles.iter().any(|obstacle| obstacle.weight() == Weight::Refusal);
    (obstacles, if is_refused { Outcome::Failed } else { Outcome::Done })
}

/// The moves in lines, nodes by their addresses.
pub(super) fn lines(cluster: &Cluster, moves: &[Move]) -> Vec<String> {
    let name =
        |id| cluster.member(id).map_or_else(|_| id.to_string(), |it| it.endpoint().to_string());
    let line = |step: &Move| {
        let count = step.slots.len();
        let told = format!("Moving {count} slots from {} to {}", name(step.from), name(step.to));
        // What redis-cli shows of a slot that it moves, it shows of one that it would.
        let hashes = voice::peer().map(|_| "#".repeat(count));
        [Some(told), hashes].into_iter().flatten()
    };
    moves.iter().flat_map(line).collect()
}
