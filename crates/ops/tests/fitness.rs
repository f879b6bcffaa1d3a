//! Ends of a migration that are not fit for it: refused before anything changes, each named with its remedy.

use std::sync::Mutex;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::migrate::{MigrateOptions, obstacles};
use redistrib_ops::model::fitness::Unfit;
use redistrib_ops::model::plan::fix::RepairReason;
use redistrib_ops::model::{Finding, Move, NodeId, ServerInfo, Slot, counted};
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Cluster, Connection, Context, Error, Event, FixOptions, FixPlan, Observer, Silent,
};

use crate::support::*;

const KEYS: usize = 3000;

fn lab(server: &'static str) -> TempLab {
    TempLab::cluster(&TestServer::named(server).unwrap(), 3, 0).unwrap()
}

/// All nodes see the same owners, and no slot is open; what else is wrong is what the test has done.
fn assert_closed(lab: &TempLab) {
    let mut findings = redistrib_ops::inspect(&mut discover(lab)).findings;
    findings.retain(|it| matches!(it, Finding::OpenSlots(_) | Finding::Disagreement { .. }));
    assert_eq!(findings, []);
}

/// A move that is refused for one reason, with nothing lost, nothing open and nothing moved.
fn refused(lab: &TempLab, end: usize, unsettle: impl FnOnce(&mut Connection)) -> Unfit {
    let mut cluster = discover(lab);
    fill_strings(&mut cluster, KEYS);
    let before = dumps(lab);
    let ids = masters(&cluster);
    unsettle(&mut connect(lab, &cluster, ids[end]));
    let moves = [step(&cluster, ids[0], ids[1], "0-2000")];
    let error = move_slots(&mut cluster, &moves, &MigrateOptions::default()).unwrap_err();
    let Error::Unfit(found) = error else { panic!("{error}") };
    let [obstacle] = &found[..] else { panic!("{found:?}") };
    assert_eq!(obstacle.node.id, ids[end]);
    assert_eq!(masters(&discover(lab)), ids);
    assert!(dumps(lab) == before, "keys were lost");
    assert_closed(lab);
    obstacle.what.clone()
}

/// A folder stands where the snapshot is to be.
fn let_saving_fail(node: &mut Connection) {
    node.call(&Command::from_args(["CONFIG", "SET", "save", "3600 1"])).unwrap();
    let folder = call(node, "CONFIG GET dir");
    let folder = folder.view().elements().nth(1).unwrap().as_str().unwrap().to_owned();
    std::fs::create_dir(format!("{folder}/dump.rdb")).unwrap();
    call(node, "BGSAVE");
    poll("the snapshot has failed", || {
        call(node, "INFO persistence").view().as_str().unwrap().contains("bgsave_status:err")
    });
}

fn replicas_are_missing(server: &'static str) {
    let wish = |node: &mut Connection| drop(call(node, "CONFIG SET min-replicas-to-write 1"));
    assert_eq!(refused(&lab(server), 1, wish), Unfit::TooFewReplicas { good: 0, needed: 1 });
}

#[test]
fn a_target_that_lacks_its_replicas_is_refused_on_redis() {
    replicas_are_missing("redis-8.6");
}

#[test]
fn a_target_that_lacks_its_replicas_is_refused_on_valkey() {
    replicas_are_missing("valkey-9.1");
}

#[test]
fn a_target_that_could_not_save_is_refused_on_redis() {
    assert_eq!(refused(&lab("redis-8.6"), 1, let_saving_fail), Unfit::CannotSave);
}

#[test]
fn a_target_that_could_not_save_is_refused_on_valkey() {
    assert_eq!(refused(&lab("valkey-9.1"), 1, let_saving_fail), Unfit::CannotSave);
}

#[test]
fn a_source_that_could_not_save_is_refused() {
    assert_eq!(refused(&lab("redis-7.0"), 0, let_saving_fail), Unfit::CannotSave);
}

#[test]
fn a_target_without_memory_is_refused() {
    let lab = lab("redis-8.6");
    let shrink = |node: &mut Connection| {
        call(node, "CONFIG SET maxmemory-policy noeviction");
        call(node, "CONFIG SET maxmemory 1000000");
    };
    assert!(matches!(refused(&lab, 1, shrink), Unfit::NoMemory { most: 1_000_000, .. }));
}

