//! `reshard`: which slots move.

use std::collections::HashSet;

use redistrib_ops::Report;
use redistrib_ops::model::{Move, NodeId};

use super::nodes;
use crate::shell::Peer;
use crate::voice;

/// How much is reported of what moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanDetail {
    /// Nothing, for who does not read it before it is done.
    Nothing,
    /// Which slots go from each source.
    Sources,
    /// Each slot, as redis-cli does.
    Slots,
}

/// The plan as redis-cli prints it before it asks.
pub fn reshard(report: &Report, moves: &[Move], target: NodeId, detail: PlanDetail) -> Vec<String> {
    let count: usize = moves.iter().map(|it| it.slots.len()).sum();
    let sources: HashSet<NodeId> = moves.iter().map(|it| it.from).collect();
    let mut lines = vec![String::new(), format!("Ready to move {}.", voice::slots(count))];
    let mut blocks = |title: &str, which: &dyn Fn(NodeId) -> bool| {
        lines.push(format!("  {title}"));
        let chosen = report.nodes.iter().filter(|it| which(it.node.id));
        lines.extend(chosen.flat_map(nodes::block).map(|line| format!("    {line}")));
    };
    blocks("Source nodes:", &|id| sources.contains(&id));
    blocks("Destination node:", &|id| id == target);
    if detail == PlanDetail::Nothing {
        return lines;
    }
    lines.push("  Resharding plan:".into());
    for step in moves {
        if detail == PlanDetail::Sources {
            let (count, slots) = (step.slots.len(), &step.slots);
            lines.push(format!("    Moving {} from {}: {slots}", voice::slots(count), step.from));
            continue;
        }
        if voice::peer() == Some(Peer::ValkeyCli) {
            lines.extend(step.slots.ranges().map(|range| {
                format!(
                    "    Moving slot range {}-{} from {}",
                    range.first(),
                    range.last(),
                    step.from
                )
            }));
            continue;
        }
        lines.extend(
            step.slots.iter().map(|slot| format!("    Moving slot {slot} from {}", step.from)),
        );
    }
    lines
}
