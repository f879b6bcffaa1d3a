//! Every state that an interrupted migration, a lost master or a half-applied SETSLOT can leave, built with raw
//! commands on real servers of all versions, and mended.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::migrate::MigrateOptions;
use redistrib_ops::model::{Finding, NodeId, Severity, Slot, SlotSet};
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{
    Cancel, Cluster, Connection, Context, Endpoint, Error, FixOptions, FixPlan, Settings, Silent,
    fix_migrating, inspect, migrate_slots, replicate, start_cluster,
};

use crate::support;

const KEYS: usize = 12;

/// A cluster of three masters, and a slot of the first with some keys in it.
struct Field {
    lab: TempLab,
    nodes: Vec<Connection>,
    ids: Vec<NodeId>,
    slot: Slot,
}

/// The masters by the part that they play.
const OWNER: usize = 0;
const TARGET: usize = 1;
const OTHER: usize = 2;

impl Field {
    fn new(server: &TestServer) -> Self {
        let lab = TempLab::cluster(server, 3, 0).unwrap();
        let mut nodes: Vec<Connection> = lab
            .endpoints()
            .iter()
            .map(|node| Connection::open(node, lab.settings()).unwrap())
            .collect();
        let ids = nodes
            .iter_mut()
            .map(|node| text(&call(node, &["CLUSTER", "MYID"])).parse().unwrap())
            .collect();
        Self { lab, nodes, ids, slot: Slot::MIN }
    }

    /// Goes on to the next slot and puts keys into it.
    fn next_slot(&mut self, keys: usize) {
        self.slot = Slot::new(self.slot.get() + 1).unwrap();
        for key in 0..keys {
            self.say(OWNER, &["SET", &self.key(key), "value"]);
        }
    }

    fn tag(&self) -> String {
        (0u32..)
            .map(|n| n.to_string())
            .find(|tag| Slot::of_key(tag.as_bytes()) == self.slot)
            .unwrap()
    }

    fn key(&self, number: usize) -> String {
        format!("{{{}}}:{number}", self.tag())
    }

    fn say(&mut self, node: usize, words: &[&str]) -> Reply {
        call(&mut self.nodes[node], words)
    }

    fn set_slot(&mut self, node: usize, what: &str, peer: Option<usize>) {
        let (slot, peer) =
            (self.slot.get().to_string(), peer.map(|peer| self.ids[peer].to_string()));
        let mut words = vec!["CLUSTER", "SETSLOT", &slot, what];
        words.extend(peer.as_deref());
        call(&mut self.nodes[node], &words);
    }

    fn open_both(&mut self) {
        self.set_slot(TARGET, "IMPORTING", Some(OWNER));
        self.set_slot(OWNER, "MIGRATING", Some(TARGET));
    }

    fn move_keys(&mut self, count: usize) {
        let target = self.lab.endpoints()[TARGET].clone();
        let (host, port) = (target.host().to_owned(), target.port().unwrap().to_string());
        for key in 0..count {
            let key = self.key(key);
            self.say(OWNER, &["MIGRATE", &host, &port, &key, "0", "5000"]);
        }
    }

    fn forget_owner(&mut self) {
        let slot = self.slot.get().to_string();
        for node in 0..3 {
            self.say(node, &["CLUSTER", "DELSLOTS", &slot]);
        }
    }

    fn keys_on(&mut self, node: usize) -> usize {
        let slot = self.slot.get().to_string();
        usize::try_from(
            self.say(node, &["CLUSTER", "COUNTKEYSINSLOT", &slot]).view().as_int().unwrap(),
        )
        .unwrap()
    }

    fn discover(&self) -> Cluster {
        Cluster::discover(&self.lab.endpoints()[OTHER], self.lab.settings()).unwrap()
    }

    fn fix(&self, options: FixOptions, replace: bool) -> Result<FixPlan, Error> {
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let mut cluster = self.discover();
        let plan = support::plan_fix(&mut cluster, options, context)?;
        let migration = MigrateOptions { replace, ..MigrateOptions::default() };
        support::fix(&mut cluster, plan, options, &migration, context)
    }

