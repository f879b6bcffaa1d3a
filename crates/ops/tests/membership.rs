//! Nodes come together, join and leave, on servers of all versions.

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::{NodeId, plan::create::CreateError, plan::create::Dealing};
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{
    AskedRole, Cancel, Candidates, Cluster, Connection, Context, Error, Failover, FailoverMode,
    FixOptions, Settings, inspect, rescue_cluster, shutdown_cluster, start_cluster,
};

use crate::support::*;

fn id_of(lab: &TempLab, index: usize) -> NodeId {
    let mut node = Connection::open(&lab.endpoints()[index], lab.settings()).unwrap();
    let reply = node.call(&Command::new("CLUSTER").arg("MYID")).unwrap();
    std::str::from_utf8(reply.view().as_bytes().unwrap()).unwrap().parse().unwrap()
}

redistrib_ops::on_each_test_server! {
    fn nodes_become_a_cluster_that_every_node_sees_alike(server) {
        let lab = TempLab::nodes(server, 7).unwrap();
        let mut candidates = Candidates::survey(&lab.endpoints(), lab.settings()).unwrap();
        let plan = candidates.plan(1, 3, Dealing::InTurn).unwrap();
        with_context(|context| candidates.create(&plan, context)).unwrap();

        let report = inspect(&mut discover(&lab));
        assert!(
            report
                .findings
                .iter()
                .all(|it| it.severity() == redistrib_ops::model::Severity::Notice || it.is_passing()),
            "{}: {:?}",
            server.name,
            report.findings
        );
        let slots: Vec<String> = report.masters().map(|it| it.node.slots.to_string()).collect();
        assert_eq!(slots.len(), 3, "{}", server.name);
        assert!(slots.contains(&"5461-10922".into()), "{}: {slots:?}", server.name);
        let mut replicas: Vec<usize> = report.masters().map(|it| it.replicas).collect();
        replicas.sort_unstable();
        assert_eq!(replicas, [1, 1, 2], "{}: the node left over becomes a replica", server.name);
        let least = report.masters().map(|it| it.node.config_epoch).min();
        assert!(
            least > Some(4),
            "{}: Valkey 9.1 may go on taking a replica whose epoch was greater for a master",
            server.name
        );
    }
}

redistrib_ops::on_each_test_server! {
    fn what_cannot_become_a_cluster_is_refused_and_left_as_it_was(server) {
        let lab = TempLab::nodes(server, 3).unwrap();
        let plain = TempLab::plain(server, 1).unwrap();
        let nodes = lab.endpoints();
        let survey = |endpoints: &[_]| Candidates::survey(endpoints, &Settings::default());

        let twice = survey(&[nodes[0].clone(), nodes[1].clone(), nodes[0].clone()]).unwrap_err();
        assert!(twice.to_string().contains(&nodes[0].to_string()), "{twice}");

        let foreign = survey(&[nodes[0].clone(), plain.endpoints()[0].clone()]).unwrap_err();
        assert!(
            matches!(&foreign, Error::NotCluster { node } if *node == plain.endpoints()[0]),
            "{foreign}"
        );

        let few = survey(&nodes[..2]).unwrap().plan(0, 3, Dealing::InTurn).unwrap_err();
        assert!(matches!(few, Error::Layout(CreateError::TooFewNodes { needed: 3, .. })), "{few}");

        let mut first = Connection::open(&nodes[0], lab.settings()).unwrap();
        first.call(&Command::new("CLUSTER").arg("ADDSLOTS").arg(0)).unwrap();
        let owner = survey(&nodes).unwrap().plan(0, 1, Dealing::InTurn).unwrap_err().to_string();
        assert!(owner.contains(&nodes[0].to_string()) && owner.contains("is not empty"), "{owner}");

        let untouched = Connection::open(&nodes[1], lab.settings())
            .unwrap()
            .call(&Command::new("CLUSTER").arg("INFO"));
        let text = untouched.unwrap();
        let text = std::str::from_utf8(text.view().as_bytes().unwrap()).unwrap();
        assert!(
            text.contains("cluster_known_nodes:1") && text.contains("cluster_slots_assigned:0"),
            "{text}"
        );
    }
}

