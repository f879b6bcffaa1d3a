//! `fix`: what will be mended, and what cannot be.

use redistrib_ops::FixPlan;

/// The plan in lines.
pub fn fix(plan: &FixPlan) -> Vec<String> {
    if plan.repairs.is_empty() && plan.blocked.is_empty() {
        return vec!["[OK] Nothing to mend.".into()];
    }
    let repairs = plan.repairs.iter().map(|repair| format!("*** {repair}"));
    let blocked = plan.blocked.iter().map(|(slots, why)| format!("[ERR] Slots {slots}: {why}"));
    repairs.chain(blocked).collect()
}
