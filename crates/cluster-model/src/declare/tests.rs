//! Whatever is declared of whatever is there: the steps lead to it, and from wherever they are broken off.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::testing::{id, slots};

fn at(n: usize) -> String {
    format!("h{}:{}", n % 3, 7000 + n)
}

fn seen(n: usize, master: Option<usize>, owned: &str) -> ObservedNode {
    let stranger = ObservedNode::stranger(at(n), id(n as u8 + 1));
    ObservedNode { is_member: true, master: master.map(at), slots: slots(owned), ..stranger }
}

/// A living cluster whose masters share the slots at random, with nodes that belong nowhere beside it.
fn observed() -> impl Strategy<Value = Observed> {
    let role = prop_oneof![2 => Just(0), 4 => Just(1), 2 => Just(2)];
    let nodes = proptest::collection::vec((role, any::<Index>()), 2..11);
    let cuts = proptest::collection::vec(0u16..16384, 12);
    (1usize..5, nodes, cuts).prop_map(|(owners, others, mut cuts)| {
        cuts.truncate(owners - 1);
        cuts.sort_unstable();
        cuts.dedup();
        let ends: Vec<u16> = cuts.iter().copied().filter(|cut| *cut > 0).chain([16384]).collect();
        let mut first = 0;
        let mut nodes = Vec::new();
        for (n, end) in ends.iter().enumerate() {
            nodes.push(seen(n, None, &format!("{first}-{}", end - 1)));
            first = *end;
        }
        let owners = nodes.len();
        for (role, master) in others {
            let n = nodes.len();
            nodes.push(match role {
                0 => ObservedNode::stranger(at(n), id(n as u8 + 1)),
                1 => seen(n, Some(master.index(owners)), ""),
                _ => seen(n, None, ""),
            });
        }
        Observed { nodes }
    })
}