    /// The cluster is well, one master owns the slot, and it alone has all keys.
    fn assert_whole(&mut self, keys: usize, state: &str) {
        let errors = errors(&mut self.discover());
        assert!(errors.is_empty(), "{state}: {errors:?}");
        let cluster = self.discover();
        let owner = cluster.owner(self.slot).unwrap().id();
        let place = self.ids.iter().position(|id| *id == owner).unwrap();
        let found: Vec<usize> = (0..3).map(|node| self.keys_on(node)).collect();
        let mut wanted = vec![0; 3];
        wanted[place] = keys;
        assert_eq!(found, wanted, "{state}: keys on owner, target and the other");
    }
}

/// Waits until the node takes its cluster to be well.
fn serves(node: &mut Connection) {
    support::poll("the cluster comes up", || {
        text(&call(node, &["CLUSTER", "INFO"])).contains("cluster_state:ok")
    });
}

fn call(node: &mut Connection, words: &[&str]) -> Reply {
    node.call(&Command::from_args(words)).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.view().as_bytes().unwrap()).into_owned()
}

fn errors(cluster: &mut Cluster) -> Vec<Finding> {
    let mut findings = inspect(cluster).findings;
    findings.retain(|finding| finding.severity() == Severity::Error && !finding.is_passing());
    findings
}

/// A state: its name, the keys in the slot, and how it comes about.
type State = (&'static str, usize, fn(&mut Field));

const STATES: &[State] = &[
    ("only the source's half, no keys", 0, |field| {
        field.set_slot(OWNER, "MIGRATING", Some(TARGET))
    }),
    ("only the source's half", KEYS, |field| field.set_slot(OWNER, "MIGRATING", Some(TARGET))),
    ("only the target's half", KEYS, |field| field.set_slot(TARGET, "IMPORTING", Some(OWNER))),
    ("both halves, no keys", 0, Field::open_both),
    ("both halves, nothing moved", KEYS, Field::open_both),
    ("both halves, some keys moved", KEYS, |field| {
        field.open_both();
        field.move_keys(KEYS / 2);
    }),
    ("both halves, all keys moved", KEYS, |field| {
        field.open_both();
        field.move_keys(KEYS);
    }),
    ("keys moved, then the source's half closed", KEYS, |field| {
        field.open_both();
        field.move_keys(KEYS / 2);
        field.set_slot(OWNER, "STABLE", None);
    }),
    ("keys moved, then the target's half closed", KEYS, |field| {
        field.open_both();
        field.move_keys(KEYS / 2);
        field.set_slot(TARGET, "STABLE", None);
    }),
    ("committed at the target alone", KEYS, |field| {
        field.open_both();
        field.move_keys(KEYS);
        field.set_slot(TARGET, "NODE", Some(TARGET));
    }),
    ("two nodes import", KEYS, |field| {
        field.open_both();
        field.set_slot(OTHER, "IMPORTING", Some(OWNER));
        field.move_keys(KEYS / 3);
    }),
    ("keys on their way back", KEYS, |field| {
        field.open_both();
        field.move_keys(KEYS / 2);
        field.set_slot(TARGET, "IMPORTING", Some(OTHER));
        let slot = field.slot.get().to_string();
        field.say(OWNER, &["CLUSTER", "DELSLOTS", &slot]);
        field.set_slot(OWNER, "STABLE", None);
        field.set_slot(OWNER, "NODE", Some(TARGET));
        field.set_slot(OWNER, "IMPORTING", Some(OTHER));
    }),
    ("no owner and no keys", 0, Field::forget_owner),
    ("no owner, and the keys where they were", KEYS, Field::forget_owner),
    ("no owner, and keys in two places", KEYS, |field| {
        field.open_both();
        field.move_keys(KEYS / 3);
        field.set_slot(OWNER, "STABLE", None);
        field.set_slot(TARGET, "STABLE", None);
        field.forget_owner();
    }),
];

redistrib_ops::on_each_test_server! {
    fn every_state_is_mended_without_a_key_lost_or_doubled(server) {
        let mut field = Field::new(server);
        for (name, keys, build) in STATES {
            field.next_slot(*keys);
            build(&mut field);
            let state = format!("{}: {name}", server.name);
            let left = field
                .fix(FixOptions::default(), false)
                .unwrap_or_else(|error| panic!("{state}: {error}"));
            assert!(left.repairs.is_empty() && left.blocked.is_empty(), "{state}: {left:?}");
            field.assert_whole(*keys, &state);
        }
    }
}

/// Redis since 8.4 says nothing of keys in slots that are not open, and how many it has beside them changes all the time.
#[test]
fn keys_of_which_a_server_does_not_tell_are_found_beside_writes() {
    let mut field = Field::new(&TestServer::named("redis-8.6").unwrap());
    field.next_slot(KEYS);
    field.open_both();
    field.move_keys(KEYS / 2);
    field.set_slot(TARGET, "STABLE", None);
    let owned = field.discover().member(field.ids[TARGET]).unwrap().node().slots.clone();
    let names = (0u32..).map(|n| format!("new:{n}"));
    let mut names = names.filter(move |name| owned.contains(Slot::of_key(name.as_bytes())));
    let mut client =
        Connection::open(&field.lab.endpoints()[TARGET], field.lab.settings()).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::SeqCst) {
                let some =
                    names.by_ref().take(50).map(|name| Command::from_args(["SET", &name, ""]));
                client.pipeline(&some.collect::<Vec<_>>()).unwrap();
            }
        });
        let left = field.fix(FixOptions::default(), false);
        stop.store(true, Ordering::SeqCst);
        assert!(left.unwrap().repairs.is_empty());
    });
    field.assert_whole(KEYS, "beside writes");
}

