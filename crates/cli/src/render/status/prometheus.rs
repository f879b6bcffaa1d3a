//! The status in Prometheus' text exposition format, for node_exporter's textfile collector.

use std::fmt::Write;

use redistrib_ops::model::sample::NodeState;

use super::{NodeStatus, Status};
use crate::escape::Escaped;

/// A metric of each node: its name, what it is, and its value where it is known.
type Metric = (&'static str, &'static str, fn(&NodeStatus) -> Option<f64>);

const METRICS: [Metric; 8] = [
    ("up", "Whether the node answers and sees nothing amiss.", |node| {
        Some(f64::from(u8::from(node.state == NodeState::Up)))
    }),
    ("slots", "Slots that the node owns.", |node| Some(node.slot_count as f64)),
    ("keys", "Keys that the node holds.", |node| node.keys.map(|it| it as f64)),
    ("memory_bytes", "Memory that the server uses.", |node| node.memory.map(|it| it as f64)),
    ("ops_per_second", "Commands that the server executes a second.", |node| {
        node.ops_per_second.map(|it| it as f64)
    }),
    ("replication_lag_bytes", "How far a replica is behind its master.", |node| {
        node.lag_bytes.map(|it| it as f64)
    }),
    ("replication_lag_seconds", "Since when the master has not heard from the replica.", |node| {
        node.lag_seconds.map(|it| it as f64)
    }),
    ("uptime_seconds", "Since when the server runs.", |node| {
        node.uptime_seconds.map(|it| it as f64)
    }),
];

/// The first metric, and the only one where no node answers.
pub fn healthy(is_healthy: bool) -> Vec<String> {
    let mut lines = Vec::new();
    family(&mut lines, "healthy", "Whether check finds no error.");
    lines.push(format!("redis_cluster_healthy {}", u8::from(is_healthy)));
    lines
}

/// The metrics, a line each; those of nodes have the labels `node`, `id`, `role` and `shard`.
///
/// The format: <https://prometheus.io/docs/instrumenting/exposition_formats/>
pub fn prometheus(status: &Status) -> Vec<String> {
    let mut lines = healthy(status.healthy);
    family(&mut lines, "slots_served_ratio", "The share of slots whose owner answers.");
    let served = status.slots_percent / 100.0;
    lines.push(format!("redis_cluster_slots_served_ratio {served}"));
    family(&mut lines, "findings", "What check finds, by its weight.");
    for (severity, count) in [("error", status.errors), ("warning", status.warnings)] {
        lines.push(format!("redis_cluster_findings{{severity=\"{severity}\"}} {count}"));
    }
    for (name, help, value) in METRICS {
        family(&mut lines, &format!("node_{name}"), help);
        let values = status.nodes.iter().filter_map(|node| Some((node, value(node)?)));
        lines.extend(
            values
                .map(|(node, value)| format!("redis_cluster_node_{name}{} {value}", labels(node))),
        );
    }
    family(&mut lines, "node_info", "The server's version.");
    lines.extend(status.nodes.iter().filter_map(|node| {
        let version = label(node.version.as_deref()?);
        let labels = labels(node);
        let labels = labels.trim_end_matches('}');
        Some(format!("redis_cluster_node_info{labels},version=\"{version}\"}} 1"))
    }));
    lines
}

fn family(lines: &mut Vec<String>, name: &str, help: &str) {
    lines.push(format!("# HELP redis_cluster_{name} {help}"));
    lines.push(format!("# TYPE redis_cluster_{name} gauge"));
}

fn labels(node: &NodeStatus) -> String {
    let mut labels =
        format!("{{node=\"{}\",id=\"{}\",role=\"{}\"", label(&node.address), node.id, node.role);
    if let Some(shard) = node.shard {
        // Writing to a text does not fail.
        let _ = write!(labels, ",shard=\"{shard}\"");
    }
    labels + "}"
}

/// A label's value: backslash, quote and line feed are escaped; what a terminal would obey is, too.
fn label(value: &str) -> String {
    Escaped(value).to_string().replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_values_cannot_end_the_label() {
        assert_eq!(label("a\"b\\c\nd"), r#"a\"b\\c\\nd"#);
    }
}
