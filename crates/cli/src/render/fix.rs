//! `fix`: what will be repaired, and what cannot be.

use redistrib_ops::FixPlan;
use redistrib_ops::model::SlotSet;
use redistrib_ops::model::plan::fix::{Action, Blocked, Reason, Repair};

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
    let moves =
        |repair: &Repair| repair.actions.iter().any(|it| matches!(it, Action::MoveKeys { .. }));
    let kinds: [(&str, &str, &dyn Fn(&Repair) -> bool); 3] = [
        (
            "no keys across the cluster",
            "Fix these slots by covering with a random node?",
            &|repair| matches!(repair.reason, Reason::Unowned | Reason::GivenUp),
        ),
        ("keys in just one node", "Fix these slots by covering with those nodes?", &|repair| {
            repair.reason == Reason::LostOwner && !moves(repair)
        }),
        (
            "keys in multiple nodes",
            "Fix these slots by moving keys into a single node?",
            &|repair| repair.reason == Reason::LostOwner && moves(repair),
        ),
    ];
    let asked = kinds.map(|(have, question, is_such)| {
        let such = plan.repairs.iter().filter(|it| is_such(it));
        let slots: SlotSet = such.flat_map(|repair| &repair.slots).collect();
        let shown = [format!("The following uncovered slots have {have}:"), bracketed(&slots)];
        (!slots.is_empty()).then_some((shown, question))
    });
    asked.into_iter().flatten().collect()
}