redistrib_ops::on_each_test_server! {
    fn a_plan_changes_nothing(server) {
        let mut field = Field::new(server);
        field.next_slot(KEYS);
        field.open_both();
        let before: Vec<Finding> = errors(&mut field.discover());
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let plan = support::plan_fix(&mut field.discover(), FixOptions::default(), context).unwrap();
        assert_eq!(plan.repairs.len(), 1, "{}: {plan:?}", server.name);
        assert_eq!(errors(&mut field.discover()), before, "{}", server.name);
    }
}

redistrib_ops::on_each_test_server! {
    fn of_two_values_of_a_key_none_is_chosen_unless_told(server) {
        let mut field = Field::new(server);
        field.next_slot(KEYS);
        field.open_both();
        let key = field.key(3);
        field.say(TARGET, &["ASKING"]);
        field.say(TARGET, &["SET", &key, "another value"]);

        let refused = field.fix(FixOptions::default(), false).unwrap_err().to_string();
        assert!(refused.contains(&key), "{}: {refused}", server.name);
        assert_eq!(text(&field.say(OWNER, &["GET", &key])), "value", "{}", server.name);

        field.fix(FixOptions::default(), true).unwrap();
        field.assert_whole(KEYS, server.name);
        assert_eq!(text(&field.say(TARGET, &["GET", &key])), "value", "{}", server.name);
    }
}

#[test]
fn slots_are_mended_beside_one_that_waits_for_the_users_word() {
    let mut field = Field::new(&TestServer::named("redis-8.6").unwrap());
    // More than go over at a time, so that some have when the others are stopped.
    for _ in 0..100 {
        field.next_slot(0);
        field.open_both();
    }
    field.next_slot(KEYS);
    field.open_both();
    let (waiting, key) = (field.slot, field.key(3));
    field.say(TARGET, &["ASKING"]);
    field.say(TARGET, &["SET", &key, "another value"]);
    field.next_slot(KEYS);
    field.open_both();
    field.move_keys(KEYS / 2);
    let half_moved = field.slot;
    field.next_slot(KEYS);
    field.open_both();
    field.move_keys(KEYS / 2);
    field.set_slot(OWNER, "STABLE", None);

    let refused = field.fix(FixOptions::default(), false).unwrap_err().to_string();
    assert!(refused.contains(&key), "{refused}");
    for slot in [field.slot, half_moved] {
        field.slot = slot;
        let held: Vec<usize> = (0..3).map(|node| field.keys_on(node)).collect();
        assert!(held.contains(&KEYS), "slot {slot}: {held:?}");
    }
    let open = field.discover().snapshot().open_slots();
    assert!(open.iter().all(|open| open.slots == SlotSet::from_iter([waiting])), "{open:?}");
    field.fix(FixOptions::default(), true).unwrap();
    field.slot = waiting;
    field.assert_whole(KEYS, "after the word");
}

