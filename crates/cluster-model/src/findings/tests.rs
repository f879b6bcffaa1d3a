//! Each finding from the smallest cluster that shows it.

use proptest::prelude::*;

use super::*;
use crate::testing::{
    id, master, own, replica, seen, set_awaited, silence, slot, slots, snapshot, three_masters,
};
use crate::{Flags, Node, NodeView, ServerInfo, SharedNodes, Topology};

/// The findings in words; every one of them survives JSON.
fn words(snapshot: &Snapshot) -> Vec<String> {
    let findings = snapshot.findings();
    for finding in &findings {
        let json = serde_json::to_string(finding).unwrap();
        assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), *finding, "{json}");
        let text = finding.to_string();
        assert!(!text.contains('\n') && text != format!("{finding:?}"), "{text}");
    }
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_cluster_that_is_well_has_no_findings() {
    let mut nodes = three_masters();
    nodes.extend([replica(4, 1), replica(5, 2), replica(6, 3)]);
    assert_eq!(words(&snapshot(&nodes)), [""; 0]);
}

#[test]
fn a_silent_master_is_named_with_its_slots_and_replicas() {
    let mut nodes = three_masters();
    nodes.extend([replica(4, 1), replica(5, 2), replica(6, 3)]);
    let mut snapshot = snapshot(&nodes);
    silence(&mut snapshot, 1);
    assert_eq!(
        words(&snapshot),
        [
            "node h:7002 (02020202) does not answer: connection refused",
            "5462 slots have an owner that does not answer, h:7002: 5461-10922",
            "replica h:7005 follows h:7002, which has failed or does not answer",
        ]
    );
    let nobody = NodeView::unreachable(None, "h:1".parse().unwrap(), "no route");
    assert_eq!(words(&Snapshot { views: vec![nobody] }), ["node h:1 does not answer: no route"]);
}

#[test]
fn slots_that_a_replica_took_over_are_not_unserved() {
    let mut nodes = three_masters();
    nodes.push(replica(4, 1));
    let mut snapshot = snapshot(&nodes);
    silence(&mut snapshot, 0);
    *own(&mut snapshot, 3) = master(4, "0-5460");
    own(&mut snapshot, 3).flags = Flags::parse("myself,master");
    // The others have not learned of the failover.
    let found = snapshot.findings();
    assert!(!found.iter().any(|finding| matches!(finding, Finding::Unserved { .. })), "{found:?}");
    assert!(!found.iter().any(|finding| matches!(finding, Finding::Uncovered { .. })), "{found:?}");
}

#[test]
fn uncovered_slots_are_listed() {
    let nodes = [master(1, "0-5460"), master(2, "5462-16382")];
    assert_eq!(words(&snapshot(&nodes)), ["2 slots have no owner: 5461 16383"]);
}

#[test]
fn disagreement_says_who_says_what() {
    let mut snapshot = snapshot(&three_masters());
    own(&mut snapshot, 1).slots.insert(slot(5));
    seen(&mut snapshot, 1, 0).slots.remove(slot(5));
    seen(&mut snapshot, 2, 2).slots.remove(slot(11000));
    let found = words(&snapshot);
    assert_eq!(
        found[0],
        "nodes disagree about 5 11000: \
         h:7001 says h:7001 owns 5, h:7003 owns 11000; \
         h:7002 says h:7002 owns 5, h:7003 owns 11000; \
         h:7003 says h:7001 owns 5, nobody owns 11000"
    );
    let others = ["1 slot has no owner: 11000", "1 slot has several owners, h:7001, h:7002: 5"];
    assert_eq!(found[1..], others);
}

#[test]
fn nodes_that_are_not_well_are_named() {
    let mut snapshot = snapshot(&three_masters());
    seen(&mut snapshot, 0, 2).flags = Flags::parse("master,fail?");
    seen(&mut snapshot, 1, 0).flags = Flags::parse("master,fail");
    seen(&mut snapshot, 2, 0).flags = Flags::parse("master,fail");
    let mut stranger = master(9, "");
    stranger.flags = Flags::parse("handshake");
    snapshot.views[0].answer.as_mut().unwrap().push(stranger);
    assert_eq!(
        words(&snapshot),
        [
            "node h:7001 has failed, say h:7002, h:7003",
            "node h:7003 cannot be reached by h:7001",
            "node h:7009 has been met but has not answered h:7001 yet",
        ]
    );
}