redistrib_ops::on_each_test_server! {
    fn a_new_node_serves_as_master_or_as_replica_of_the_poorest(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 2).unwrap();
        let mut cluster = discover(&lab);
        let [master, replica] = [AskedRole::Master, AskedRole::Replica].map(|role| {
            let node = &fresh.endpoints()[usize::from(role == AskedRole::Replica)];
            with_context(|context| add_node(&mut cluster, node, role, context)).unwrap()
        });

        let report = inspect(&mut discover(&lab));
        assert_eq!(report.nodes.len(), 5, "{}", server.name);
        let found = |id| report.nodes.iter().find(|it| it.node.id == id).unwrap();
        assert!(found(master).node.is_master() && found(master).node.slots.is_empty());
        let followed = found(replica).node.master.unwrap();
        assert!(
            !found(followed).node.slots.is_empty(),
            "{}: of equals, a master without slots comes last",
            server.name
        );

        let again = with_context(|context| {
            add_node(&mut cluster, &fresh.endpoints()[0], AskedRole::Master, context)
        });
        assert_eq!(again.unwrap(), master, "{}: it is a member already", server.name);
        let as_replica = with_context(|context| {
            let role = AskedRole::ReplicaOf(Some(id_of(&lab, 1).into()));
            add_node(&mut discover(&lab), &lab.endpoints()[2], role, context)
        });
        let refused = as_replica.unwrap_err().to_string();
        assert!(refused.contains("is a member") && refused.contains("slots"), "{refused}");
    }
}

redistrib_ops::on_each_test_server! {
    fn a_node_leaves_and_its_replicas_follow_others(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 2).unwrap();
        let mut cluster = discover(&lab);
        let [leaving, follower] = with_context(|context| {
            let leaving =
                add_node(&mut cluster, &fresh.endpoints()[0], AskedRole::Master, context).unwrap();
            cluster = discover(&lab);
            let role = AskedRole::ReplicaOf(Some(leaving.into()));
            [leaving, add_node(&mut cluster, &fresh.endpoints()[1], role, context).unwrap()]
        });
        let mut cluster = discover(&lab);
        let depart = |cluster: &mut Cluster, id| with_context(|context| del_node(cluster, id, context));
        let refused = depart(&mut cluster, id_of(&lab, 1)).unwrap_err().to_string();
        assert!(refused.contains("is not empty") && refused.contains("Reshard"), "{refused}");

        depart(&mut cluster, leaving).unwrap();
        let cluster = discover(&lab);
        assert!(cluster.member(leaving).is_err(), "{}", server.name);
        let followed = cluster.member(follower).unwrap().node().master.unwrap();
        assert_ne!(followed, leaving, "{}", server.name);
    }
}

redistrib_ops::on_each_test_server! {
    fn a_dead_node_is_a_finding_and_can_be_forgotten(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let dead = discover(&lab).members().iter().position(|it| !it.node().is_master()).unwrap();
        let dead = discover(&lab).members()[dead].endpoint().clone();
        let index = lab.endpoints().iter().position(|it| *it == dead).unwrap();
        let id = id_of(&lab, index);
        assert!(lab.kill(index));

        let mut cluster = discover(&lab);
        let report = inspect(&mut cluster);
        let named = report.findings.iter().any(|it| it.to_string().contains(&dead.to_string()));
        assert!(named, "{}: {:?}", server.name, report.findings);
        with_context(|context| del_node(&mut cluster, id, context)).unwrap();
        assert!(discover(&lab).member(id).is_err(), "{}", server.name);
    }
}

redistrib_ops::on_each_test_server! {
    fn who_could_not_hear_of_a_departure_is_named(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let cluster = discover(&lab);
        let mut replicas = cluster.members().iter().filter(|it| !it.node().is_master());
        let (deaf, leaving) = (replicas.next().unwrap(), replicas.next().unwrap());
        assert!(lab.kill(lab.endpoints().iter().position(|it| it == deaf.endpoint()).unwrap()));
        let mut cluster = discover(&lab);
        let (warnings, cancel) = (Warnings::default(), Cancel::new());
        del_node(&mut cluster, leaving.id(), Context::new(&warnings, &cancel)).unwrap();
        let [warning] = &warnings.0.into_inner().unwrap()[..] else { panic!("one warning") };
        assert!(
            warning.contains(&deaf.endpoint().to_string())
                && warning.contains(&format!("CLUSTER FORGET {}", leaving.id())),
            "{}: {warning}",
            server.name
        );
    }
}

