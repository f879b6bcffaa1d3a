//! `fix`: what will be repaired, and what cannot be.

use redistrib_ops::FixPlan;
use redistrib_ops::model::SlotSet;
use redistrib_ops::model::plan::fix::{Action, Blocked, Reason};

use super::nodes::bracketed;
use crate::remedy;

/// The repairs in lines. What cannot be repaired is [`blocked`].
pub fn fix(plan: &FixPlan) -> Vec<String> {
    if plan.repairs.is_empty() && plan.blocked.is_empty() {
        return vec!["[OK] Nothing to mend.".into()];
    }
    plan.repairs.iter().map(|repair| format!("*** {repair}")).collect()
}

/// What cannot be repaired, in lines.
pub fn blocked(plan: &FixPlan) -> Vec<String> {
    let line = |(slots, why): &(SlotSet, Blocked)| match remedy::blocked(why) {
        Some(option) => format!("[ERR] Slots {slots}: {why} ({option})"),
        None => format!("[ERR] Slots {slots}: {why}"),
    };
    plan.blocked.iter().map(line).collect()
}

/// What the peers show before they give slots without an owner to a node, and ask of each kind: whether these are to be given.
pub fn uncovered(plan: &FixPlan) -> Vec<([String; 2], &'static str)> {
    let mut kinds = [
        ("no keys across the cluster", "Fix these slots by covering with a random node?"),
        ("keys in just one node", "Fix these slots by covering with those nodes?"),
        ("keys in multiple nodes", "Fix these slots by moving keys into a single node?"),
    ]
    .map(|(have, question)| (have, question, SlotSet::new()));
    for repair in &plan.repairs {
        let moves = repair.actions.iter().any(|it| matches!(it, Action::MoveKeys { .. }));
        let kind = match repair.reason {
            Reason::Unowned | Reason::GivenUp | Reason::SilentMaster => 0,
            Reason::LostOwner => 1 + usize::from(moves),
            _ => continue,
        };
        kinds[kind].2.extend(&repair.slots);
    }
    let asked = kinds.into_iter().filter(|(_, _, slots)| !slots.is_empty());
    asked
        .map(|(have, question, slots)| {
            let shown = format!("The following uncovered slots have {have}:");
            ([shown, bracketed(&slots)], question)
        })
        .collect()
}