#[test]
fn a_replica_that_only_some_see_as_one_is_named() {
    let mut snapshot = snapshot(&[master(1, "0-16383"), replica(2, 1), replica(3, 1)]);
    let of_others = |node: &mut Node| (node.flags, node.master) = (Flags::parse("master"), None);
    of_others(seen(&mut snapshot, 0, 1));
    of_others(seen(&mut snapshot, 2, 1));
    let taken = "h:7001, h:7003 take replica h:7002 for a master, and so never vote for it";
    assert_eq!(words(&snapshot), [taken]);
    // Of a node that does not answer nobody knows better.
    snapshot.views[1].answer = Err("refused".to_owned());
    assert!(!words(&snapshot).iter().any(|it| it.contains("for a master")), "{snapshot:?}");
}

#[test]
fn a_node_that_only_some_know_is_named() {
    let mut snapshot = snapshot(&three_masters());
    snapshot.views[0].answer.as_mut().unwrap().push(master(4, ""));
    assert_eq!(words(&snapshot), ["node h:7004 is not known to h:7002, h:7003"]);
}

#[test]
fn shared_addresses_and_ids_are_named() {
    let mut nodes = three_masters();
    nodes[2].address = nodes[0].address.clone();
    assert_eq!(
        words(&snapshot(&nodes)),
        [format!("nodes {}, {} announce the same address h:7001", id(1), id(3))]
    );
}

#[test]
fn an_id_that_answers_elsewhere_too_is_named() {
    let mut twice = snapshot(&three_masters());
    assert_eq!(twice.elsewhere(), []);
    // The own line of each decides, and what is said of a node that does not answer does not count.
    seen(&mut twice, 1, 0).address = "other:7001".parse().unwrap();
    seen(&mut twice, 2, 0).address = "other:7001".parse().unwrap();
    seen(&mut twice, 0, 2).address.port = 7009;
    silence(&mut twice, 2);
    let twins = twice.elsewhere();
    assert_eq!(twins, [(id(1), "other:7001".parse().unwrap())]);
    let told = Reported { same_id: &twins, ..Reported::default() };
    let found: Vec<String> = twice.diagnosis(told).iter().map(ToString::to_string).collect();
    // A sign that is there also where all agree.
    assert!(twice.without_links().is_empty());
    seen(&mut twice, 0, 1).link_connected = false;
    seen(&mut twice, 1, 2).link_connected = false;
    assert_eq!(Vec::from_iter(twice.without_links()), [id(1)], "the third does not answer");
    let shared = format!("nodes h:7001, other:7001 share the id {}", id(1));
    assert!(found.contains(&shared), "{found:?}");
}

#[test]
fn replicas_and_masters_without_each_other_are_named() {
    let mut nodes = three_masters();
    nodes.extend([replica(4, 1), replica(5, 77), replica(6, 4), replica(7, 2)]);
    nodes[6].master = None;
    let snapshot = snapshot(&nodes);
    let stray = id(77);
    assert_eq!(
        words(&snapshot),
        [
            &format!("replica h:7005 follows {stray}, which is not in the cluster"),
            "replica h:7006 follows h:7004, which is a replica itself",
            "replica h:7007 follows no master",
            "master h:7002 has no replica",
            "master h:7003 has no replica",
        ]
    );
    let severities: Vec<_> = snapshot.findings().iter().map(Finding::severity).collect();
    use Severity::*;
    assert_eq!(severities, [Error, Warning, Error, Notice, Notice]);
}

#[test]
fn masters_at_one_epoch_are_named() {
    let mut nodes = three_masters();
    nodes[1].config_epoch = 1;
    assert_eq!(words(&snapshot(&nodes)), ["masters h:7001, h:7002 have the same config epoch 1"]);
}

