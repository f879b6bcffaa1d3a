//! Nodes that leave and come back, and members that only some nodes know.

use std::time::{SystemTime, UNIX_EPOCH};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::plan::create::Dealing;
use redistrib_ops::resp::Command;
use redistrib_ops::{
    AddNode, AskedRole, Candidates, Cluster, Connection, Context, Endpoint, Error, WholeMembers,
    carry_out, inspect, join_cluster, quit_cluster,
};

use crate::support::*;

fn send(lab: &TempLab, node: &Endpoint, words: &[&str]) -> Result<(), redistrib_ops::Error> {
    Connection::open(node, lab.settings())?.call(&Command::from_args(words)).map(drop)
}

/// Waits until every node has heard of every other after this moment: whatever they have to say of each other
/// has been said then. A message tells of all forgotten nodes.
fn gossip(lab: &TempLab, nodes: &[Endpoint]) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    let now = i64::try_from(now).unwrap();
    poll("all nodes have gossiped", || {
        let fresh = |node: &Endpoint| {
            let cluster = Cluster::discover(node, lab.settings()).unwrap();
            let topology = cluster.myself().topology().unwrap();
            let mut others = topology.iter().filter(|other| !other.flags.is_myself());
            others.all(|other| other.pong_received > now)
        };
        nodes.iter().all(fresh)
    });
}

/// Every one of these nodes knows all of them, and all slots have an owner.
#[track_caller]
fn assert_whole(lab: &TempLab, nodes: &[Endpoint]) {
    for node in nodes {
        let cluster = Cluster::discover(node, lab.settings()).unwrap();
        let missing = cluster.covered().complement();
        let view = cluster.myself().topology().unwrap();
        assert!(missing.is_empty(), "{node} sees nobody own {missing}:\n{view}");
        assert_eq!(cluster.members().len(), nodes.len(), "{node} does not know all");
    }
}

redistrib_ops::on_each_test_server! {
    fn a_node_that_left_comes_back_and_stays(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 1).unwrap();
        let (seed, node) = (&lab.endpoints()[0], &fresh.endpoints()[0]);
        let join = || with_context(|context| join_cluster(seed, node, lab.settings(), context));
        join().unwrap();
        with_context(|context| quit_cluster(node, lab.settings(), context)).unwrap();
        assert_eq!(join().unwrap().slots, 4096, "{}", server.name);
        let all = [lab.endpoints(), vec![node.clone()]].concat();
        gossip(&lab, &all);
        assert_whole(&lab, &all);
    }

    fn a_node_that_another_tool_took_out_is_not_forgotten_again(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 1).unwrap();
        let (seed, node) = (&lab.endpoints()[0], &fresh.endpoints()[0]);
        let role = AskedRole::Master;
        let id = with_context(|context| add_node(&mut discover(&lab), node, role, context));
        let id = id.unwrap().to_string();
        for member in lab.endpoints() {
            send(&lab, &member, &["CLUSTER", "FORGET", &id]).unwrap();
        }
        send(&lab, node, &["CLUSTER", "RESET", "SOFT"]).unwrap();
        with_context(|context| join_cluster(seed, node, lab.settings(), context)).unwrap();
        let all = [lab.endpoints(), vec![node.clone()]].concat();
        gossip(&lab, &all);
        assert_whole(&lab, &all);
    }
}

/// As `add-node` leaves it that was killed once it had introduced the node: the first to hear of that shakes hands with it.
fn shake_hands(lab: &TempLab, node: &Endpoint) {
    for member in lab.endpoints() {
        let port = member.port().unwrap().to_string();
        send(lab, node, &["CLUSTER", "MEET", "127.0.0.1", &port]).unwrap();
    }
    let sees_it = |member: &Endpoint| {
        let cluster = Cluster::discover(member, lab.settings()).unwrap();
        cluster.myself().topology().unwrap().len() > lab.endpoints().len()
    };
    poll("a handshake has begun", || lab.endpoints().iter().any(sees_it));
}

redistrib_ops::on_each_test_server! {
    fn a_node_that_leaves_in_its_handshakes_stays_away(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 1).unwrap();
        let node = &fresh.endpoints()[0];
        shake_hands(&lab, node);
        with_context(|context| quit_cluster(node, lab.settings(), context)).unwrap();
        let view = |member: &Endpoint| {
            Cluster::discover(member, lab.settings()).unwrap().myself().topology().unwrap().clone()
        };
        let all = || lab.endpoints().into_iter().chain([node.clone()]);
        poll("no handshake is under way", || {
            all().all(|member| view(&member).iter().all(|other| !other.flags.is_handshake()))
        });
        assert_whole(&lab, &lab.endpoints());
        assert_eq!(view(node).len(), 1, "{}", server.name);
    }
}

#[test]
fn a_node_that_the_seed_has_forgotten_is_reset_when_it_leaves() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let fresh = TempLab::nodes(&server, 1).unwrap();
    let (seed, node) = (&lab.endpoints()[0], &fresh.endpoints()[0]);
    let role = AskedRole::Master;
    let id = with_context(|context| add_node(&mut discover(&lab), node, role, context)).unwrap();
    send(&lab, seed, &["CLUSTER", "FORGET", &id.to_string()]).unwrap();
    with_context(|context| del_node(&mut discover(&lab), id, context)).unwrap();
    let left = Cluster::discover(node, lab.settings()).unwrap();
    assert_ne!(left.myself().id(), id);
    assert_eq!(left.members().len(), 1);
    assert_whole(&lab, &lab.endpoints());
}

