//! The whole list of verbs on servers of every version: each used rightly and wrongly, in every dialect that spells it
//! in its own way. What one part of the walk leaves behind the next begins with.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::Command;

use redistrib_benches::load::Dice;
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::on_each_test_server;

use crate::support::{Run, becomes_well, program, trib};

const NOBODY: &str = "0123456789012345678901234567890123456789";

on_each_test_server! {
    fn redis_clis_verbs_from_create_to_import(server) {
        let field = Field::new(server, 6);
        creating(&field);
        looking(&field);
        telling_all(&field);
        resharding(&field);
        rebalancing(&field);
        fixing(&field);
        adding(&field);
        deleting(&field);
        importing(&field);
    }

    fn redis_trib_pys_verbs_from_start_to_shutdown(server) {
        let field = Field::new(server, 6);
        starting(&field);
        joining(&field);
        migrating(&field);
        leaving(&field);
        rescuing(&field);
    }
}

/// Servers in cluster mode that know nobody yet, and one that is not in cluster mode.
struct Field {
    lab: TempLab,
    nodes: Vec<String>,
    plain: String,
    _plain: TempLab,
}

impl Field {
    fn new(server: &TestServer, nodes: usize) -> Self {
        let (lab, plain) =
            (TempLab::nodes(server, nodes).unwrap(), TempLab::plain(server, 1).unwrap());
        let nodes = lab.endpoints().iter().map(ToString::to_string).collect();
        Self { nodes, plain: plain.endpoints()[0].to_string(), lab, _plain: plain }
    }
}

/// Runs a line, its words parted by blanks, under the name of redis-cli where it begins with that.
fn run(line: &str) -> Run {
    let mut words = line.split_whitespace().peekable();
    let mut command = program();
    if let Some(name) = words.next_if(|word| matches!(*word, "redis-cli" | "valkey-cli")) {
        command.arg0(name);
    }
    command.args(words).output().unwrap().into()
}

#[track_caller]
fn right(line: impl AsRef<str>, shown: &[&str]) -> Run {
    run(line.as_ref()).expect(0).shows(shown)
}

/// The peers complain on standard output.
#[track_caller]
fn wrong(line: impl AsRef<str>, complaint: &[&str]) {
    let run = run(line.as_ref()).expect(1);
    match line.as_ref().starts_with("redis-cli") {
        true => run.shows(complaint),
        false => run.complains(complaint),
    };
}

fn id(node: &str) -> String {
    right(format!("exec {node} CLUSTER MYID"), &[]).stdout.trim().to_owned()
}

/// How many slots the nodes of a cluster own, as `list` tells it.
fn slots<const N: usize>(nodes: [&str; N]) -> [u64; N] {
    let told = right(format!("list {} --json", nodes[0]), &[]).stdout;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    nodes.map(|address| {
        let mut listed = told["nodes"].as_array().unwrap().iter();
        let node = listed.find(|node| node["address"] == address);
        node.map_or(0, |node| node["slot_count"].as_u64().unwrap())
    })
}

fn is_well(seed: &str) {
    becomes_well(seed);
    right(format!("check {seed}"), &["[OK] All nodes agree", "[OK] All 16384 slots covered."]);
}

/// Makes a node that has left a cluster a stranger to it.
fn renew(node: &str) {
    right(format!("exec {node} CLUSTER RESET HARD"), &["OK"]);
}