#[test]
fn a_fresh_node_is_named_by_where_it_was_asked() {
    let mut snapshot = snapshot(&[master(1, "")]);
    own(&mut snapshot, 0).address.host = "".into();
    own(&mut snapshot, 0).migrating = vec![(slot(5), id(9))];
    let found = words(&snapshot);
    assert!(found[0].contains("h:7001 sends it"), "{found:?}");
}

/// Three masters of which the first owns slot 5, with these flags on it: node, direction, peer.
fn open(flags: &[(u8, char, u8)], owners: &[u8]) -> Snapshot {
    let mut nodes = three_masters();
    for node in &mut nodes {
        node.slots.remove(slot(5));
    }
    for owner in owners {
        nodes[usize::from(*owner) - 1].slots.insert(slot(5));
    }
    for (node, direction, peer) in flags {
        let node = &mut nodes[usize::from(*node) - 1];
        let flags = if *direction == '>' { &mut node.migrating } else { &mut node.importing };
        flags.push((slot(5), id(*peer)));
    }
    snapshot(&nodes)
}

#[test]
fn open_slots_are_told_apart() {
    use OpenKind::*;
    for (flags, owners, kind) in [
        (&[(1, '>', 2), (2, '<', 1)][..], &[1][..], Pair),
        (&[(1, '>', 2)], &[1], OnlyMigrating),
        (&[(2, '<', 1)], &[1], OnlyImporting),
        (&[(2, '<', 3)], &[1], OnlyImporting),
        (&[(2, '<', 1), (3, '<', 1)], &[1], SeveralImporters),
        (&[(1, '>', 2)], &[1, 2], HalfCommitted),
        (&[(1, '>', 2)], &[2], Leftover),
        (&[(2, '<', 1)], &[2], Leftover),
        (&[(1, '>', 2), (2, '<', 1)], &[], NoOwner),
        (&[(1, '>', 2), (2, '<', 1)], &[1, 2], SeveralOwners),
        (&[(1, '>', 2)], &[1, 2, 3], SeveralOwners),
        (&[(1, '>', 2), (3, '<', 1)], &[1], Tangled),
        (&[(1, '>', 2), (2, '<', 1), (3, '<', 1)], &[1], Tangled),
        (&[(1, '>', 2), (2, '<', 3)], &[1], Tangled),
    ] {
        let found = open(flags, owners).open_slots();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].kind, kind, "{}", found[0]);
        assert_eq!(found[0].slots, slots("5"));
    }
}

#[test]
fn open_slots_of_silent_nodes_say_so() {
    let mut source_silent = open(&[(1, '>', 2), (2, '<', 1)], &[1]);
    silence(&mut source_silent, 0);
    let found = source_silent.open_slots();
    assert_eq!(
        found[0].to_string(),
        "slot 5 open: the owner does not answer, h:7002 takes it from h:7001, \
         h:7001 does not answer (its owner is lost or cut off)"
    );
    let mut target_silent = open(&[(1, '>', 2), (2, '<', 1)], &[1]);
    silence(&mut target_silent, 1);
    let found = target_silent.open_slots();
    assert_eq!(
        found[0].to_string(),
        "slot 5 open: owned by h:7001, h:7001 sends it to h:7002, \
         h:7002 does not answer (the target does not take part)"
    );
}

#[test]
fn open_slots_of_one_state_are_one_finding() {
    let mut nodes = three_masters();
    for number in [3, 4, 9] {
        nodes[0].migrating.push((slot(number), id(2)));
        nodes[1].importing.push((slot(number), id(1)));
    }
    nodes[0].migrating.push((slot(5), id(2)));
    assert_eq!(
        words(&snapshot(&nodes)),
        [
            "slots 3-4 9 open: owned by h:7001, h:7001 sends them to h:7002, \
             h:7002 takes them from h:7001 (a migration under way or interrupted)",
            "slot 5 open: owned by h:7001, h:7001 sends it to h:7002 \
             (the target does not take part)",
        ]
    );
}

#[test]
fn long_lists_are_cut_short() {
    let nodes: Vec<_> = (1..=9).map(|n| master(n, "")).collect();
    let mut snapshot = snapshot(&nodes);
    for view in &mut snapshot.views[1..] {
        view.answer.as_mut().unwrap().at_mut(0).flags = Flags::parse("master,fail");
    }
    let found = words(&snapshot);
    assert_eq!(found[0], "node h:7001 has failed, say h:7002, h:7003, h:7004 and 5 more");
}

