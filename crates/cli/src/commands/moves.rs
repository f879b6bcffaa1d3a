//! What the verbs that move slots have in common.

use redistrib_ops::Cluster;
use redistrib_ops::migrate::{Migrated, obstacles};
use redistrib_ops::model::Move;
use redistrib_ops::model::fitness::{Gravity, Obstacle};

use super::{Outcome, Session};
use crate::render::json::{MigratedDocument, MovesDocument};
use crate::{render, voice};

/// Shows what was moved.
pub(super) fn tell(session: &Session, done: &Migrated) -> Outcome {
    if voice::peer().is_none() {
        session.output.line(render::migrated(done));
    }
    session.output.document(&MigratedDocument::new(done));
    Outcome::Done
}

/// Shows the moves as a document, with what stands in their way.
pub(super) fn show(session: &Session, cluster: &mut Cluster, moves: &[Move]) -> Outcome {
    let (obstacles, outcome) = weigh(session, cluster, moves);
    session.output.document(&MovesDocument::new(moves, &obstacles));
    outcome
}

/// Shows what stands in the way of the moves, and whether they would be refused for it.
pub(super) fn weigh(
    session: &Session,
    cluster: &mut Cluster,
    moves: &[Move],
) -> (Vec<Obstacle>, Outcome) {
    let obstacles = obstacles(cluster, moves);
    session.output.lines(obstacles.iter().map(render::obstacle));
    let is_refused = obstacles.iter().any(|obstacle| obstacle.weight() == Gravity::Refusal);
    (obstacles, if is_refused { Outcome::Failed } else { Outcome::Done })
}

/// The moves in lines, nodes by their addresses.
pub(super) fn lines(cluster: &Cluster, moves: &[Move]) -> Vec<String> {
    let name =
        |id| cluster.member(id).map_or_else(|_| id.to_string(), |it| it.endpoint().to_string());
    let line = |step: &Move| {
        let count = step.slots.len();
        let slots = voice::slots(count);
        let summary = format!("Moving {slots} from {} to {}", name(step.from), name(step.to));
        // What redis-cli shows of a slot that it moves, it shows of one that it would.
        let hashes = voice::peer().map(|_| "#".repeat(count));
        [Some(summary), hashes].into_iter().flatten()
    };
    moves.iter().flat_map(line).collect()
}