/// One cluster of two kinds of servers, whose ids are returned: the first owns all slots that the second does not, but
/// for one, which is another's of its kind.
fn pair(
    first: &'static str,
    second: &'static str,
    of_second: &str,
) -> ([TempLab; 2], Cluster, [NodeId; 2]) {
    let up = |name, nodes| TempLab::nodes(&TestServer::named(name).unwrap(), nodes).unwrap();
    let labs = [up(first, 2), up(second, 1)];
    let open = |lab: &TempLab, place| Connection::open(&lab.endpoints()[place], lab.settings());
    let mut nodes = [open(&labs[0], 0), open(&labs[1], 0), open(&labs[0], 1)].map(Result::unwrap);
    let ids: Vec<NodeId> =
        nodes.iter_mut().map(|node| text(node, "CLUSTER MYID").parse().unwrap()).collect();
    let last = if of_second.is_empty() { 16382 } else { 16381 };
    let all = (0..=last).map(|slot| slot.to_string()).collect::<Vec<_>>().join(" ");
    call(&mut nodes[0], &format!("CLUSTER ADDSLOTS {all}"));
    call(&mut nodes[2], &format!("CLUSTER ADDSLOTS {}", last + 1));
    if !of_second.is_empty() {
        call(&mut nodes[1], &format!("CLUSTER ADDSLOTS {of_second}"));
    }
    for (epoch, node) in (1..).zip(&mut nodes) {
        call(node, &format!("CLUSTER SET-CONFIG-EPOCH {epoch}"));
    }
    for other in [labs[1].endpoints()[0].clone(), labs[0].endpoints()[1].clone()] {
        let port = other.port().unwrap();
        call(&mut nodes[0], &format!("CLUSTER MEET {} {port}", other.host()));
    }
    poll("all know each other and are well", || {
        nodes.iter_mut().all(|node| {
            let info = text(node, "CLUSTER INFO");
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
    });
    call(&mut nodes[0], "SET key value");
    let cluster = discover(&labs[0]);
    (labs, cluster, [ids[0], ids[1]])
}

fn text(node: &mut Connection, line: &str) -> String {
    call(node, line).view().as_str().unwrap().to_owned()
}

/// Neither a migration nor the fix of one that somebody else began sends a target what it cannot read.
fn cannot_read(first: &'static str, second: &'static str, of_second: &str) {
    let ([lab, _other], mut cluster, [from, to]) = pair(first, second, of_second);
    let moves = [Move { from, to, slots: "0-9".parse().unwrap() }];
    let error = move_slots(&mut cluster, &moves, &MigrateOptions::default()).unwrap_err();
    let Error::Unfit(found) = error else { panic!("{error}") };
    assert!(
        matches!(&found[..], [only] if matches!(only.what, Unfit::CannotRead { .. })),
        "{found:?}"
    );

    let slot = Slot::of_key(b"key");
    let (mut source, mut target) = (connect(&lab, &cluster, from), connect(&lab, &cluster, to));
    call(&mut target, &format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
    call(&mut source, &format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));
    // A client that was sent on.
    call(&mut target, "ASKING");
    call(&mut target, "SET {key}2 value");
    cluster.refresh();
    let cancel = Cancel::new();
    let (context, options) = (Context::new(&Silent, &cancel), FixOptions::default());
    let plan = plan_fix(&mut cluster, options, context).unwrap();
    assert_eq!(plan.repairs[0].reason, RepairReason::TargetUnfit, "{plan:?}");
    let left = fix(&mut cluster, plan, options, &MigrateOptions::default(), context).unwrap();
    assert_eq!(left, FixPlan::default());
    assert_closed(&lab);
    for key in ["key", "{key}2"] {
        assert_eq!(text(&mut source, &format!("GET {key}")), "value", "{key}");
    }
}

#[test]
fn a_target_that_reads_only_older_values_is_refused() {
    for [first, second] in
        [["redis-8.6", "redis-8.2"], ["redis-8.2", "redis-7.0"], ["valkey-9.1", "valkey-8.1"]]
    {
        cannot_read(first, second, "16383");
    }
}

#[test]
fn a_target_that_reads_only_older_values_is_refused_where_it_owns_no_slot() {
    cannot_read("redis-8.6", "redis-6.2", "");
    cannot_read("redis-8.6", "redis-7.0", "");
}

#[test]
fn a_target_that_reads_the_values_is_fit_and_the_key_that_was_tried_is_not_there() {
    let (labs, mut cluster, [from, to]) = pair("redis-7.0", "redis-8.6", "16383");
    let moves = [Move { from, to, slots: "0-9".parse().unwrap() }];
    assert_eq!(obstacles(&mut cluster, &moves), []);
    let mut target = Connection::open(&labs[1].endpoints()[0], labs[1].settings()).unwrap();
    assert_eq!(call(&mut target, "DBSIZE").view().as_int(), Some(0));
}

/// A target that throws keys away where others refuse them is refused as they are.
#[test]
fn a_target_that_would_evict_keys_is_refused() {
    let shrink = |node: &mut Connection| {
        // It throws away none of those that it has: they do not expire.
        call(node, "CONFIG SET maxmemory-policy volatile-lru");
        call(node, "CONFIG SET maxmemory 1000000");
    };
    let evicts = |what| matches!(what, Unfit::WouldEvict { most: 1_000_000, .. });
    assert!(evicts(refused(&lab("valkey-9.1"), 1, shrink)));
}

/// Leaves a target little room when the first keys have gone over.
struct Shrinks(Mutex<Option<Connection>>, Warnings);

impl Observer for Shrinks {
    fn event(&self, event: &Event) {
        if matches!(event, Event::KeysMoved { .. })
            && let Some(mut target) = self.0.lock().unwrap().take()
        {
            let memory = call(&mut target, "INFO memory");
            let used = ServerInfo::parse(memory.as_str().unwrap()).number("used_memory").unwrap();
            call(&mut target, "CONFIG SET maxmemory-policy allkeys-random");
            call(&mut target, &format!("CONFIG SET maxmemory {}", used + 100_000));
        }
        self.1.event(event);
    }
}

/// Where a target begins to throw keys away meanwhile, it is told how many.
#[test]
fn keys_that_a_target_evicts_are_told() {
    let lab = lab("redis-7.0");
    let mut cluster = discover(&lab);
    let value = "x".repeat(2000);
    fill(&mut cluster, (0..KEYS).map(|n| Command::new("SET").arg(format!("key:{n}")).arg(&value)));
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let mut target = connect(&lab, &cluster, b);
    let observer = Shrinks(Mutex::new(Some(connect(&lab, &cluster, b))), Warnings::default());
    let moves = [step(&cluster, a, b, "0-5000")];
    let options = MigrateOptions::default();
    move_slots_with(&mut cluster, &moves, &options, &observer, &Cancel::new()).unwrap();
    let stats = call(&mut target, "INFO stats");
    let evicted = ServerInfo::parse(stats.as_str().unwrap()).number("evicted_keys").unwrap();
    let seen = observer.1.0.lock().unwrap();
    let told =
        |warning: &String| warning.contains(&format!("has evicted {}", counted(evicted, "key")));
    assert!(evicted > 0 && seen.iter().any(told), "{evicted} keys: {seen:?}");
}

/// Takes away what a target needs as soon as the first slots have moved.
struct Unsettles<'a>(&'a TempLab, NodeId);

impl Observer for Unsettles<'_> {
    fn event(&self, event: &Event) {
        if let Event::PairFinished { .. } = event {
            let mut target = connect(self.0, &discover(self.0), self.1);
            call(&mut target, "CONFIG SET min-replicas-to-write 1");
        }
    }
}

#[test]
fn a_target_that_is_fit_no_more_takes_no_more_slots() {
    let lab = lab("redis-8.6");
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, KEYS);
    let before = dumps(&lab);
    let [a, b, c] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0-100"), step(&cluster, c, b, "16000-16383")];
    let (observer, cancel) = (Unsettles(&lab, b), Cancel::new());
    let options = MigrateOptions::default();
    let ended = move_slots_with(&mut cluster, &moves, &options, &observer, &cancel);
    assert!(matches!(ended, Err(Error::Unfit(_))), "{ended:?}");
    assert!(dumps(&lab) == before);
    assert_closed(&lab);
}