redistrib_ops::on_each_test_server! {
    fn one_node_alone_is_mended_by_its_address(server) {
        let mut field = Field::new(server);
        field.next_slot(KEYS);
        field.open_both();
        field.move_keys(KEYS / 2);
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let target = field.lab.endpoints()[TARGET].clone();
        let mended = fix_migrating(&target, &Settings::default(), context).unwrap();
        assert_eq!(mended.to_string(), field.slot.to_string(), "{}", server.name);
        field.assert_whole(KEYS, server.name);
    }
}

redistrib_ops::on_each_test_server! {
    fn slots_of_a_lost_master_are_taken_only_if_told(server) {
        let field = Field::new(server);
        let lost = field.discover().members().iter().position(|it| it.id() == field.ids[OWNER]);
        assert!(lost.is_some() && field.lab.kill(OWNER));
        let left = field.fix(FixOptions::default(), false).unwrap();
        assert!(left.repairs.is_empty() && !left.blocked.is_empty(), "{}: {left:?}", server.name);

        let taking = FixOptions { take_from_silent_masters: true };
        field.fix(taking, false).unwrap();
        let owner = field.discover().owner(Slot::MIN).unwrap().id();
        assert_ne!(owner, field.ids[OWNER], "{}", server.name);
    }
}

redistrib_ops::on_each_test_server! {
    /// Whichever the cluster names first, the replica that heard the last write becomes the master.
    fn the_replica_with_the_most_writes_takes_over(server) {
        let lab = TempLab::nodes(server, 3).unwrap();
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let nodes = lab.endpoints();
        start_cluster(&nodes[0], lab.settings(), context).unwrap();
        for replica in &nodes[1..] {
            replicate(&nodes[0], replica, lab.settings(), context).unwrap();
        }
        let seed = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
        let master = seed.owner(Slot::MIN).unwrap();
        let place = |node: &Endpoint| lab.endpoints().iter().position(|it| it == node).unwrap();
        let replicas: Vec<usize> =
            seed.replicas_of(master.id()).map(|it| place(it.endpoint())).collect();
        let link = |at: usize| Connection::open(&lab.endpoints()[at], lab.settings()).unwrap();
        let lost = place(master.endpoint());
        let mut writer = link(lost);
        serves(&mut writer);
        call(&mut writer, &["SET", "early", "value"]);
        assert_eq!(call(&mut writer, &["WAIT", "2", "10000"]).view().as_int(), Some(2));
        lab.pause(replicas[0]).unwrap();
        call(&mut writer, &["SET", "late", "value"]);
        assert_eq!(call(&mut writer, &["WAIT", "1", "10000"]).view().as_int(), Some(1));
        assert!(lab.kill(lost));
        // What its master sent has reached the paused one's socket. It must not read that.
        lab.kill(replicas[0]);
        lab.restart(replicas[0]).unwrap();

        let endpoint = &nodes[replicas[0]];
        let mut cluster = Cluster::discover(endpoint, lab.settings()).unwrap();
        let taking = FixOptions { take_from_silent_masters: true };
        let plan = support::plan_fix(&mut cluster, taking, context).unwrap();
        support::fix(&mut cluster, plan, taking, &MigrateOptions::default(), context).unwrap();
        let successor = Cluster::discover(endpoint, lab.settings()).unwrap();
        let successor = successor.owner(Slot::MIN).unwrap().endpoint().clone();
        assert_eq!(place(&successor), replicas[1], "{}", server.name);
    }
}

/// Kills the master of the first slot; answers with its address and another node's.
fn lose_a_master(lab: &TempLab) -> (Endpoint, Endpoint) {
    let cluster = Cluster::discover(&lab.endpoints()[1], lab.settings()).unwrap();
    let lost = cluster.owner(Slot::MIN).unwrap().endpoint().clone();
    let place = lab.endpoints().iter().position(|it| *it == lost).unwrap();
    assert!(lab.kill(place));
    (lost, lab.endpoints()[(place + 1) % 6].clone())
}

