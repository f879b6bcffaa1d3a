//! `create`: who becomes what.

use redistrib_ops::Endpoint;
use redistrib_ops::model::NodeId;
use redistrib_ops::model::plan::create::{Affinity, CreatePlan, NewMaster, NewReplica};

use crate::shell::Peer;
use crate::voice;

/// The allocation as redis-cli prints it before it asks. `nodes` are those that the plan was made for.
pub fn create(plan: &CreatePlan, nodes: &[(NodeId, Endpoint)]) -> Vec<String> {
    let unit = if voice::peer() == Some(Peer::ValkeyCli) { "node(s)" } else { "nodes" };
    let mut lines =
        vec![format!(">>> Performing hash slots allocation on {} {unit}...", nodes.len())];
    for (position, master) in plan.masters.iter().enumerate() {
        lines.push(format!("Master[{position}] -> Slots {} - {}", master.first, master.last));
    }
    let address = |place: usize| nodes.get(place).map(|(_, endpoint)| endpoint.to_string());
    let mut is_extra = false;
    for replica in &plan.replicas {
        let (node, master) = (address(replica.node), address(replica.first_choice));
        if replica.extra && !is_extra {
            lines.push("Adding extra replicas...".into());
            is_extra = true;
        }
        lines.push(format!(
            "Adding replica {} to {}",
            node.unwrap_or_default(),
            master.unwrap_or_default()
        ));
    }
    if !plan.replicas.is_empty() {
        affinity(plan, &mut lines);
    }
    for (place, (id, endpoint)) in nodes.iter().enumerate() {
        block(plan, nodes, place, &format!("{id} {endpoint}"), &mut lines);
    }
    lines
}

fn affinity(plan: &CreatePlan, lines: &mut Vec<String>) {
    if plan.affinity == Affinity::Apart
        && plan.replicas.iter().all(|replica| replica.master == replica.first_choice)
    {
        return;
    }
    lines.push(">>> Trying to optimize slaves allocation for anti-affinity".into());
    lines.push(match plan.affinity {
        Affinity::Apart => "[OK] Perfect anti-affinity obtained!".into(),
        Affinity::ReplicasTogether => {
            "[WARNING] Some slaves of the same master are in the same host".into()
        }
        Affinity::WithMaster => "[WARNING] Some slaves are in the same host as their master".into(),
    });
}

fn block(
    plan: &CreatePlan,
    nodes: &[(NodeId, Endpoint)],
    place: usize,
    name: &str,
    lines: &mut Vec<String>,
) {
    let is_here = |master: &&NewMaster| master.node == place;
    if let Some(master) = plan.masters.iter().find(is_here) {
        let range = master.slots();
        lines.push(format!("M: {name}"));
        lines.push(format!("   slots:[{range}] ({} slots) master", range.len()));
        return;
    }
    let is_here = |replica: &&NewReplica| replica.node == place;
    if let Some(replica) = plan.replicas.iter().find(is_here)
        && let Some((master, _)) = nodes.get(replica.master)
    {
        lines.push(format!("S: {name}"));
        lines.push(format!("   replicates {master}"));
    }
}