/// A member with slots and keys that everybody else has forgotten, and that has forgotten nobody.
fn forgotten_owner(lab: &TempLab, fresh: &TempLab) -> u64 {
    let (seed, node) = (&lab.endpoints()[0], &fresh.endpoints()[0]);
    with_context(|context| join_cluster(seed, node, lab.settings(), context)).unwrap();
    let info = Command::from_args(["CLUSTER", "INFO"]);
    poll("the new node serves", || {
        let reply = Connection::open(node, lab.settings()).unwrap().call(&info).unwrap();
        reply.view().as_str().unwrap().contains("cluster_state:ok")
    });
    let mut cluster = discover(lab);
    fill_strings(&mut cluster, 500);
    let owner = Cluster::discover(node, lab.settings()).unwrap().myself().id().to_string();
    for member in lab.endpoints() {
        send(lab, &member, &["CLUSTER", "FORGET", &owner]).unwrap();
    }
    assert!(inspect(&mut discover(lab)).keys() < 500, "some keys are on the node");
    500
}

fn an_owner_that_all_have_forgotten_is_brought_back(server: &'static str, memory: Option<&str>) {
    let server = TestServer::named(server).unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let fresh = TempLab::nodes(&server, 1).unwrap();
    let node = &fresh.endpoints()[0];
    let all = [lab.endpoints(), vec![node.clone()]].concat();
    if let Some(seconds) = memory {
        for node in &all {
            send(&lab, node, &["CONFIG", "SET", "cluster-blacklist-ttl", seconds]).unwrap();
        }
    }
    let keys = forgotten_owner(&lab, &fresh);
    let role = AskedRole::Master;
    with_context(|context| add_node(&mut discover(&lab), node, role, context)).unwrap();
    gossip(&lab, &all);
    assert_whole(&lab, &all);
    assert_eq!(inspect(&mut discover(&lab)).keys(), keys);
}

#[test]
fn an_owner_that_all_have_forgotten_is_brought_back_on_redis_7_0() {
    an_owner_that_all_have_forgotten_is_brought_back("redis-7.0", None);
}

/// Here the nodes tell each other whom they have forgotten.
#[test]
fn an_owner_that_all_have_forgotten_is_brought_back_on_valkey_9_1() {
    an_owner_that_all_have_forgotten_is_brought_back("valkey-9.1", Some("6"));
}

/// One that knows the others, and is known to one of them.
#[test]
fn half_a_member_without_anything_begins_anew() {
    let server = TestServer::named("redis-8.6").unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let fresh = TempLab::nodes(&server, 1).unwrap();
    let node = &fresh.endpoints()[0];
    let add = |role| with_context(|context| add_node(&mut discover(&lab), node, role, context));
    let first = add(AskedRole::Master).unwrap();
    // Where whole members are refused, half of one is none.
    let (seed, new, role) = (lab.endpoints()[0].clone(), node.clone(), AskedRole::Replica);
    let strict = |role: &AskedRole| {
        let request = AddNode {
            seed: seed.clone(),
            new: new.clone(),
            role: role.clone(),
            members: WholeMembers::Refused,
            no_wait: true,
        };
        carry_out(request, lab.settings(), Context::default())
    };
    assert!(matches!(strict(&AskedRole::Master), Err(Error::NotEmpty { .. })));
    send(&lab, &lab.endpoints()[1], &["CLUSTER", "FORGET", &first.to_string()]).unwrap();
    let second = strict(&role).unwrap().id;
    assert_ne!(first, second);
    assert!(matches!(strict(&role), Err(Error::NotEmpty { .. })));
    let all = [lab.endpoints(), vec![node.clone()]].concat();
    gossip(&lab, &all);
    assert_whole(&lab, &all);
    assert!(discover(&lab).member(second).unwrap().node().is_replica());
    assert_eq!(add(AskedRole::Replica).unwrap(), second, "it is what was asked for");
}

/// One that waits in vain for others would be told to be reset, were it not for what it has.
#[test]
fn a_member_of_another_cluster_is_never_told_to_be_reset() {
    let server = TestServer::named("valkey-9.1").unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let other = TempLab::cluster(&server, 3, 0).unwrap();
    let node = &other.endpoints()[0];
    let role = AskedRole::Master;
    let refused = with_context(|context| add_node(&mut discover(&lab), node, role, context));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("member of a cluster") && !refused.contains("RESET"), "{refused}");
    assert_whole(&other, &other.endpoints());
}

/// Masters that own slots and have no keys may be what an interrupted attempt leaves, unless there is more to their cluster.
#[test]
fn a_cluster_that_has_keys_is_never_told_to_be_reset() {
    let lab = TempLab::cluster(&TestServer::named("redis-8.2").unwrap(), 3, 0).unwrap();
    let nodes = lab.endpoints();
    let plan = |nodes: &[Endpoint]| {
        Candidates::survey(nodes, lab.settings()).unwrap().plan(0, 1, Dealing::InTurn)
    };
    plan(&nodes).unwrap();
    fill(&mut discover(&lab), [Command::new("SET").arg("key").arg(1)]);
    let keys = |node: &Endpoint| {
        let mut node = Connection::open(node, lab.settings()).unwrap();
        node.call(&Command::new("DBSIZE")).unwrap().view().as_int().unwrap()
    };
    let (empty, full): (Vec<_>, Vec<_>) = nodes.iter().cloned().partition(|it| keys(it) == 0);
    assert_eq!((empty.len(), full.len()), (2, 1));
    for named in [empty.clone(), [full, empty].concat()] {
        let told = plan(&named).unwrap_err().to_string();
        assert!(told.contains("member of a cluster") && !told.contains("RESET"), "{told}");
    }
}
