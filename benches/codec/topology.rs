//! `CLUSTER NODES`, from the wire to a topology.
//!
//! No rival comes with a parser for it, so each is followed by the one that most programs have:
//! split the lines, split the fields, parse what is a number. It checks less than ours does.

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use redis_protocol::resp2;
use redistrib_cluster_model::Topology;
use redistrib_resp::Parser;

use crate::report::{Report, Row};
use crate::workloads;

type Decode = fn(&Bytes) -> usize;

const RIVALS: [(&str, Decode); 3] = [
    ("resp-rs + plain parser", |wire| match resp_rs::resp2::parse_frame(wire.clone()) {
        Ok((resp_rs::resp2::Frame::BulkString(Some(text)), _)) => plain(&text),
        _ => 0,
    }),
    ("redis-protocol + plain parser", |wire| match resp2::decode::decode_range(wire) {
        Ok(Some((resp2::types::RangeFrame::BulkString((from, to)), _))) => plain(&wire[from..to]),
        _ => 0,
    }),
    ("redis + plain parser", |wire| match redis::parse_redis_value(wire) {
        Ok(redis::Value::BulkString(text)) => plain(&text),
        _ => 0,
    }),
];

pub(crate) fn bench(criterion: &mut Criterion, report: &mut Report) {
    let workload = workloads::cluster_nodes();
    let wire = &workload.wire;
    let mut group = criterion.benchmark_group(workload.name);
    group.throughput(Throughput::Elements(workload.units));
    group.bench_function("parser + Topology", |bencher| bencher.iter(|| ours(wire)));
    for (name, decode) in RIVALS {
        assert_eq!(decode(wire), ours(wire), "{name} finds all nodes and ranges");
        group.bench_function(name, |bencher| bencher.iter(|| decode(wire)));
    }
    group.finish();
    report.add(Row {
        workload: workload.name,
        unit: workload.unit,
        units: workload.units,
        ours: vec!["parser + Topology"],
        rivals: RIVALS.map(|(name, _)| name).to_vec(),
        limits: vec![],
    });
}

/// The number of nodes and of ranges of slots.
fn ours(wire: &Bytes) -> usize {
    let mut parser = Parser::new();
    let text = parser.next_view(&mut &wire[..]).expect("valid RESP").and_then(|it| it.as_bytes());
    let topology = Topology::parse(text.unwrap_or_default()).expect("a valid text");
    topology.nodes.len() + topology.nodes.iter().map(|it| it.slots.ranges().count()).sum::<usize>()
}

/// What a program needs of a line.
#[allow(dead_code, reason = "building it is what is measured")]
struct PlainNode {
    id: String,
    host: String,
    port: u16,
    bus_port: u16,
    flags: Vec<String>,
    master: Option<String>,
    ping_sent: i64,
    pong_received: i64,
    config_epoch: u64,
    connected: bool,
    slots: Vec<(u16, u16)>,
}

fn plain(text: &[u8]) -> usize {
    let text = std::str::from_utf8(text).expect("UTF-8");
    let nodes: Option<Vec<PlainNode>> = text.lines().map(plain_node).collect();
    let nodes = std::hint::black_box(nodes.expect("a valid text"));
    nodes.len() + nodes.iter().map(|node| node.slots.len()).sum::<usize>()
}

fn plain_node(line: &str) -> Option<PlainNode> {
    let mut fields = line.split_whitespace();
    let id = fields.next()?.to_owned();
    let (host, ports) = fields.next()?.rsplit_once(':')?;
    let (port, bus_port) = ports.split_once('@')?;
    let flags = fields.next()?.split(',').map(str::to_owned).collect();
    let master = Some(fields.next()?).filter(|id| *id != "-").map(str::to_owned);
    let (ping_sent, pong_received) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let config_epoch = fields.next()?.parse().ok()?;
    let connected = fields.next()? == "connected";
    let slots = fields.map(plain_range).collect::<Option<_>>()?;
    Some(PlainNode {
        id,
        host: host.to_owned(),
        port: port.parse().ok()?,
        bus_port: bus_port.parse().ok()?,
        flags,
        master,
        ping_sent,
        pong_received,
        config_epoch,
        connected,
        slots,
    })
}

fn plain_range(field: &str) -> Option<(u16, u16)> {
    let (first, last) = field.split_once('-').unwrap_or((field, field));
    Some((first.parse().ok()?, last.parse().ok()?))
}
