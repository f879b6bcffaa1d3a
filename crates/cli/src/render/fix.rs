//! `fix`: what will be repaired, and what cannot be.

use redistrib_ops::FixPlan;
use redistrib_ops::model::SlotSet;
use redistrib_ops::model::plan::fix::Blocked;

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
