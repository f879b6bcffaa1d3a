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
    let slots = |is_such: fn(&Repair) -> bool| -> SlotSet {
        plan.repairs.iter().filter(|it| is_such(it)).flat_map(|it| &it.slots).collect()
    };
    let is_empty =
        |it: &Repair| matches!(it.reason, Reason::Unowned | Reason::GivenUp | Reason::SilentMaster);
    let is_in_one = |it: &Repair| it.reason == Reason::LostOwner && !moves_keys(it);
    let is_in_several = |it: &Repair| it.reason == Reason::LostOwner && moves_keys(it);
    let kinds = [
        (
            "no keys across the cluster",
            slots(is_empty),
            "Fix these slots by covering with a random node?",
        ),
        (
            "keys in just one node",
            slots(is_in_one),
            "Fix these slots by covering with those nodes?",
        ),
        (
            "keys in multiple nodes",
            slots(is_in_several),
            "Fix these slots by moving keys into a single node?",
        ),
    ];
    let asked = kinds.into_iter().filter(|(_, slots, _)| !slots.is_empty());
    asked
        .map(|(have, slots, question)| {
            let shown = format!("The following uncovered slots have {have}:");
            ([shown, bracketed(&slots)], question)
        })
        .collect()
}

fn moves_keys(repair: &Repair) -> bool {
    repair.actions.iter().any(|it| matches!(it, Action::MoveKeys { .. }))
}
