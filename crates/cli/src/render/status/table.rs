//! The table for people.

use redistrib_ops::model::counted;
use redistrib_ops::model::sample::NodeState;

use super::{NodeStatus, Status, Sum};
use crate::render::{bytes, column_width};

const HEAD: [&str; 11] = [
    "State", "Role", "Shard", "Slots", "Keys", "Memory", "Ops/s", "Lag", "Uptime", "Version",
    "Node",
];

/// What stands between two columns.
const GAP: usize = 2;
/// The columns that a narrow terminal does without, those first that are missed least: version, uptime, memory, operations, keys.
const DISPENSABLE: [usize; 5] = [9, 8, 5, 6, 4];

/// The lines of `status`: a head, a line for each node with how it is, and one for the whole. Where no more than `columns` characters
/// fit into a line, columns are left out.
pub fn table(status: &Status, columns: Option<usize>) -> Vec<(Option<NodeState>, String)> {
    let mut rows = vec![(None, HEAD.map(str::to_owned))];
    rows.extend(status.nodes.iter().map(|node| (Some(node.state), row(node))));
    let width = |column: usize| column_width(rows.iter().map(|(_, cells)| &cells[column]));
    let mut widths: Vec<(usize, usize)> =
        (0..HEAD.len()).map(|place| (place, width(place))).collect();
    for column in DISPENSABLE {
        let whole = widths.iter().map(|(_, width)| width + GAP).sum::<usize>() - GAP;
        if columns.is_none_or(|columns| whole <= columns) {
            break;
        }
        widths.retain(|(place, _)| *place != column);
    }
    let mut lines: Vec<(Option<NodeState>, String)> =
        rows.iter().map(|(state, cells)| (*state, line(cells, &widths))).collect();
    lines.push((None, whole(status)));
    lines
}

/// Numbers stand to the right of their columns, words to the left.
fn line(cells: &[String; HEAD.len()], widths: &[(usize, usize)]) -> String {
    let mut line = String::new();
    for (place, width) in widths {
        let cell = &cells[*place];
        line += &if (2..=8).contains(place) {
            format!("{cell:>width$}{:GAP$}", "")
        } else {
            format!("{cell:<width$}{:GAP$}", "")
        };
    }
    line.trim_end().to_owned()
}

fn row(node: &NodeStatus) -> [String; HEAD.len()] {
    let number = |number: Option<u64>| number.map_or_else(|| "?".into(), |it| it.to_string());
    let slots = match node.role {
        "master" => format!("{:.1}%", node.slots_percent),
        _ => "-".into(),
    };
    [
        node.state.word().into(),
        node.role.into(),
        node.shard.map_or_else(|| "-".into(), |shard| shard.to_string()),
        slots,
        number(node.keys),
        node.memory.map_or_else(|| "?".into(), bytes),
        number(node.ops_per_second),
        lag(node),
        node.uptime_seconds.map_or_else(|| "?".into(), duration),
        node.version.clone().unwrap_or_else(|| "?".into()),
        node.address.clone(),
    ]
}

fn lag(node: &NodeStatus) -> String {
    match (node.role, node.lag_bytes, node.lag_seconds) {
        ("master", ..) => "-".into(),
        (_, None, None) => "?".into(),
        (_, size, None) => bytes(size.unwrap_or_default()),
        (_, size, Some(seconds)) => format!("{} {seconds} s", bytes(size.unwrap_or_default())),
    }
}

/// The two largest units of a time.
fn duration(seconds: u64) -> String {
    let [minutes, hours, days] = [60, 3600, 86400].map(|unit| seconds / unit);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, ..) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

fn whole(status: &Status) -> String {
    let masters = status.nodes.iter().filter(|node| node.role == "master").count();
    let replicas = status.nodes.len() - masters;
    let mark = match (status.errors, status.warnings) {
        (0, 0) => "[OK]".to_owned(),
        (0, warnings) => format!("[WARNING] {};", counted(warnings, "warning")),
        (errors, warnings) => {
            format!("[ERR] {}, {};", counted(errors, "error"), counted(warnings, "warning"))
        }
    };
    format!(
        "{mark} {}, {}, {:.1}% of slots served, {}, {}, {} ops/s",
        counted(masters, "master"),
        counted(replicas, "replica"),
        status.slots_percent,
        counted(sum(status.keys, |keys| keys.to_string()), "key"),
        sum(status.memory, bytes),
        sum(status.ops_per_second, |ops| ops.to_string())
    )
}

/// A sum that some nodes say nothing of is at least so much.
fn sum(sum: Sum, text: impl Fn(u64) -> String) -> String {
    match sum.known {
        None => "?".into(),
        Some(known) if sum.is_partial => format!("at least {}", text(known)),
        Some(known) => text(known),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_name_itself_as_long_as_it_likes() {
        let cells = HEAD.map(|head| head.repeat(20_000));
        let widths: Vec<_> =
            cells.iter().map(|cell| column_width(std::iter::once(cell))).enumerate().collect();
        assert!(line(&cells, &widths).ends_with("NodeNode"));
    }

    #[test]
    fn times_are_told_in_two_units() {
        for (seconds, text) in
            [(9, "9 s"), (61, "1 min 1 s"), (7260, "2 h 1 min"), (90_000, "1 d 1 h")]
        {
            assert_eq!(duration(seconds), text);
        }
    }
}