fn creating(field: &Field) {
    let [a, b, c, ..] = field.nodes.as_slice() else { unreachable!() };
    let plain = &field.plain;
    wrong(format!("create {a} {b}"), &["Not without a yes"]);
    wrong(format!("create {a} {b} {plain} --yes"), &[plain, "not in cluster mode"]);
    wrong(format!("create {a} {b} {a} --yes"), &[a, "twice"]);
    wrong(
        format!("redis-cli --cluster create {a} {b} {c} --cluster-replicas 3 --cluster-yes"),
        &["at least 4 nodes"],
    );
    right(format!("create {a} {b} {c} --dry-run"), &["Master[2] -> Slots 10923 - 16383"]);
    right(
        format!("redis-cli --cluster create {a} {b} {c} --cluster-replicas 0 --cluster-yes"),
        &[">>> Performing hash slots allocation on 3 nodes...", "[OK] All 16384 slots covered."],
    );
    // The same command again finds it done; another layout is another cluster.
    right(format!("create {a} {b} {c} --yes"), &["already", "[OK] All 16384 slots covered."]);
    wrong(format!("create {a} {b} --yes"), &["is not empty", "redis-trib quit"]);
    is_well(c);
}

fn looking(field: &Field) {
    let [a, b, ..] = field.nodes.as_slice() else { unreachable!() };
    let (host, port) = b.split_once(':').unwrap();
    for line in [
        format!("check {a}"),
        format!("check {host} {port}"),
        format!("check --search-multiple-owners {a}"),
        format!("--cluster check {a} --cluster-search-multiple-owners"),
    ] {
        right(line, &["[OK] 0 keys in 3 masters.", "M: ", "[OK] All 16384 slots covered."]);
    }
    right(
        format!("valkey-cli --cluster check {host} {port}"),
        &["[OK] 0 keys in 3 primaries.", "M: ", "[OK] All 16384 slots covered."],
    );
    for line in [format!("info {a}"), format!("redis-cli -h {host} -p {port} --cluster info")] {
        right(line, &[b, "5462 slots | 0 slaves.", "[OK] 0 keys in 3 masters."]);
    }
    for line in [format!("list {a}"), format!("list --addr {a}")] {
        right(line, &["Total 3 nodes, 3 masters, 0 fail", "[5461-10922]"]);
    }
    for verb in ["check", "info", "list"] {
        wrong(format!("{verb} {}", field.plain), &[&field.plain, "not in cluster mode"]);
        wrong(format!("{verb} 127.0.0.1:1"), &["127.0.0.1:1: cannot connect"]);
    }
}

fn telling_all(field: &Field) {
    let [a, ..] = field.nodes.as_slice() else { unreachable!() };
    for line in [
        format!("call {a} PING"),
        format!("call --only-masters {a} PING"),
        format!("execute --addr {a} --master-only PING"),
        format!("redis-cli --cluster call {a} PING --cluster-only-masters"),
        format!("valkey-cli --cluster call {a} PING --cluster-only-primaries"),
    ] {
        assert_eq!(right(&line, &[]).stdout.matches(": PONG\n").count(), 3, "{line}");
    }
    let none = right(format!("--cluster call {a} PING --cluster-only-replicas"), &[]).stdout;
    assert!(!none.contains("PONG"), "{none}");
    run(&format!("call {a} NOSUCH")).expect(1).shows(&["ERR unknown command"]);

    right(format!("set-timeout {a} 3000"), &["*** New timeout set for ", "3 OK, 0 ERR."]);
    right(format!("call {a} CONFIG GET cluster-node-timeout"), &["3000\n", "3000\n", "3000\n"]);
    right(format!("redis-cli --cluster set-timeout {a} 2000"), &["3 OK, 0 ERR."]);
    run(&format!("set-timeout {a} 99")).expect(2);
    run(&format!("set-timeout {a} 99 --dry-run")).expect(2);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    right(format!("--cluster backup {a} {path}"), &["[OK] Backup created into: "]);
    let files = std::fs::read_dir(path).unwrap().count();
    assert_eq!(files, 5, "an RDB file for each master, nodes.json and the manifest");
    for file in std::fs::read_dir(path).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "nobody else may read it");
    }
    wrong(format!("redis-cli --cluster backup {a} {path}/none"), &["none", "does not exist"]);
    right(format!("backup {a} {path}/none"), &["[OK] Backup created into: "]);
    // Whoever has no room learns where it is missing. What is neither small nor alike is written while it arrives.
    let mut dice = Dice::new(1);
    let noise: String = (0..50_000).map(|_| char::from(b'a' + dice.below(26) as u8)).collect();
    trib(&["exec", "-c", a, "SET", "noise", &noise]).expect(0);
    let line = format!("trap '' XFSZ; ulimit -f 0; exec \"$0\" backup {a} {path}/full");
    let full = Command::new("sh").args(["-c", &line, env!("CARGO_BIN_EXE_redis-trib")]).output();
    let told = String::from_utf8_lossy(&full.unwrap().stderr).into_owned();
    assert!(told.contains(&format!("{path}/full/")) && told.contains("File too large"), "{told}");
    trib(&["exec", "-c", a, "DEL", "noise"]).expect(0);
}