redistrib_ops::on_each_test_server! {
    fn a_spare_node_takes_over_the_slots_of_a_lost_master(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let spare = TempLab::nodes(server, 1).unwrap();
        let (seed, spare) = (&lab.endpoints()[0], &spare.endpoints()[0]);
        let rescue =
            || with_context(|context| rescue_cluster(seed, spare, lab.settings(), context));
        assert!(rescue().unwrap().is_empty(), "nothing is lost");
        assert_eq!(discover(&lab).members().len(), 3, "the spare has been left alone");

        let lost = discover(&lab).members()[1].endpoint().clone();
        let index = lab.endpoints().iter().position(|it| *it == lost).unwrap();
        let slots = discover(&lab).members()[1].node().slots.clone();
        assert!(lab.kill(index));
        assert_eq!(rescue().unwrap(), slots, "{}", server.name);

        let owner = discover(&lab).owner(slots.first().unwrap()).unwrap().endpoint().clone();
        assert_eq!(owner, *spare, "{}", server.name);
        lab.restart(index).unwrap();
        let mut node = Connection::open(&lost, lab.settings()).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        loop {
            let reply = node.call(&Command::new("CLUSTER").arg("NODES")).unwrap();
            let topology =
                redistrib_ops::model::Topology::parse(reply.view().as_bytes().unwrap()).unwrap();
            if topology.myself().unwrap().slots.is_empty() {
                break;
            }
            assert!(
                std::time::Instant::now() < deadline,
                "{}: the lost master keeps its claim",
                server.name
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }
}

redistrib_ops::on_each_test_server! {
    fn a_master_that_answers_others_is_not_robbed(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let spare = TempLab::nodes(server, 1).unwrap();
        let (nodes, spare) = (lab.endpoints(), &spare.endpoints()[0]);
        let guarded = Command::from_args(["CONFIG", "SET", "requirepass", "other"]);
        Connection::open(&nodes[1], lab.settings()).unwrap().call(&guarded).unwrap();

        let rescued =
            with_context(|context| rescue_cluster(&nodes[0], spare, lab.settings(), context));
        let refused = rescued.unwrap_err().to_string();
        assert!(refused.contains("is alive") && refused.contains("NOAUTH"), "{refused}");
        let options = FixOptions { take_from_silent_masters: true };
        let mut cluster = discover(&lab);
        let planned = with_context(|context| plan_fix(&mut cluster, options, context));
        let refused = planned.unwrap_err().to_string();
        assert!(refused.contains("is alive"), "{refused}");
    }

    fn nodes_of_an_ended_cluster_form_another(server) {
        let lab = TempLab::nodes(server, 1).unwrap();
        let node = &lab.endpoints()[0];
        for _ in 0..2 {
            with_context(|context| start_cluster(node, lab.settings(), context)).unwrap();
            shutdown_cluster(node, lab.settings(), false).unwrap();
        }
    }
}

redistrib_ops::on_each_test_server! {
    fn a_master_without_slots_but_with_keys_does_not_leave(server) {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let fresh = TempLab::nodes(server, 1).unwrap();
        let mut cluster = discover(&lab);
        let node = &fresh.endpoints()[0];
        let id = with_context(|context| add_node(&mut cluster, node, AskedRole::Master, context));
        let (id, owner) = (id.unwrap(), id_of(&lab, 0).to_string());
        let mut stray = Connection::open(node, lab.settings()).unwrap();
        let info = Command::new("CLUSTER").arg("INFO");
        let is_ok = |reply: Reply| reply.view().as_str().unwrap().contains("cluster_state:ok");
        poll("the new node finds the cluster well", || is_ok(stray.call(&info).unwrap()));
        let slot = redistrib_ops::model::Slot::of_key(b"foo").to_string();
        for words in [
            &["CLUSTER", "SETSLOT", &slot, "IMPORTING", &owner][..],
            &["ASKING"],
            &["SET", "foo", "bar"],
            &["CLUSTER", "SETSLOT", &slot, "STABLE"],
        ] {
            stray.call(&Command::from_args(words)).unwrap();
        }
        let mut cluster = discover(&lab);
        let refused = with_context(|context| del_node(&mut cluster, id, context));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("1 key of") && refused.contains("FLUSHALL"), "{refused}");
        assert!(discover(&lab).member(id).is_ok(), "nobody has forgotten it");

        stray.call(&Command::new("FLUSHALL")).unwrap();
        with_context(|context| del_node(&mut cluster, id, context)).unwrap();
        assert!(discover(&lab).member(id).is_err());
    }
}

/// Redis would count the votes that it got a moment ago, and take itself for a master that nobody else does.
#[test]
fn a_replica_that_was_a_master_a_moment_ago_is_voted_for_anew() {
    let lab = TempLab::cluster(&TestServer::named("redis-8.6").unwrap(), 3, 1).unwrap();
    let mut cluster = discover(&lab);
    let master = cluster.masters().next().unwrap().id();
    let replica = cluster.replicas_of(master).next().unwrap().id();
    let (warnings, cancel) = (Warnings::default(), Cancel::new());
    for next in [replica, master, replica] {
        let last = cluster.member(next).unwrap();
        let mut node = Connection::open(last.endpoint(), lab.settings()).unwrap();
        let epoch = last.node().config_epoch;
        poll("it is in step", || {
            let info = node.call(&Command::from_args(["INFO", "replication"])).unwrap();
            info.view().as_str().unwrap().contains("master_link_status:up")
        });
        let failover = Failover::plan(&cluster, next, FailoverMode::Agreed).unwrap();
        failover.apply(&mut cluster, Context::new(&warnings, &cancel)).unwrap();
        let now = cluster.member(next).unwrap().node();
        assert!(now.is_master() && now.config_epoch > epoch, "{now}");
    }
    // It would give up, and be asked again.
    assert_eq!(*warnings.0.lock().unwrap(), Vec::<String>::new());
}

#[test]
fn a_master_without_slots_gets_a_replica_where_all_others_have_one() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::cluster(&server, 3, 1).unwrap();
    let fresh = TempLab::nodes(&server, 2).unwrap();
    let [empty, replica] =
        [(0, AskedRole::Master), (1, AskedRole::Replica)].map(|(index, role)| {
            let node = &fresh.endpoints()[index];
            with_context(|context| add_node(&mut discover(&lab), node, role, context)).unwrap()
        });
    assert_eq!(discover(&lab).member(replica).unwrap().node().master, Some(empty));
}

