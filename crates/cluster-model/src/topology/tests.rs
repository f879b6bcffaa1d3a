//! The reader against text of real servers, and against text that no server would write.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::{Address, Aux, Flags};

fn fixtures(extension: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let wanted = paths.filter(|path| path.extension().is_some_and(|found| found == extension));
    wanted.map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())).collect()
}

fn fixture(name: &str) -> Topology {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    Topology::parse_nodes_conf(fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn prints_back_what_every_server_printed() {
    let (nodes, confs) = (fixtures("nodes"), fixtures("conf"));
    assert!(nodes.len() > 30 && confs.len() > 10);
    for (name, text) in nodes {
        assert_eq!(Topology::parse(&text).expect(&name).to_string(), text, "{name}");
    }
    for (name, text) in confs {
        assert_eq!(Topology::parse_nodes_conf(&text).expect(&name).to_string(), text, "{name}");
    }
}

#[test]
fn reads_a_fresh_node() {
    let topology = fixture("redis-3.0-fresh.nodes");
    let node = topology.myself().unwrap();
    assert_eq!(node.address, Address::new("", 6379));
    assert!(node.is_master() && node.slots.is_empty());
}

#[test]
fn reads_open_slots_of_both_directions() {
    for name in ["redis-3.2-open.nodes", "redis-8.2-open.nodes", "valkey-9.1-open.nodes"] {
        let topology = fixture(name);
        let node = topology.myself().unwrap();
        let slots = |open: &[(Slot, NodeId)]| open.iter().map(|o| o.0.get()).collect::<Vec<_>>();
        assert!(slots(&node.migrating).contains(&77), "{name}");
        assert_eq!(node.importing.len(), 1, "{name}");
        assert!(
            node.slots.contains(Slot::new(77).unwrap()),
            "a slot on its way out is still owned"
        );
    }
}

#[test]
fn open_slots_are_kept_in_order() {
    let (id, peer) = ("ae97e9700ef65e6ccf648c8a77a339cdfe7366c1", NodeId::from_bytes([7; 20]));
    let line = format!("{id} :6379 myself,master - 0 0 0 connected [9->-{peer}] [7->-{peer}]");
    let topology = Topology::parse(&line).unwrap();
    assert_eq!(Topology::parse(topology.to_string()).unwrap(), topology);
    assert_eq!(topology.nodes[0].migrating[0].0.get(), 7);
}

#[test]
fn reads_the_fields_of_nodes_conf() {
    let topology = fixture("valkey-9.1-open.conf");
    assert_eq!((topology.current_epoch, topology.last_vote_epoch), (Some(6), Some(0)));
    let named = topology.nodes.iter().find(|node| node.aux("nodename").is_some()).unwrap();
    assert_eq!(named.aux("nodename"), Some("blue-one"));
    assert_eq!(named.address.hostname.as_deref(), Some("node-1.example.com"));
    assert_eq!(named.shard_id().map(str::len), Some(40));
    let replica = topology.replicas_of(named.id).next().unwrap();
    assert_eq!(replica.shard_id(), named.shard_id());
}

#[test]
fn reads_nodes_that_are_not_well() {
    let topology = fixture("redis-3.2-open.nodes");
    let flags = |port| &topology.nodes.iter().find(|n| n.address.port == port).unwrap().flags;
    assert!(flags(7002).is_suspected() && !flags(7002).is_failed());
    assert!(flags(0).is_failed() && flags(0).is_without_address());
    assert!(flags(7003).is_without_failover());
    let handshake = fixture("valkey-9.1-handshake.nodes");
    assert_eq!(handshake.nodes.iter().filter(|node| node.flags.is_handshake()).count(), 5);
    assert_eq!(handshake.masters().count(), 1);
}

#[test]
fn reads_ipv6_without_brackets() {
    let topology = fixture("redis-5.0-ipv6.nodes");
    let hosts: Vec<_> = topology.nodes.iter().map(|node| node.address.host.as_str()).collect();
    assert_eq!(hosts, ["::1", "fe80::2"]);
    assert_eq!(topology.owner(Slot::MAX), None);
}

#[test]
fn views_of_one_cluster_agree() {
    let (one, other) = (fixture("redis-7.0-open.nodes"), fixture("redis-7.0-open-target.nodes"));
    assert_ne!(one.to_string(), other.to_string());
    assert_eq!(one.signature(), other.signature());
    assert!(one.signature().contains(":5461-10922|") || one.signature().ends_with(":5461-10922"));
    assert_ne!(one.signature(), fixture("redis-7.0-fresh.nodes").signature());
}

#[test]
fn tolerates_line_ends_and_blanks() {
    let line = "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 :6379 myself,master - 0 0 0 connected";
    for text in [line.into(), format!("\n{line} \r\n\n"), format!("{line}  7 \n")] {
        assert_eq!(Topology::parse(&text).unwrap().nodes.len(), 1, "{text:?}");
    }
    assert_eq!(Topology::parse("").unwrap(), Topology::default());
}

#[test]
fn names_line_and_field_of_what_is_wrong() {
    let id = "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1";
    let good = format!("{id} h:1@2 master - 0 0 0 connected");
    for (bad, message) in [
        (good.replace(id, "xyz"), "line 2: node id is malformed: \"xyz\""),
        (id.into(), "line 2: address is missing"),
        (good.replace("h:1@2", "h"), "line 2: address is malformed: \"h\""),
        (good.replace("h:1@2", "h:1@65536"), "line 2: address is malformed: \"h:1@65536\""),
        (good.replace(" - ", " ? "), "line 2: master id is malformed: \"?\""),
        (good.replace(" - 0", " - z"), "line 2: ping time is malformed: \"z\""),
        (
            good.replace("0 conn", "99999999999999999999 conn"),
            "line 2: config epoch is malformed: \"99999999999999999999\"",
        ),
        (good.replace(" connected", ""), "line 2: link state is missing"),
        (good.replace(" connected", " up"), "line 2: link state is malformed: \"up\""),
        (format!("{good} 5-4"), "line 2: slot range is malformed: \"5-4\""),
        (format!("{good} 16384"), "line 2: slot range is malformed: \"16384\""),
        (format!("{good} [93-<-]"), "line 2: open slot is malformed: \"[93-<-]\""),
        (
            "vars currentEpoch 1".into(),
            "line 2: variable belongs to a nodes.conf file, which Topology::parse_nodes_conf reads",
        ),
    ] {
        let error = Topology::parse(format!("{good}\n{bad}\n")).unwrap_err();
        assert_eq!(error.to_string(), message);
    }
    for (bad, message) in [
        ("vars currentEpoch", "line 1: variable is missing"),
        ("vars currentEpoch x", "line 1: variable is malformed: \"x\""),
    ] {
        assert_eq!(Topology::parse_nodes_conf(bad).unwrap_err().to_string(), message);
    }
}

#[test]
fn a_long_field_is_not_repeated_whole() {
    let error = Topology::parse("x".repeat(1 << 20)).unwrap_err();
    assert!(error.to_string().len() < 100);
}

fn id() -> impl Strategy<Value = NodeId> {
    any::<[u8; 20]>().prop_map(NodeId::from_bytes)
}

fn slot() -> impl Strategy<Value = Slot> {
    (0..Slot::COUNT).prop_map(|number| Slot::new(number).unwrap())
}

fn address() -> impl Strategy<Value = Address> {
    let host = prop_oneof![Just(String::new()), "[a-z0-9.:]{1,20}"];
    let hostname = prop::option::of("[a-z0-9.-]{1,20}");
    (host, any::<u16>(), any::<Option<u16>>(), hostname).prop_map(
        |(host, port, bus_port, hostname)| {
            let (host, hostname) = (host.into(), hostname.map(Into::into));
            Address { host, port, bus_port, hostname }
        },
    )
}

fn aux() -> impl Strategy<Value = Aux> {
    ("[a-z-]{1,9}", prop::option::of("[a-z0-9=]{0,9}"))
        .prop_map(|(name, value)| Aux { name, value })
}

fn node() -> impl Strategy<Value = Node> {
    let flags = "(myself,)?(master|slave|handshake|noaddr|new,newer)(,fail)?";
    let open = || {
        prop::collection::btree_map(slot(), id(), 0..3).prop_map(|open| open.into_iter().collect())
    };
    let place = (id(), address(), prop::collection::vec(aux(), 0..3), flags);
    let times = (any::<i64>(), any::<i64>(), any::<u64>(), any::<bool>());
    let slots = prop::collection::vec(slot(), 0..20);
    (place, prop::option::of(id()), times, slots, open(), open()).prop_map(
        |((id, address, aux, flags), master, times, slots, migrating, importing)| Node {
            id,
            address,
            aux,
            flags: Flags::parse(&flags),
            master,
            ping_sent: times.0,
            pong_received: times.1,
            config_epoch: times.2,
            link_connected: times.3,
            slots: slots.into_iter().collect(),
            migrating,
            importing,
        },
    )
}

proptest! {
    #[test]
    fn parse_of_print_is_identity(
        nodes in prop::collection::vec(node(), 0..6),
        current_epoch: Option<u64>,
        last_vote_epoch: Option<u64>,
    ) {
        let topology = Topology { nodes, current_epoch, last_vote_epoch };
        let text = topology.to_string();
        prop_assert_eq!(Topology::parse_nodes_conf(&text).unwrap(), topology.clone());
        let json = serde_json::to_string(&topology).unwrap();
        prop_assert_eq!(serde_json::from_str::<Topology>(&json).unwrap(), topology);
    }

    /// Few ids with fields of few values, so that some are alike and some are not.
    #[test]
    fn views_that_share_say_what_they_said(
        kinds in prop::collection::vec(node(), 1..4),
        views in prop::collection::vec(
            prop::collection::vec((0usize..4, 0u8..12, any::<bool>(), any::<i64>()), 0..16),
            1..12,
        ),
    ) {
        let timeless = |node: &Node| Node { pong_received: 0, ..node.clone() };
        let mut known = SharedNodes::default();
        for view in views {
            let node = |&(kind, id, link_connected, pong_received): &(usize, u8, bool, i64)| Node {
                id: NodeId::from_bytes([id; 20]),
                link_connected,
                pong_received,
                ..kinds[kind % kinds.len()].clone()
            };
            let mut nodes: Vec<Node> = view.iter().map(node).collect();
            let text = Topology { nodes: nodes.clone(), ..Topology::default() }.to_string();
            let shared = known.read(&text).unwrap();
            prop_assert_eq!(shared.iter().count(), shared.len());
            // Of several lines of a node the first counts.
            nodes.reverse();
            let said: BTreeMap<NodeId, Node> =
                nodes.iter().map(|node| (node.id, timeless(node))).collect();
            let own = said.values().any(|node| node.flags.is_myself());
            prop_assert_eq!(shared.myself().is_some(), own);
            for id in said.keys() {
                prop_assert_eq!(shared.node(*id).map(|node| node.id), Some(*id));
            }
            let told = Topology::from(shared).nodes;
            let told: BTreeMap<NodeId, Node> =
                told.iter().map(|node| (node.id, timeless(node))).collect();
            prop_assert_eq!(told, said);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>, line in 0usize..6, at in 0usize..120) {
        let _ = Topology::parse(&bytes);
        let _ = Topology::parse_nodes_conf(&bytes);
        // A good text with junk in it.
        let mut text = include_bytes!("../../tests/fixtures/redis-8.2-fail.conf").to_vec();
        let start = text.split(|b| *b == b'\n').take(line).map(|l| l.len() + 1).sum::<usize>();
        let at = (start + at).min(text.len());
        text.splice(at..at, bytes);
        if let Ok(topology) = Topology::parse_nodes_conf(&text) {
            prop_assert_eq!(Topology::parse_nodes_conf(topology.to_string()).unwrap(), topology);
        }
    }
}