fn resharding(field: &Field) {
    let [a, b, c, ..] = field.nodes.as_slice() else { unreachable!() };
    let [from, to] = [id(a), id(b)];
    right(format!("exec -c {a} SET foo bar"), &["OK"]);
    right(
        format!("reshard {a} --from {from} --to {to} --slots 100 --yes"),
        &["Ready to move 100 slots.", "[OK] Moved 100 slots"],
    );
    right(
        format!(
            "redis-cli --cluster reshard {c} --cluster-from all --cluster-to {from} --cluster-slots 50 --cluster-yes \
             --cluster-pipeline 20 --cluster-timeout 5000 --cluster-replace"
        ),
        &["Ready to move 50 slots.", "Moving slot "],
    );
    atomic_where_servers_cannot(a, &from, &to);
    // 25 of 5562 slots and 25 of 5461, by their proportion.
    assert_eq!(slots([a, b, c]), [5411, 5536, 5437]);
    wrong(format!("reshard {a} --from {from} --to {from} --slots 1 --yes"), &["target"]);
    run(&format!("reshard {a} --from {from} --to {to} --slots 9999 --dry-run"))
        .expect(0)
        .shows(&["9999 slots are wanted, and the sources own 5411", "Ready to move 5411 slots."]);
    wrong(format!("reshard {a} --from all --to {NOBODY} --slots 1 --yes"), &[NOBODY, "not known"]);
    wrong(format!("--cluster reshard {a} --cluster-to {to}"), &["nobody answers"]);
    right(format!("exec -c {a} GET foo"), &["bar"]);
    is_well(a);
}

/// Where the servers have no atomic migration, valkey-cli's flag for it is an error that moves nothing. valkey-cli moves
/// nothing either, and exits with 0.
fn atomic_where_servers_cannot(seed: &str, from: &str, to: &str) {
    let help = right(format!("exec {seed} CLUSTER HELP"), &[]).stdout;
    if help.contains("MIGRATESLOTS") || help.contains("MIGRATION") {
        return;
    }
    let line = format!(
        "valkey-cli --cluster reshard {seed} --cluster-from {from} --cluster-to {to} --cluster-slots 1 --cluster-yes \
         --cluster-use-atomic-slot-migration"
    );
    run(&line).expect(1).shows(&[
        "do not both know atomic slot migration",
        "leave --cluster-atomic at auto, and --cluster-use-atomic-slot-migration out",
    ]);
}

fn rebalancing(field: &Field) {
    let [a, b, c, ..] = field.nodes.as_slice() else { unreachable!() };
    let short = &id(c)[..12];
    right(format!("rebalance {a} --simulate --threshold 0"), &["Total weight = 3.00", "Moving "]);
    right(format!("rebalance {a} --threshold 0"), &["Total weight = 3.00", "[OK] Moved "]);
    right(format!("rebalance {a}"), &["*** No rebalancing needed!"]);
    right(
        format!(
            "valkey-cli --cluster rebalance {a} --cluster-weight {short}=2 --cluster-use-empty-primaries"
        ),
        &["Total weight = 4.00", "Moving "],
    );
    assert_eq!(slots([a, b, c]), [4096, 4096, 8192]);
    for what in ["--auto-weights", "--by slots"] {
        right(format!("rebalance {a} {what} --simulate"), &["Total weight = 3.00", "Moving "]);
    }
    // Of a single key there is nothing to share.
    for what in ["keys", "memory"] {
        right(format!("rebalance {a} --by {what} --simulate"), &["No rebalancing needed!"]);
    }
    run(&format!("rebalance {a} --by luck")).expect(2);
    wrong(format!("rebalance {a} --weight zz=1"), &["no such master node zz"]);
    run(&format!("rebalance {a} --weight {short}=-1")).expect(2);
}