/// Its own functions would stay with the new master alone; as a replica it gets those of its master.
#[test]
fn a_node_with_functions_becomes_no_master() {
    let server = TestServer::named("redis-7.0").unwrap();
    let lab = TempLab::cluster(&server, 3, 0).unwrap();
    let fresh = TempLab::nodes(&server, 1).unwrap();
    let node = &fresh.endpoints()[0];
    let code = "#!lua name=lib\nredis.register_function('one', function() return 1 end)";
    let load = Command::from_args(["FUNCTION", "LOAD", code]);
    Connection::open(node, lab.settings()).unwrap().call(&load).unwrap();
    let add = |role| with_context(|context| add_node(&mut discover(&lab), node, role, context));
    let refused = add(AskedRole::Master).unwrap_err().to_string();
    assert!(refused.contains("New node already contains functions"), "{refused}");
    assert_eq!(discover(&lab).members().len(), 3, "it has not been met");
    let id = add(AskedRole::Replica).unwrap();
    assert!(discover(&lab).member(id).unwrap().node().master.is_some());
}

/// Functions came with Redis 7: an older server cannot take them, and need not where there are none.
#[test]
fn an_older_server_joins_unless_there_are_functions() {
    let [new, old] = ["redis-7.0", "redis-6.2"].map(|name| TestServer::named(name).unwrap());
    let lab = TempLab::cluster(&new, 3, 0).unwrap();
    let fresh = TempLab::nodes(&old, 1).unwrap();
    let node = &fresh.endpoints()[0];
    let say = |words: &[&str]| {
        for endpoint in lab.endpoints() {
            let mut link = Connection::open(&endpoint, lab.settings()).unwrap();
            link.call(&Command::from_args(words)).unwrap();
        }
    };
    let code = "#!lua name=lib\nredis.register_function('one', function() return 1 end)";
    say(&["FUNCTION", "LOAD", code]);
    let add =
        || with_context(|context| add_node(&mut discover(&lab), node, AskedRole::Master, context));
    let refused = add().unwrap_err().to_string();
    assert!(refused.contains("too old") && refused.contains(&node.to_string()), "{refused}");
    assert_eq!(discover(&lab).members().len(), 3);
    say(&["FUNCTION", "FLUSH"]);
    add().unwrap();
    assert_eq!(discover(&lab).members().len(), 4);
}