/// What the servers report, `each` for the node of that view, on top of what a healthy server reports.
fn told(snapshot: &Snapshot, each: impl Fn(usize) -> String) -> Vec<String> {
    let servers: Vec<Option<ServerInfo>> = (0..snapshot.views.len())
        .map(|place| {
            let mut info = ServerInfo::parse("cluster_state:ok\r\nserver_time_usec:1000000000\r\n");
            for line in each(place).lines() {
                match line.split_once('=') {
                    Some((name, value)) if !name.contains(':') => info.enter_setting(name, value),
                    _ => info.read(line),
                }
            }
            Some(info)
        })
        .collect();
    let findings = snapshot.diagnosis(Reported { servers: &servers, ..Reported::default() });
    for finding in &findings {
        let json = serde_json::to_string(finding).unwrap();
        assert_eq!(serde_json::from_str::<Finding>(&json).unwrap(), *finding, "{json}");
    }
    let told = findings.iter().filter(|finding| finding.severity() > Severity::Notice);
    told.map(ToString::to_string).collect()
}

/// Three masters with a replica each; `on` changes the lines of the node of view `place`.
fn six(place: usize, lines: &str) -> Vec<String> {
    let mut nodes = three_masters();
    nodes.extend([replica(4, 1), replica(5, 2), replica(6, 3)]);
    let text = |at: usize| if at == place { lines.to_owned() } else { String::new() };
    told(&snapshot(&nodes), text)
}

#[test]
fn why_a_cluster_is_down_is_read_from_the_nodes_own_words() {
    for (lines, reason) in [
        ("cluster_slots_assigned:16380", "4 slots have no owner"),
        ("cluster_slots_assigned:16383", "1 slot has no owner"),
        (
            "cluster_slots_assigned:16384\ncluster_slots_fail:1",
            "1 slot belongs to masters that have failed",
        ),
        (
            "cluster_slots_assigned:16384\ncluster_slots_fail:7",
            "7 slots belong to masters that have failed",
        ),
        (
            "cluster-require-full-coverage=no\ncluster_slots_assigned:16380\ncluster_size:9",
            "only 3 of 9 masters with slots can be reached",
        ),
        (
            "cluster_slots_assigned:16384\ncluster_size:3",
            "it has just started or was cut off, and serves in a moment",
        ),
    ] {
        let found = six(0, &format!("cluster_state:fail\n{lines}"));
        assert_eq!(found, [format!("h:7001 says cluster_state:fail: {reason}")]);
    }
}

#[test]
fn what_a_server_cannot_do_is_told() {
    let saving = "rdb_last_bgsave_status:err\nsave=3600 1\nstop-writes-on-bgsave-error=yes";
    for (place, lines, expected) in [
        (0, saving, "node h:7001 could not save its RDB file, and refuses writes"),
        (3, saving, "node h:7004 could not save its RDB file"),
        (0, "rdb_last_bgsave_status:err\nsave=", "node h:7001 could not save its RDB file"),
        (
            1,
            "aof_last_write_status:err",
            "node h:7002 could not write its append-only file, and refuses writes",
        ),
        (1, "aof_last_bgrewrite_status:err", "node h:7002 could not write its append-only file"),
        (
            0,
            "used_memory:101\nmaxmemory:100\nmaxmemory_policy:noeviction",
            "master h:7001 uses 101 of 100 bytes of memory, and refuses writes",
        ),
        (
            0,
            "used_memory:90\nmaxmemory:100\nmaxmemory_policy:noeviction",
            "master h:7001 uses 90 of 100 bytes of memory",
        ),
        (
            0,
            "min-replicas-to-write=2\nmin_slaves_good_slaves:1",
            "master h:7001 refuses writes: 1 replica is in good state, and min-replicas-to-write is 2",
        ),
    ] {
        assert_eq!(six(place, lines), [expected]);
    }
    for (place, lines) in [
        (0, "used_memory:101\nmaxmemory:100\nmaxmemory_policy:allkeys-lru"),
        (0, "used_memory:101\nmaxmemory:0\nmaxmemory_policy:noeviction"),
        (3, "used_memory:101\nmaxmemory:100\nmaxmemory_policy:noeviction"),
        (3, "min-replicas-to-write=2\nmin_slaves_good_slaves:0"),
    ] {
        assert_eq!(six(place, lines), [""; 0], "{lines}");
    }
}