fn fixing(field: &Field) {
    let [a, b, ..] = field.nodes.as_slice() else { unreachable!() };
    let slot = right(format!("exec {a} CLUSTER KEYSLOT foo"), &[]).stdout;
    let slot = slot.trim();
    let owner =
        field.nodes.iter().find(|node| run(&format!("exec {node} GET foo")).stdout.trim() == "bar");
    let owner = owner.unwrap();
    let other = if owner == b { a } else { b };
    for line in [
        format!("fix {a}"),
        format!("fix --addr {a}"),
        format!(
            "redis-cli --cluster fix {a} --cluster-search-multiple-owners --cluster-timeout 5000"
        ),
        format!("valkey-cli --cluster fix {a} --cluster-fix-with-unreachable-primaries"),
    ] {
        right(format!("exec {owner} CLUSTER SETSLOT {slot} MIGRATING {}", id(other)), &["OK"]);
        run(&format!("check {a}")).expect(1).shows(&[&format!("slots are open: {slot}.")]);
        right(format!("fix {a} --dry-run"), &[&format!("*** slot {slot}: ")]);
        let repair = match line.starts_with("fix") {
            true => format!("*** slot {slot}: "),
            false => format!(">>> Fixing open slot {slot}\n"),
        };
        right(line, &[&repair, "[OK] All 16384 slots covered."]);
    }
    right(format!("fix {a}"), &["[OK] Nothing to mend."]);
    right(format!("exec {owner} GET foo"), &["bar"]);
    wrong(format!("fix {}", field.plain), &["not in cluster mode"]);
}

fn adding(field: &Field) {
    let [a, b, _, d, e, f] = field.nodes.as_slice() else { unreachable!() };
    let (plain, master) = (&field.plain, id(b));
    wrong(format!("add-node {plain} {a}"), &[plain, "not in cluster mode"]);
    wrong(format!("add-node {d} {a} --replica --master-id {NOBODY}"), &[NOBODY]);
    right(format!("add-node {d} {a} --dry-run"), &["would become an empty master"]);
    right(format!("add-node {d} {a}"), &[">>> Adding node ", "[OK] New node added correctly."]);
    right(format!("add-node {d} {a}"), &["is a member of the cluster already", "[OK] New node"]);
    right(
        format!(
            "redis-cli --cluster add-node {e} {a} --cluster-slave --cluster-master-id {master}"
        ),
        &["[OK] New node added correctly."],
    );
    right(
        format!("add_node --new-addr {f} --existing-addr {a} --slave"),
        &["Automatically selected master ", "[OK] New node added correctly."],
    );
    right(format!("list {a}"), &["Total 6 nodes, 4 masters, 0 fail"]);
    right(format!("list {e}"), &["S "]);
    let told = right(format!("list {a} --json"), &[]).stdout;
    let told: serde_json::Value = serde_json::from_str(&told).unwrap();
    let replica = told["nodes"].as_array().unwrap().iter().find(|it| it["address"] == e.as_str());
    assert_eq!(replica.unwrap()["master"], master);
}

