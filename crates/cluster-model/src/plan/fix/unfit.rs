//! Migrations that cannot be finished, since an end is not fit for it.

use super::{Action, Blocked, FixPlan, KeyCounts, Repair, RepairReason};
use crate::fitness::{Gravity, Obstacle};
use crate::{Move, NodeId};

impl FixPlan {
    /// The migrations that the plan finishes, for [`judge`](crate::fitness::judge).
    pub fn moves(&self) -> Vec<Move> {
        let ends = self.repairs.iter().filter_map(|repair| Some((repair, finished(repair)?)));
        ends.map(|(repair, (from, to))| Move { from, to, slots: repair.slots.clone() }).collect()
    }

    /// The same without migrations that cannot be finished: those whose target is not fit for more keys are undone, and
    /// where either end can move none, it is said why.
    pub fn avoiding(self, obstacles: &[Obstacle], keys: &KeyCounts) -> FixPlan {
        let refuses = |id: NodeId| {
            let mut refusals = obstacles.iter().filter(|it| it.weight() == Gravity::Refusal);
            refusals.find(|obstacle| obstacle.node.id == id)
        };
        let mut plan = FixPlan { repairs: Vec::new(), blocked: self.blocked };
        for mut repair in self.repairs {
            let Some((from, to)) = finished(&repair) else {
                plan.repairs.push(repair);
                continue;
            };
            let is_empty = || repair.slots.iter().all(|slot| keys.get(to, slot) == 0);
            let is_stuck = |obstacle: &&Obstacle| !obstacle.what.lets_keys_go();
            let stuck = refuses(from).filter(is_stuck);
            let stuck = stuck.or_else(|| refuses(to).filter(|it| is_stuck(it) && !is_empty()));
            if let Some(obstacle) = stuck {
                let obstacle = obstacle.clone();
                plan.blocked.push((repair.slots, Blocked::Unfit { obstacle }));
                continue;
            }
            if refuses(to).is_some() {
                undo(&mut repair);
            }
            plan.repairs.push(repair);
        }
        plan
    }
}

/// The ends of a migration that a repair finishes.
fn finished(repair: &Repair) -> Option<(NodeId, NodeId)> {
    repair.actions.iter().find_map(|action| match action {
        Action::Finish { from, to } => Some((from.id, to.id)),
        _ => None,
    })
}

fn undo(repair: &mut Repair) {
    repair.reason = RepairReason::TargetUnfit;
    for action in &mut repair.actions {
        if let Action::Finish { from, to } = action {
            *action = Action::TakeBack { owner: from.clone(), target: to.clone() };
        }
    }
}
