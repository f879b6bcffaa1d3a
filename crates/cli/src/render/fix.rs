//! `fix`: what will be mended, and what cannot be.

use redistrib_ops::FixPlan;

/// The repairs in lines. What cannot be mended is [`blocked`].
pub fn fix(plan: &FixPlan) -> Vec<String> {
    if plan.repairs.is_empty() && plan.blocked.is_empty() {
        return vec!["[OK] Nothing to mend.".into()];
    }
    plan.repairs.iter().map(|repair| format!("*** {repair}")).collect()
}

/// What cannot be mended, in lines.
pub fn blocked(plan: &FixPlan) -> Vec<String> {
    plan.blocked.iter().map(|(slots, why)| format!("[ERR] Slots {slots}: {why}")).collect()
}