fn is_replaced(seed: &Endpoint, lost: &Endpoint, settings: &Settings) -> bool {
    let cluster = Cluster::discover(seed, settings).unwrap();
    cluster.owner(Slot::MIN).is_some_and(|owner| owner.is_up() && owner.endpoint() != lost)
}

redistrib_ops::on_each_test_server! {
    fn the_replica_of_a_lost_master_takes_over(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let (lost, seed) = lose_a_master(&lab);
        let mut cluster = Cluster::discover(&seed, lab.settings()).unwrap();
        let taking = FixOptions { take_from_silent_masters: true };
        let plan = support::plan_fix(&mut cluster, taking, context).unwrap();
        support::fix(&mut cluster, plan, taking, &MigrateOptions::default(), context).unwrap();
        support::poll("another owns the slots of the lost master", || {
            is_replaced(&seed, &lost, lab.settings())
        });
    }
}

/// A server that came up at a lost master's address, and went again, was a stranger to those who looked for the master there:
/// they have given its address up, and never say that it failed.
#[test]
fn a_master_whose_address_was_given_up_is_missed() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 1).unwrap();
    let (cancel, taking) = (Cancel::new(), FixOptions { take_from_silent_masters: true });
    let context = Context::new(&Silent, &cancel);
    let (lost, seed) = lose_a_master(&lab);
    let mut cluster = Cluster::discover(&seed, lab.settings()).unwrap();
    let place = lab.endpoints().iter().position(|it| *it == lost).unwrap();
    std::fs::remove_file(lab.dir().join(lost.port().unwrap().to_string()).join("nodes.conf"))
        .unwrap();
    lab.restart(place).unwrap();
    support::poll("somebody has given the address up", || {
        let mut seed = Connection::open(&seed, lab.settings()).unwrap();
        call(&mut seed, &["CLUSTER", "NODES"]).view().as_str().unwrap().contains("noaddr")
    });
    assert!(lab.kill(place));
    let plan = support::plan_fix(&mut cluster, taking, context).unwrap();
    support::fix(&mut cluster, plan, taking, &MigrateOptions::default(), context).unwrap();
    assert!(is_replaced(&seed, &lost, lab.settings()));
}

redistrib_ops::on_each_test_server! {
    fn a_replica_that_is_elected_meanwhile_is_as_good(server) {
        let lab = TempLab::cluster(server, 3, 1).unwrap();
        let cancel = Cancel::new();
        let context = Context::new(&Silent, &cancel);
        let allow_elections = |allowed: bool| {
            let forbidden = if allowed { "no" } else { "yes" };
            for node in lab.endpoints() {
                let Ok(mut node) = Connection::open(&node, lab.settings()) else { continue };
                call(&mut node, &["CONFIG", "SET", "cluster-replica-no-failover", forbidden]);
            }
        };
        allow_elections(false);
        let (lost, seed) = lose_a_master(&lab);
        let mut cluster = Cluster::discover(&seed, lab.settings()).unwrap();
        let taking = FixOptions { take_from_silent_masters: true };
        let plan = support::plan_fix(&mut cluster, taking, context).unwrap();
        assert_eq!(plan.repairs.len(), 1, "{}", server.name);

        allow_elections(true);
        support::poll("the cluster elects another master", || {
            is_replaced(&seed, &lost, lab.settings())
        });
        support::fix(&mut cluster, plan, taking, &MigrateOptions::default(), context).unwrap();
        assert!(is_replaced(&seed, &lost, lab.settings()), "{}", server.name);
    }
}

