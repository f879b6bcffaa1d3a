//! The steps to a declared cluster.

use redistrib_ops::model::declare::{Plan, Step};

/// The plan in lines.
pub fn plan(plan: &Plan) -> Vec<String> {
    let mut lines: Vec<String> =
        plan.notes.iter().map(|note| format!("[WARNING] {note}")).collect();
    match plan.steps.len() {
        0 => lines.push("[OK] Nothing to do: the cluster is as declared.".into()),
        1 => lines.push(">>> One step makes the cluster what is declared:".into()),
        count => lines.push(format!(">>> {count} steps make the cluster what is declared:")),
    }
    for (place, step) in plan.steps.iter().enumerate() {
        lines.push(format!("{:3}. {}", place + 1, step.change));
        lines.extend(step.change.details().into_iter().map(|line| format!("       {line}")));
        lines.extend(lowered(step));
    }
    lines
}

fn lowered(step: &Step) -> Option<String> {
    let each = |it: &redistrib_ops::model::declare::Lowered| {
        format!("{} has {} replicas", it.master, it.replicas)
    };
    let told: Vec<String> = step.lowers.iter().map(each).collect();
    (!told.is_empty())
        .then(|| format!("       fewer than declared from then on: {}", told.join(", ")))
}