fn deleting(field: &Field) {
    let [a, b, c, d, e, f] = field.nodes.as_slice() else { unreachable!() };
    wrong(format!("del-node {a} {}", id(b)), &["is not empty", "4096 slots", "--drain"]);
    wrong(format!("redis-cli --cluster del-node {a} {NOBODY}"), &["No such node ID", NOBODY]);
    right(
        format!("redis-cli --cluster del-node {a} {}", id(d)),
        &["CLUSTER RESET SOFT", "CLUSTER FORGET"],
    );
    right(format!("del_node --addr {e}"), &["CLUSTER FORGET"]);
    right(format!("list {a}"), &["Total 4 nodes, 3 masters, 0 fail"]);
    right(format!("del-node {a} {} --drain --dry-run", id(b)), &["Moving "]);
    right(format!("del-node {a} {} --drain", id(b)), &["[OK] Node ", "removed from the cluster."]);
    assert_eq!(slots([a, c, b, d, e]), [8192, 8192, 0, 0, 0]);
    right(format!("exec {b} CLUSTER INFO"), &["cluster_known_nodes:1"]);
    right(format!("list {a}"), &["Total 3 nodes, 2 masters, 0 fail", f]);
    is_well(a);
}

fn importing(field: &Field) {
    let [a, ..] = field.nodes.as_slice() else { unreachable!() };
    let plain = &field.plain;
    for key in ["foo", "k1", "k2"] {
        right(format!("exec {plain} SET {key} theirs"), &["OK"]);
    }
    right(format!("import {a} --from {plain} --dry-run"), &["3 keys looked at"]);
    let line = format!("redis-cli --cluster import {a} --cluster-from {plain} --cluster-copy");
    run(&line).expect(1).shows(&["*** Importing 3 keys from DB 0", "1 key was not copied", "foo"]);
    right(format!("exec -c {a} GET foo"), &["bar"]);
    right(format!("{line} --cluster-replace"), &["[OK] "]);
    right(format!("exec -c {a} GET foo"), &["theirs"]);
    right(format!("import --from {plain} {a}"), &["3 were removed from the source"]);
    right(format!("exec {plain} DBSIZE"), &["0"]);
    wrong(format!("import {a} --from 127.0.0.1:1"), &["127.0.0.1:1: cannot connect"]);
    wrong(format!("import {plain} --from {plain}"), &["not in cluster mode"]);
    right(format!("exec {plain} CONFIG SET requirepass theirs"), &["OK"]);
    wrong(format!("import {a} --from {plain} --copy"), &["NOAUTH"]);
    wrong(format!("import {a} --from {plain} --from-pass other --no-auth-warning"), &["WRONGPASS"]);
    let login = "--from-user default --from-pass theirs";
    right(format!("import {a} --from {plain} {login} --copy"), &["Copied 0 keys"]);
}

fn starting(field: &Field) {
    let [a, .., e, f] = field.nodes.as_slice() else { unreachable!() };
    wrong(format!("start {}", field.plain), &["not in cluster mode"]);
    right(format!("start {a}"), &["[OK] All 16384 slots covered."]);
    right(format!("start {a}"), &["already", "[OK] All 16384 slots covered."]);
    wrong(format!("start_multi {e} {a}"), &[a, "is not empty"]);
    right(format!("start_multi {e} {f}"), &["[OK] All 16384 slots covered."]);
    assert_eq!(slots([a, e, f]), [16384, 0, 0]);
    assert_eq!(slots([e, f]), [8192, 8192]);
}

fn joining(field: &Field) {
    let [a, b, c, d, e, _] = field.nodes.as_slice() else { unreachable!() };
    right(format!("join {a} {b}"), &["[OK] Moved 8192 slots"]);
    // As after a join that was interrupted.
    right(format!("join {a} {b}"), &["[OK] Moved 0 slots"]);
    assert_eq!(slots([a, b]), [8192, 8192]);
    right(format!("join_no_load {a} {c}"), &["[OK] New node added"]);
    right(format!("replicate --master-addr {b} --slave-addr {d}"), &["[OK] New node added"]);
    right(format!("list {a}"), &["Total 4 nodes, 3 masters, 0 fail"]);
    wrong(format!("join {a} {e}"), &[e, "is not empty"]);
    wrong(format!("join_no_load {a} {}", field.plain), &["not in cluster mode"]);
    wrong(format!("replicate {d} {e}"), &["is a replica itself"]);
}