/// Where masters have replicas, a repair is through only when these have heard of it, too.
#[track_caller]
fn replicas_agree_at_the_end(server: &TestServer) {
    let lab = TempLab::cluster(server, 3, 1).unwrap();
    let mut cluster = support::discover(&lab);
    let [a, b, _] = support::masters(&cluster)[..] else { panic!() };
    for slot in 0..20 {
        let mut source = support::connect(&lab, &cluster, a);
        let mut target = support::connect(&lab, &cluster, b);
        support::call(&mut target, &format!("CLUSTER SETSLOT {slot} IMPORTING {a}"));
        support::call(&mut source, &format!("CLUSTER SETSLOT {slot} MIGRATING {b}"));
    }
    cluster.refresh();
    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let options = FixOptions::default();
    let plan = support::plan_fix(&mut cluster, options, context).unwrap();
    support::fix(&mut cluster, plan, options, &MigrateOptions::default(), context).unwrap();
    let errors = errors(&mut cluster);
    assert!(errors.is_empty(), "{}: {errors:?}", server.name);
    support::assert_settled(&lab);
}

#[test]
fn replicas_of_redis_agree_at_the_end() {
    for name in ["redis-7.0", "redis-8.2"] {
        replicas_agree_at_the_end(&TestServer::named(name).unwrap());
    }
}

redistrib_ops::on_each_test_server! {
    /// A migration whose target takes no more keys cannot be finished: its keys go back.
    fn where_the_target_is_full_the_keys_go_back(server) {
        let mut field = Field::new(server);
        field.next_slot(KEYS);
        field.open_both();
        field.move_keys(KEYS / 2);
        field.say(TARGET, &["CONFIG", "SET", "maxmemory", "1"]);
        let left = field.fix(FixOptions::default(), false).unwrap();
        assert!(left.repairs.is_empty() && left.blocked.is_empty(), "{}: {left:?}", server.name);
        field.say(TARGET, &["CONFIG", "SET", "maxmemory", "0"]);
        field.assert_whole(KEYS, server.name);
        assert_eq!(field.discover().owner(field.slot).unwrap().id(), field.ids[OWNER]);
    }
}

/// A target does not hear that a replica has taken its source's place: it goes on importing from a node that owns nothing.
fn an_heir_of_the_source_gets_the_keys_back(name: &'static str) {
    let lab = TempLab::cluster(&TestServer::named(name).unwrap(), 3, 1).unwrap();
    let mut cluster = support::discover(&lab);
    support::fill_strings(&mut cluster, 3000);
    let before = support::dumps(&lab);
    let [a, b, _] = support::masters(&cluster)[..] else { panic!() };
    let [mut source, mut target] = [a, b].map(|id| support::connect(&lab, &cluster, id));
    let successor = cluster.replicas_of(a).next().unwrap().id();
    let mut successor = support::connect(&lab, &cluster, successor);
    let port = target.endpoint().port().unwrap();
    for slot in 0..100 {
        support::call(&mut target, &format!("CLUSTER SETSLOT {slot} IMPORTING {a}"));
        support::call(&mut source, &format!("CLUSTER SETSLOT {slot} MIGRATING {b}"));
        let keys = support::call(&mut source, &format!("CLUSTER GETKEYSINSLOT {slot} 1"));
        for key in keys.view().elements() {
            let key = key.as_str().unwrap();
            support::call(&mut source, &format!("MIGRATE 127.0.0.1 {port} {key} 0 5000"));
        }
    }
    support::poll("the replica has its data", || {
        text(&call(&mut successor, &["INFO", "replication"])).contains("master_link_status:up")
    });
    support::call(&mut successor, "CLUSTER FAILOVER");
    support::poll("the old master follows", || {
        text(&call(&mut source, &["INFO", "replication"])).contains("master_link_status:up")
    });
    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let (mut cluster, options) = (support::discover(&lab), FixOptions::default());
    let plan = support::plan_fix(&mut cluster, options, context).unwrap();
    let left =
        support::fix(&mut cluster, plan, options, &MigrateOptions::default(), context).unwrap();
    assert!(left.repairs.is_empty() && left.blocked.is_empty(), "{name}: {left:?}");
    assert!(support::dumps(&lab) == before, "{name}");
    support::assert_settled(&lab);
}

#[test]
fn an_heir_of_the_source_gets_the_keys_back_on_redis() {
    an_heir_of_the_source_gets_the_keys_back("redis-7.0");
}