#[test]
fn how_a_replica_gets_on_with_its_master_is_told() {
    let [of, link] = ["replica h:7004 ", " its master h:7001"];
    for (lines, expected) in [
        (
            "master_link_status:down\nmaster_link_down_since_seconds:7",
            format!("{of}has no link to{link} since 7 s"),
        ),
        (
            "master_link_status:down\nmaster_link_down_since_seconds:-1",
            format!("{of}has no link to{link}"),
        ),
        (
            "master_link_status:down\nmaster_sync_in_progress:1\nmaster_sync_left_bytes:9",
            format!("{of}is getting all data of{link}, 9 bytes are to come"),
        ),
    ] {
        assert_eq!(six(3, lines), [expected]);
    }
    let nodes = [three_masters(), vec![replica(4, 1), replica(5, 2), replica(6, 3)]].concat();
    let lagging = |master: &str, has: u64| {
        told(&snapshot(&nodes), |place| match place {
            0 => format!("repl_backlog_size:100\nmaster_repl_offset:1000\n{master}"),
            3 => format!("master_link_status:up\nslave_repl_offset:{has}"),
            _ => String::new(),
        })
    };
    let own = "slave0:ip=h,port=7009,state=online,offset=1,lag=99\nslave1:ip=h,port=7004,state=online,offset=1";
    assert_eq!(lagging(&format!("{own},lag=1"), 950), [""; 0], "less than the backlog holds");
    assert_eq!(lagging("", 899), [format!("{of}lags behind{link} by 101 bytes")]);
    let silent = [format!("{of}lags behind{link} by 0 bytes, last heard of 11 s ago")];
    assert_eq!(lagging(&format!("{own},lag=11"), 1000), silent);
}

#[test]
fn nodes_that_are_set_up_otherwise_than_the_others_are_told() {
    let nodes = snapshot(&three_masters());
    let all = |name: &'static str, odd: &'static str, usual: &'static str| {
        told(&nodes, |place| format!("{name}={}", if place == 1 { odd } else { usual }))
    };
    assert_eq!(
        all("cluster-node-timeout", "3000", "2000"),
        [
            "cluster-node-timeout is not the same on all nodes: 2000 on h:7001, h:7003; 3000 on h:7002"
        ]
    );
    let one = ["requirepass is not the same on all nodes: h:7001, h:7003, h:7002"];
    assert_eq!(all("requirepass", "x", ""), one);
    let login = |place| match place {
        1 => "requirepass=x\nmasterauth=y".to_owned(),
        _ => "requirepass=x\nmasterauth=x".to_owned(),
    };
    assert_eq!(
        told(&nodes, login),
        ["node h:7002 could not follow h:7001, h:7003: its masterauth is not their requirepass"]
    );
    assert_eq!(
        told(&nodes, |place| format!("redis_version:7.0.{place}"))[0],
        "nodes run different versions: Redis 7.0.0 on h:7001; Redis 7.0.1 on h:7002; Redis 7.0.2 on h:7003"
    );
    assert_eq!(
        told(&nodes, |place| format!("server_time_usec:{}", 10_000_000 + 1_500_000 * place)),
        ["the clock of h:7003 is 3000 ms ahead of that of h:7001"]
    );
}

#[test]
fn the_bus_between_nodes_is_looked_at() {
    let mut cut = snapshot(&three_masters());
    seen(&mut cut, 0, 2).link_connected = false;
    assert_eq!(told(&cut, |_| String::new()), ["h:7001 has no bus link to node h:7003"]);
    seen(&mut cut, 1, 2).link_connected = false;
    let both = "h:7001, h:7002 have no bus link to node h:7003";
    assert_eq!(told(&cut, |_| String::new()), [both]);
    let mut late = snapshot(&three_masters());
    set_awaited(&mut late, 1, 2, 998_900);
    let timeout = |_| "cluster-node-timeout=2000".to_owned();
    assert_eq!(told(&late, timeout), ["node h:7003 has not answered h:7002 for 1100 ms"]);
    set_awaited(&mut late, 1, 2, 999_100);
    assert_eq!(told(&late, timeout), [""; 0]);
}

