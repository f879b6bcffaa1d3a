//! What could be done about the cluster: plans, and the command lines that carry them out. Nothing is done from here.

use redistrib_ops::model::plan::rebalance::{RebalanceCriteria, Weighed, plan_rebalance};
use redistrib_ops::model::sample::{NodeSample, NodeState, Sample};
use redistrib_ops::model::{NodeId, counted};

use super::Scene;
use crate::voice;

/// How many moves of a plan are shown.
const MOST_MOVES: usize = 12;

pub(super) fn page(scene: &Scene<'_>) -> Vec<String> {
    let Some(sample) = scene.history.last() else { return Vec::new() };
    let mut lines = vec![
        "What could be done. Nothing is done from here: leave with q, or take another terminal, and run the line.".into(),
        String::new(),
    ];
    if let Some(node) = scene.view.node.and_then(|id| sample.node(id)) {
        lines.extend(failover(sample, node));
        lines.push(String::new());
        lines.extend(reshard(sample, node));
        lines.push(String::new());
    }
    lines.extend(rebalance(sample));
    lines
}

/// An address for a command line. One that a shell could take for something else is not shown: its id does as well.
fn word(node: &NodeSample) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || ".:[]-_".contains(c);
    let is_option = node.address.starts_with('-');
    if node.address.chars().all(is_plain) && !is_option {
        node.address.clone()
    } else {
        node.node.id.to_string()
    }
}

/// How an id begins, so that the line fits the screen and can be copied; all of it where others begin so, too.
fn brief(sample: &Sample, id: NodeId) -> String {
    let short = id.short();
    let alike = sample.nodes.iter().filter(|it| it.node.id.short() == short).count();
    if alike > 1 { id.to_string() } else { short }
}

/// A node that answers, to begin with; one that serves, if there is one.
fn seed(sample: &Sample) -> String {
    let answering = sample.nodes.iter().filter(|it| it.figures.version.is_some());
    let seed = answering.min_by_key(|it| it.state != NodeState::Up);
    seed.map_or_else(|| "HOST:PORT".into(), word)
}

fn failover(sample: &Sample, node: &NodeSample) -> Vec<String> {
    let of = node.node.master.unwrap_or(node.node.id);
    let Some(master) = sample.node(of) else {
        return vec!["failover: its master is not known".into()];
    };
    let replicas = sample.nodes.iter().filter(|it| it.node.master == Some(of));
    let able = replicas.filter(|it| it.figures.version.is_some());
    let chosen = if node.node.is_replica() {
        Some(node)
    } else {
        able.min_by_key(|it| (it.state != NodeState::Up, it.figures.lag_bytes.unwrap_or(u64::MAX)))
    };
    let Some(replica) = chosen else {
        return vec![format!("failover: {} has no replica that answers", master.address)];
    };
    let force = if master.state == NodeState::Down { " --force" } else { "" };
    vec![
        format!("failover: {} takes the place of {}", replica.address, master.address),
        voice::spelt(format!("  redis-trib failover {}{force}", word(replica))),
    ]
}

/// A tenth of a master's slots for the one that has the fewest.
fn reshard(sample: &Sample, node: &NodeSample) -> Vec<String> {
    let others =
        sample.masters().filter(|it| it.node.id != node.node.id && it.state == NodeState::Up);
    let least = others.min_by_key(|it| it.node.slots.len());
    let count = node.node.slots.len().div_ceil(10);
    if count == 0 {
        return vec![format!("reshard: {} has no slots that could go elsewhere", node.address)];
    }
    let Some(least) = least else {
        return vec![format!(
            "reshard: no other master serves that could take slots of {}",
            node.address
        )];
    };
    vec![
        format!(
            "reshard: a tenth of the slots of {} go to {}, which has the fewest",
            node.address, least.address
        ),
        voice::spelt(format!(
            "  redis-trib reshard {} --from {} --to {} --slots {count}",
            seed(sample),
            brief(sample, node.node.id),
            brief(sample, least.node.id)
        )),
    ]
}

fn rebalance(sample: &Sample) -> Vec<String> {
    let masters = sample.masters().map(|it| Weighed {
        id: it.node.id,
        slots: it.node.slots.clone(),
        weight: 1.0,
    });
    let masters: Vec<Weighed> = masters.collect();
    let use_empty_masters = masters.iter().any(|it| it.slots.is_empty());
    let options = RebalanceCriteria { use_empty_masters, ..RebalanceCriteria::default() };
    let plan = match plan_rebalance(&masters, &options) {
        Ok(plan) if plan.moves.is_empty() => {
            return vec!["rebalance: all masters have their part of the slots".into()];
        }
        Ok(plan) => plan,
        Err(error) => return vec![format!("rebalance: {error}")],
    };
    let name = |id: NodeId| sample.node(id).map_or_else(|| id.to_string(), |it| it.address.clone());
    let all: usize = plan.moves.iter().map(|it| it.slots.len()).sum();
    let mut lines =
        vec![format!("rebalance: {} move, so that each master has its part", counted(all, "slot"))];
    let moves = plan.moves.iter().take(MOST_MOVES);
    lines.extend(moves.map(|it| {
        format!("    {:>11} {} -> {}", counted(it.slots.len(), "slot"), name(it.from), name(it.to))
    }));
    let more = plan.moves.len().saturating_sub(MOST_MOVES);
    lines.extend((more > 0).then(|| format!("    and {} more", counted(more, "pair"))));
    let empty = if use_empty_masters { " --use-empty-masters" } else { "" };
    lines.push(voice::spelt(format!("  redis-trib rebalance {}{empty}", seed(sample))));
    lines
}