/// Here the successor has its master's flags.
#[test]
fn an_heir_of_the_source_gets_the_keys_back_on_valkey() {
    an_heir_of_the_source_gets_the_keys_back("valkey-9.1");
}

/// A replica that was down when its master's slot was closed goes on importing it.
fn a_replica_that_kept_a_flag_is_mended(name: &'static str) {
    let lab = TempLab::cluster(&TestServer::named(name).unwrap(), 3, 1).unwrap();
    let cluster = support::discover(&lab);
    let [a, b, _] = support::masters(&cluster)[..] else { panic!() };
    let replica = cluster.replicas_of(b).next().unwrap();
    let place = lab.endpoints().iter().position(|at| at == replica.endpoint()).unwrap();
    let mut master = support::connect(&lab, &cluster, b);
    let imports = |lab: &TempLab| {
        let node = Connection::open(&lab.endpoints()[place], lab.settings());
        node.is_ok_and(|mut node| text(&call(&mut node, &["CLUSTER", "NODES"])).contains("[7-<-"))
    };
    support::call(&mut master, &format!("CLUSTER SETSLOT 7 IMPORTING {a}"));
    support::poll("the replica imports, too", || imports(&lab));
    assert!(lab.kill(place));
    support::poll("the master has lost it", || {
        text(&call(&mut master, &["INFO", "replication"])).contains("connected_slaves:0")
    });
    support::call(&mut master, "CLUSTER SETSLOT 7 STABLE");
    lab.restart(place).unwrap();
    support::poll("the replica is back", || {
        text(&call(&mut master, &["INFO", "replication"])).contains("state=online")
    });
    assert!(imports(&lab), "{name}: nothing to mend");

    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let (mut cluster, options) = (support::discover(&lab), FixOptions::default());
    let plan = support::plan_fix(&mut cluster, options, context).unwrap();
    assert_eq!(plan.repairs.len(), 1, "{name}: {plan:?}");
    let left =
        support::fix(&mut cluster, plan, options, &MigrateOptions::default(), context).unwrap();
    assert!(left.repairs.is_empty() && !imports(&lab), "{name}: {left:?}");
}

#[test]
fn replicas_of_valkey_that_kept_a_flag_are_mended() {
    a_replica_that_kept_a_flag_is_mended("valkey-8.1");
    a_replica_that_kept_a_flag_is_mended("valkey-9.1");
}

/// A source that gives its last slots away follows their new owner, and takes no SETSLOT for others any more.
#[test]
fn a_source_that_becomes_a_replica_keeps_no_flag() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 1).unwrap();
    let cluster = support::discover(&lab);
    let [a, b, _] = support::masters(&cluster)[..] else { panic!() };
    let ends = [a, b].map(|id| cluster.member(id).unwrap().endpoint().clone());
    let slots: SlotSet = (0..5459).map(|slot| Slot::new(slot).unwrap()).collect();
    migrate_slots(&ends[0], &ends[1], &slots, lab.settings(), Context::default()).unwrap();
    let [mut source, mut target] = [a, b].map(|id| support::connect(&lab, &cluster, id));
    for slot in [5459, 5460] {
        support::call(&mut target, &format!("CLUSTER SETSLOT {slot} IMPORTING {a}"));
        support::call(&mut source, &format!("CLUSTER SETSLOT {slot} MIGRATING {b}"));
    }
    support::call(&mut target, &format!("CLUSTER SETSLOT 5459 NODE {b}"));
    support::poll("the source has heard who owns the slot, and kept its flag", || {
        let told = text(&call(&mut source, &["CLUSTER", "NODES"]));
        let own = told.lines().find(|line| line.contains("myself")).unwrap();
        own.contains(" 5460 [5459->-")
    });

    let mut cluster = support::discover(&lab);
    let options = FixOptions::default();
    let plan = support::plan_fix(&mut cluster, options, Context::default()).unwrap();
    assert_eq!(plan.repairs.len(), 2, "{plan:?}");
    let migration = MigrateOptions::default();
    let left = support::fix(&mut cluster, plan, options, &migration, Context::default()).unwrap();
    assert!(left.is_empty(), "{left:?}");
    assert!(errors(&mut support::discover(&lab)).is_empty());
}