fn migrating(field: &Field) {
    let [a, b, c, _, e, _] = field.nodes.as_slice() else { unreachable!() };
    right(format!("migrate --src-addr {a} --dst-addr {c} 8192 8194-8197"), &["[OK] Moved 5 slots"]);
    right(format!("migrate_slots {c} {b} 8192 8194"), &["[OK] Moved 2 slots"]);
    wrong(format!("migrate_slots {a} {c} 8192"), &["does not own slots 8192"]);
    wrong(format!("migrate_slots {a} {e} 9000"), &["not in the same cluster"]);
    assert_eq!(slots([a, b, c]), [8187, 8194, 3]);
}

fn leaving(field: &Field) {
    let [a, b, c, d, e, _] = field.nodes.as_slice() else { unreachable!() };
    wrong(format!("shutdown {a}"), &["has 3 other nodes"]);
    right(format!("quit {d}"), &["removed from the cluster."]);
    right(format!("quit {c}"), &["removed from the cluster."]);
    right(format!("quit {b}"), &["removed from the cluster."]);
    wrong(format!("quit {a}"), &["the last master"]);
    wrong(format!("shutdown --addr {e}"), &["has 1 other node"]);
    assert_eq!(slots([a]), [16384]);
    right(format!("exec {a} SET foo bar"), &["OK"]);
    wrong(format!("shutdown {a}"), &["holds 1 key:"]);
    right(format!("exec {a} FLUSHALL"), &["OK"]);
    right(format!("shutdown --addr {a}"), &["has ended"]);
    right(format!("exec {a} CLUSTER INFO"), &["cluster_slots_assigned:0"]);
}

fn rescuing(field: &Field) {
    let [a, .., e, f] = field.nodes.as_slice() else { unreachable!() };
    renew(a);
    run(&format!("rescue {e} {a}")).expect(0).shows(&["No slots are lost"]);
    field.lab.kill(5);
    run(&format!("check {e}")).expect(1).shows(&[f, "does not answer"]);
    run(&format!("info {e}")).expect(1);
    run(&format!("fix {e}"))
        .expect(1)
        .shows(&["does not answer", "--fix-with-unreachable-masters"]);
    wrong(format!("rescue {e} {}", field.plain), &["not in cluster mode"]);
    right(
        format!("rescue --existing-addr {e} --new-addr {a} --max-slots 1024"),
        &["has taken over 8192 slots: "],
    );
    assert_eq!(slots([e, a]), [8192, 8192]);
    right(
        format!("quit {a} --max-pause 0 --rate 100000 --atomic never"),
        &["removed from the cluster."],
    );
    wrong(format!("shutdown {e}"), &["has 1 other node", "--ignore-failed"]);
    right(format!("shutdown --addr {e} --ignore-failed --dry-run"), &["would be reset"]);
    right(format!("shutdown --addr {e} --ignore-failed"), &["has ended"]);
}

/// What is missing from a line is told before any server is asked.
#[test]
fn a_verb_without_its_arguments_is_wrong_usage() {
    for verb in [
        "create",
        "check",
        "info",
        "list",
        "fix",
        "reshard",
        "rebalance",
        "add-node",
        "del-node",
        "set-timeout",
        "call",
        "import",
        "backup",
        "start",
        "start_multi",
        "join",
        "join_no_load",
        "replicate",
        "quit",
        "shutdown",
        "migrate_slots",
        "migrate",
        "rescue",
        "execute",
    ] {
        let told = trib(&[verb]).expect(2);
        assert!(told.stderr.contains("error: "), "{verb}: {}", told.stderr);
        trib(&["--cluster", verb]).expect(2);
        trib(&["help", verb]).expect(0).shows(&["Usage: redis-trib "]);
        trib(&[verb, "127.0.0.1:7000", "--no-such-option"])
            .expect(2)
            .complains(&["--no-such-option"]);
    }
}
