//! `fix`: what will be repaired, and what cannot be.

use redistrib_ops::FixPlan;
use redistrib_ops::model::SlotSet;
use redistrib_ops::model::plan::fix::{Action, Blocked, Repair, RepairReason};

use super::nodes::bracketed;
use crate::remedy;

/// The repairs in lines. What cannot be repaired is [`blocked`].
pub fn fix(plan: &FixPlan) -> Vec<String> {
    if plan.is_empty() {
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

/// Whether the peers ask before they make such a repair: nobody owns the slots.
pub fn is_asked(repair: &Repair) -> bool {
    use RepairReason::{GivenUp, LostOwner, SilentMaster, Unowned};
    matches!(repair.reason, Unowned | GivenUp | SilentMaster | LostOwner)
}

/// Slots without an owner, of one kind.
#[derive(Debug)]
pub struct Uncovered {
    /// Which.
    pub slots: SlotSet,
    /// What the peers show of them.
    pub shown: [String; 2],
    /// What they ask: whether a node is to get them.
    pub question: String,
    /// What they report then.
    pub covering: Vec<String>,
}

/// The slots without an owner that the peers give to a node where somebody says yes.
pub fn uncovered(plan: &FixPlan) -> Vec<Uncovered> {
    let asked = plan.repairs.iter().filter(|repair| is_asked(repair));
    let (with_keys, empty): (Vec<&Repair>, Vec<_>) =
        asked.partition(|repair| repair.reason == RepairReason::LostOwner);
    let (in_several, in_one) = with_keys.into_iter().partition(|repair| moves_keys(repair));
    let kinds = [
        ("no keys across the cluster", empty, "covering with a random node"),
        ("keys in just one node", in_one, "covering with those nodes"),
        ("keys in multiple nodes", in_several, "moving keys into a single node"),
    ];
    let of_kind = |(have, repairs, how): (_, Vec<&Repair>, _)| {
        let slots: SlotSet = repairs.iter().flat_map(|it| &it.slots).collect();
        let shown = format!("The following uncovered slots have {have}:");
        Uncovered {
            shown: [shown, bracketed(&slots)],
            slots,
            question: format!("Fix these slots by {how}?"),
            covering: repairs.into_iter().flat_map(covering).collect(),
        }
    };
    kinds.into_iter().filter(|(_, repairs, _)| !repairs.is_empty()).map(of_kind).collect()
}

/// Who gets the slots, a line for each.
fn covering(repair: &Repair) -> Vec<String> {
    let owner = repair.actions.iter().find_map(|action| match action {
        Action::Announce { owner } => Some(owner),
        Action::TakeOver { replica } => Some(replica),
        _ => None,
    });
    let how = if moves_keys(repair) { "moving keys to" } else { "with" };
    let line = |owner| {
        repair.slots.iter().map(move |slot| format!(">>> Covering slot {slot} {how} {owner}"))
    };
    owner.into_iter().flat_map(line).collect()
}

fn moves_keys(repair: &Repair) -> bool {
    repair.actions.iter().any(|it| matches!(it, Action::MoveKeys { .. }))
}