#[test]
fn what_a_cluster_would_not_survive_is_told() {
    let notices = |nodes: &[crate::Node]| -> Vec<String> {
        snapshot(nodes).diagnosis(Reported::default()).iter().map(ToString::to_string).collect()
    };
    assert_eq!(notices(&three_masters()), ["no master has a replica"]);
    let mut nodes = vec![master(1, "0-16383"), replica(2, 1)];
    let few = "only 1 master owns slots: no replica can take over by itself";
    assert_eq!(notices(&nodes), [few]);
    nodes.push(master(3, ""));
    nodes[2].address.host = "other".into();
    assert_eq!(notices(&nodes), [few, "all replicas of master h:7001 are on its host h"]);
    let mut loading = snapshot(&three_masters());
    loading.views[1].answer =
        Err("h:7002: CLUSTER NODES was refused: LOADING Redis is loading".into());
    assert_eq!(loading.findings()[0].to_string(), "node h:7002 (02020202) is loading its data");
}

/// In what one node may differ from all others in what it says of another.
fn distort(nodes: &mut Vec<Node>, (at, how): (usize, u8)) {
    let at = at % nodes.len().max(1);
    let Some(node) = nodes.get_mut(at) else { return };
    match how {
        0 => node.flags = Flags::parse("master,fail?"),
        1 => node.flags = Flags::parse("slave,fail"),
        2 => node.flags = Flags::parse("handshake"),
        3 => node.link_connected = false,
        4 => drop(node.slots.take_first(3)),
        5 => drop(node.slots.insert(slot(16_000))),
        6 => node.ping_sent = 999_000,
        7 => node.master = Some(id(99)),
        8 => node.config_epoch = 1,
        9 => drop(nodes.remove(at)),
        10 => nodes.push(master(50 + at as u8, "")),
        11 => nodes.reverse(),
        _ => node.address.port += 1,
    }
}

proptest! {
    /// However nodes disagree: views of which only the differences are kept show what whole ones show.
    #[test]
    fn nothing_is_missed_for_sharing(
        masters in 1u8..12,
        odd in prop::collection::vec(prop::collection::vec((0usize..24, 0u8..13), 0..6), 0..8),
        silent in 0usize..40,
    ) {
        let mut nodes: Vec<Node> = (0..masters)
            .map(|n| master(n + 1, &format!("{}-{}", u16::from(n) * 100, u16::from(n) * 100 + 99)))
            .collect();
        nodes.extend((0..masters).map(|n| replica(n + 20, n + 1)));
        let mut whole = snapshot(&nodes);
        for (place, view) in whole.views.iter_mut().enumerate() {
            let mut said = Topology::from(view.answer.clone().unwrap()).nodes;
            for one in odd.get(place).into_iter().flatten() {
                distort(&mut said, *one);
            }
            view.answer = Ok(Topology { nodes: said, ..Topology::default() }.into());
        }
        if silent < whole.views.len() {
            silence(&mut whole, silent);
        }
        let mut known = SharedNodes::default();
        let mut compact = whole.clone();
        for view in &mut compact.views {
            if let Ok(said) = &view.answer {
                view.answer = Ok(known.read(Topology::from(said.clone()).to_string()).unwrap());
            }
        }
        let told = "cluster_state:fail\r\nserver_time_usec:1000000000\r\n";
        let mut told = ServerInfo::parse(told);
        told.enter_setting("cluster-node-timeout", "1000");
        let servers = vec![Some(told); whole.views.len()];
        prop_assert_eq!(&compact, &whole);
        let told = Reported { servers: &servers, ..Reported::default() };
        prop_assert_eq!(compact.diagnosis(told), whole.diagnosis(told));
    }
}