/// Whether it is kept, its shard, weight and role.
type Kept = (u8, Option<&'static str>, f64, Option<WantedRole>);

fn wanted() -> impl Strategy<Value = Kept> {
    let shard = prop_oneof![3 => Just(None), 1 => select(vec![Some("a"), Some("b")])];
    let weight = prop_oneof![6 => Just(1.0), 1 => Just(2.5), 1 => Just(0.0)];
    let roles = vec![Some(WantedRole::Master), Some(WantedRole::Replica)];
    let role = prop_oneof![6 => Just(None), 1 => select(roles)];
    (0u8..5, shard, weight, role)
}

fn declared() -> impl Strategy<Value = Declared> {
    let nodes = proptest::collection::vec(wanted(), 15);
    let apart = select(vec![Apart::Host, Apart::None]);
    (0usize..3, nodes, apart).prop_map(|(replicas, nodes, apart)| {
        // One of five nodes is not declared, and only the first master of a shard is asked for.
        let kept = nodes.into_iter().enumerate().filter(|(_, (dice, ..))| *dice > 0);
        let mut mastered = HashSet::new();
        let node = |(n, (_, shard, weight, role)): (usize, Kept)| {
            let is_master = role == Some(WantedRole::Master) && shard.is_some();
            let is_second = is_master && !mastered.insert(shard);
            let role = role.filter(|_| !is_second);
            DeclaredNode {
                shard: shard.map(str::to_owned),
                weight,
                role,
                ..DeclaredNode::new(at(n))
            }
        };
        let nodes = kept.map(node).collect();
        Declared { replicas, apart, nodes, .."[nodes]\n\"h:1\" = {}".parse().unwrap() }
    })
}

/// The declared nodes that there are.
fn within(mut declared: Declared, observed: &Observed) -> Declared {
    declared.nodes.retain(|node| observed.node(&node.at).is_some());
    declared
}

/// What must hold whatever comes next.
fn assert_safe(before: &Observed, change: &Change, after: &Observed) {
    assert!(after.covered().complement().is_empty(), "{change:?} leaves slots without an owner");
    let homeless =
        |seen: &&ObservedNode| seen.is_owner() && (!seen.is_member || seen.master.is_some());
    assert_eq!(after.nodes.iter().find(homeless), None, "{change:?}");
    if let Change::Follow { node, .. } | Change::Leave { node, .. } = change {
        assert!(!before.node(node).unwrap().is_owner(), "{change:?} takes slots along");
    }
    if let Change::Follow { master, .. } | Change::Join { master: Some(master), .. } = change {
        let master = before.node(master).unwrap();
        assert!(master.is_member && master.master.is_none(), "{change:?} follows no master");
    }
    if let Change::Failover { node, master } = change {
        assert_eq!(before.node(node).unwrap().master.as_ref(), Some(master));
    }
}

/// What a cluster is that is as declared.
fn assert_reached(declared: &Declared, end: &Observed) {
    for seen in &end.nodes {
        let wanted = declared.nodes.iter().find(|node| node.at == seen.at);
        assert_eq!(seen.is_member, wanted.is_some(), "{}", seen.at);
        let Some(wanted) = wanted else { continue };
        match wanted.role {
            Some(WantedRole::Master) => assert_eq!(seen.master, None),
            Some(WantedRole::Replica) => assert_ne!(seen.master, None, "{}", seen.at),
            None => {}
        }
        let master = seen.master.as_ref().unwrap_or(&seen.at);
        let other = declared.nodes.iter().find(|node| node.at == *master).unwrap();
        if wanted.shard.is_some() {
            assert_eq!(wanted.shard, other.shard, "{} follows {master}", seen.at);
        }
        if seen.master.is_none() && wanted.weight > 0.0 {
            assert!(end.good_replicas(&seen.at) >= declared.replicas, "{}", seen.at);
        }
    }
}

/// Takes all steps, and shows that each is safe.
fn carried_out(declared: &Declared, observed: &Observed, plan: &Plan) -> Observed {
    plan.steps.iter().fold(observed.clone(), |before, step| {
        let after = before.after(&step.change);
        assert_safe(&before, &step.change, &after);
        for seen in after.members().filter(|seen| seen.is_owner()) {
            let (has, had) = (after.good_replicas(&seen.at), before.good_replicas(&seen.at));
            let is_told = step.lowers.iter().any(|it| it.master == seen.at && it.replicas == has);
            assert!(has >= had.min(declared.replicas) || is_told, "{step:?} lowers {}", seen.at);
        }
        after
    })
}

#[test]
fn what_is_wrong_in_a_file_is_told_with_its_line_and_without_its_secrets() {
    for (text, told) in [
        ("", "line 1: missing field `nodes`"),
        ("[nodes]\n", "line 1: [nodes] has no node"),
        ("[nodes]\n\n\"h\" = {}\n", "line 3: \"h\": an address is written host:port"),
        ("[nodes]\n\"h:1\" = {}\n\"h:1\" = {}\n", "line 3: duplicate key"),
        ("[nodes]\n\"h:1\" = {}\n\"[h]:1\" = {}\n", "line 3: node h:1 is declared twice"),
        ("[nodes]\n\"h:1\" = { wieght = 2 }\n", "line 2: unknown field `wieght`"),
        ("[nodes]\n\"h:1\" = { weight = -1 }\n", "line 2: weight is a number that is not negative"),
        (
            "[nodes]\n\"h:1\" = { weight = 1e308 }\n",
            "line 2: weight is a number of 1000000000 at most",
        ),
        (
            "credentials = \"hush, expected\"\n[nodes]\n\"h:1\" = {}\n",
            "line 1: invalid type: string, expected a table",
        ),
        (
            "[nodes]\n\"h:1\" = {}\n[settings]\nmaxmemory = 1\nMaxMemory = 2\n",
            "maxmemory is set twice",
        ),
        ("[nodes]\n\"h:1\" = { role = \"slave\" }\n", "line 2: unknown variant `slave`"),
        (
            "[nodes]\n\"h:1\" = { role = \"master\", shard = \"a\" }\n\"h:2\" = { role = \"master\", shard = \"a\" }\n",
            "line 3: h:2 is to be the master of shard \"a\", as h:1 is",
        ),
        ("replicas = -1\n[nodes]\n\"h:1\" = {}\n", "line 1: invalid value"),
        (
            "password = \"hush\"\n[nodes]\n\"h:1\" = {}\n",
            "line 1: a password does not stand in this file",
        ),
        (
            "[nodes]\n\"h:1\" = {}\n[credentials]\npassword = \"hush\"\n",
            "a password does not stand in this file",
        ),
        (
            "[nodes]\n\"h:1\" = {}\n[credentials]\nusr = \"me\"\n",
            "line 4: unknown field `usr`, expected one of `user`, `password-env`, `password-file`",
        ),
        (
            "[nodes]\n\"h:1\" = {}\n[credentials]\nuser = \"me\"\n",
            "line 3: credentials name one place",
        ),
        (
            "[nodes]\n\"h:1\" = {}\n[settings]\nrequirepass = \"hush\"\n",
            "line 4: requirepass is a secret",
        ),
        (
            "[nodes]\n\"h:1\" = {}\n[settings]\nmasteruser = \"hush\"\n",
            "line 4: masteruser is a secret",
        ),
        (
            "[nodes]\n\"h:1\" = { password = \"hush\" }\n",
            "line 2: a password does not stand in this file",
        ),
        (
            "[nodes]\n\"redis://me:hush@h:1\" = {}\n",
            "line 2: a node is written HOST:PORT; who logs in stands in [credentials]",
        ),
        (
            "[nodes]\n\"h:1\" = {}\n[credentials]\npassword-env = \"hush!\"\n",
            "line 3: password-env is the name of an environment variable",
        ),
        ("[nodes]\n\"h:1\" = {}\n[settings]\nsave = [1]\n", "line 4: a setting is a text"),
        (
            "drained = [\"m1\", \"m2\"]\n[nodes]\n\"h:1\" = { host = \"m1\" }\n",
            "line 1: \"m2\" is neither a host nor a zone of a node",
        ),
        ("drained = [\"h\"]\n[nodes]\n\"h:1\" = {}\n", "line 1: all nodes are drained"),
    ] {
        let error = text.parse::<Declared>().unwrap_err().to_string();
        assert!(error.contains(told), "{text:?}: {error}");
        assert!(!error.contains("hush"), "{error}");
    }
}

/// Of each master of a plan for new nodes, the nodes that hold its data.
fn shards(plan: &Plan) -> Vec<Vec<String>> {
    let Change::Create { masters, replicas } = &plan.steps[0].change else { panic!("{plan:?}") };
    let shard = |owner: &Owner| {
        let own = replicas.iter().filter(|it| it.master == owner.node).map(|it| it.node.clone());
        own.chain([owner.node.clone()]).collect()
    };
    masters.iter().map(shard).collect()
}

/// Whether no two of these share a machine (or with `Apart::Zone` a zone).
fn are_apart(declared: &Declared, nodes: &[String]) -> bool {
    let node = |at: &String| declared.nodes.iter().find(|node| node.at == *at).unwrap();
    let domains: HashSet<_> = nodes.iter().map(|at| node(at).domain(declared.apart)).collect();
    domains.len() == nodes.len()
}

/// As many strangers as are declared.
fn strangers(declared: &Declared) -> Observed {
    let stranger =
        |(n, node): (usize, &DeclaredNode)| ObservedNode::stranger(&node.at, id(n as u8 + 1));
    Observed { nodes: declared.nodes.iter().enumerate().map(stranger).collect() }
}

#[test]
fn replicas_leave_the_zone_of_their_master_and_what_cannot_be_had_is_told() {
    let zones = |zones: [&str; 4]| -> Declared {
        let line = |(n, zone): (usize, &&str)| format!("\"{}\" = {{ zone = \"{zone}\" }}\n", at(n));
        let nodes: String = zones.iter().enumerate().map(line).collect();
        format!("replicas = 1\napart = \"zone\"\n[nodes]\n{nodes}").parse().unwrap()
    };
    let nodes = vec![
        seen(0, None, "0-8191"),
        seen(1, None, "8192-16383"),
        seen(2, Some(0), ""),
        seen(3, Some(1), ""),
    ];
    let observed = Observed { nodes };
    let parted = plan(&zones(["a", "b", "a", "b"]), &observed, &[]).unwrap();
    let follows: Vec<_> = parted.steps.iter().map(|step| step.change.to_string()).collect();
    assert_eq!(follows, ["let h2:7002 follow h1:7001", "let h0:7003 follow h0:7000"]);
    let lowered: Vec<_> = parted.steps.iter().map(|step| step.lowers.len()).collect();
    assert_eq!(lowered, [1, 0], "the first of them is without a replica for a while");
    assert_eq!(parted.notes, Vec::<String>::new());
    let crowded = plan(&zones(["a", "b", "a", "a"]), &observed, &[]).unwrap();
    assert_eq!(crowded.notes, ["h0:7000 and h2:7002 hold the same data and are both on a"]);
}

#[test]
fn the_nodes_of_a_drained_host_leave_and_the_rest_stays_apart() {
    let file = |drained: &str| -> Declared {
        let line = |n: usize| format!("\"{}\" = {{ host = \"m{}\" }}\n", at(n), n % 5);
        let nodes: String = (0..10).map(line).collect();
        format!("replicas = 1\n{drained}\n[nodes]\n{nodes}").parse().unwrap()
    };
    let all = file("");
    let observed = strangers(&all);
    let first = plan(&all, &observed, &[]).unwrap();
    let living = carried_out(&all, &observed, &first);
    let left = file("drained = [\"m0\"]");
    assert_eq!(left.nodes.len(), 8);
    let drain = plan(&left, &living, &[]).unwrap();
    let end = carried_out(&left, &living, &drain);
    assert_reached(&left, &end);
    assert_eq!(drain.notes, Vec::<String>::new());
    for owner in end.members().filter(|seen| seen.is_owner()) {
        let follows = end.members().filter(|it| it.master.as_ref() == Some(&owner.at));
        let shard: Vec<String> = follows.chain([owner]).map(|it| it.at.clone()).collect();
        assert!(shard.len() == 2 && are_apart(&left, &shard), "{shard:?}");
    }
}

#[test]
fn a_master_without_slots_keeps_no_replica_that_another_lacks() {
    let declared: Declared = "replicas = 1\n[nodes]\n\"h0:7000\" = {}\n\"h2:7002\" = {}\n\
                              \"h1:7001\" = { shard = \"a\", role = \"master\", weight = 0 }\n"
        .parse()
        .unwrap();
    let nodes = vec![seen(0, None, "0-16383"), seen(1, None, ""), seen(2, Some(1), "")];
    let observed = Observed { nodes };
    let steps = plan(&declared, &observed, &[]).unwrap();
    assert_reached(&declared, &carried_out(&declared, &observed, &steps));
}

#[test]
fn settings_are_the_same_in_other_words() {
    let declared: Declared =
        "[nodes]\n\"h0:7000\" = {}\n[settings]\nmaxmemory = \"1gb\"\nappendonly = true\n"
            .parse()
            .unwrap();
    let has = |maxmemory: &str, appendonly: &str| {
        let settings = [("maxmemory", maxmemory), ("appendonly", appendonly)];
        let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Observed {
            nodes: vec![ObservedNode { settings: settings.into(), ..seen(0, None, "0-16383") }],
        }
    };
    assert_eq!(plan(&declared, &has("1073741824", "yes"), &[]).unwrap().steps, vec![]);
    let steps = plan(&declared, &has("1000000000", "yes"), &[]).unwrap().steps;
    let Change::Configure { settings, .. } = &steps[0].change else { panic!("{steps:?}") };
    assert_eq!(settings.keys().collect::<Vec<_>>(), ["maxmemory"]);
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 100_000, max_shrink_iters: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_steps_lead_to_what_is_declared(observed in observed(), declared in declared(), stop: Index) {
        let declared = within(declared, &observed);
        let Ok(first) = plan(&declared, &observed, &[]) else {
            return Err(TestCaseError::reject("what is declared cannot be"));
        };
        let end = carried_out(&declared, &observed, &first);
        assert_reached(&declared, &end);
        prop_assert_eq!(plan(&declared, &end, &[]).unwrap().steps, vec![]);
        // Broken off somewhere, in the middle of a move as well.
        let mut broken = first.clone();
        broken.steps.truncate(stop.index(first.steps.len() + 1));
        if let Some(Change::MoveSlots { moves }) = broken.steps.last_mut().map(|step| &mut step.change) {
            moves.truncate(moves.len() / 2);
            if let Some(last) = moves.last_mut() {
                let half = last.slots.len() / 2;
                last.slots = last.slots.take_first(half);
            }
        }
        let middle = broken.steps.iter().fold(observed, |now, step| now.after(&step.change));
        let rest = plan(&declared, &middle, &[]).unwrap();
        let end = carried_out(&declared, &middle, &rest);
        assert_reached(&declared, &end);
        prop_assert_eq!(plan(&declared, &end, &[]).unwrap().steps, vec![]);
    }

    #[test]
    fn a_cluster_of_new_nodes_is_what_is_declared(declared in declared()) {
        let observed = strangers(&declared);
        let Ok(first) = plan(&declared, &observed, &[]) else {
            return Err(TestCaseError::reject("what is declared cannot be"));
        };
        prop_assert_eq!(first.steps.len(), 1);
        let end = carried_out(&declared, &observed, &first);
        assert_reached(&declared, &end);
        prop_assert_eq!(plan(&declared, &end, &[]).unwrap().steps, vec![]);
    }

    #[test]
    fn new_nodes_stand_apart_where_that_can_be_had(hosts in 2usize..6, masters in 3usize..8) {
        let line = |n: usize| format!("\"h:{}\" = {{ host = \"m{}\" }}\n", 7000 + n, n % hosts);
        let nodes: String = (0..2 * masters).map(line).collect();
        let declared: Declared = format!("replicas = 1\n[nodes]\n{nodes}").parse().unwrap();
        let plan = plan(&declared, &strangers(&declared), &[]).unwrap();
        let together: Vec<_> =
            shards(&plan).into_iter().filter(|it| !are_apart(&declared, it)).collect();
        prop_assert_eq!(together, Vec::<Vec<String>>::new());
        prop_assert_eq!(plan.notes, Vec::<String>::new());
    }

    #[test]
    fn what_is_exported_is_there(observed in observed()) {
        let text = export(&observed).unwrap();
        let declared: Declared = text.parse().unwrap();
        prop_assert_eq!(plan(&declared, &observed, &[]).unwrap().steps, vec![], "{}", text);
    }
}
