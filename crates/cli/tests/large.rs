//! Large clusters, simulated but for one, and a process that may have little: what is wanting is told, and is not the cluster's fault.

use std::process::Command;
use std::time::Duration;

use redistrib_benches::simulator::{Options, Simulator};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::limits;

use crate::support;
use crate::support::{Run, addresses, becomes_well, trib, trib_with};

/// So many nodes, half of them replicas, a millisecond away.
fn simulate(nodes: usize) -> Simulator {
    limits::raise_open_files().unwrap();
    let delay = Duration::from_millis(1);
    Simulator::start(Options { masters: nodes / 2, replicas: 1, delay, ..Options::default() })
        .unwrap()
}

/// Runs the program in a shell that has set limits before.
fn limited(limits: &str, args: &[&str]) -> Run {
    let script = format!("{limits} && exec \"$0\" \"$@\"");
    let program = env!("CARGO_BIN_EXE_redis-trib");
    Command::new("sh").args(["-c", &script, program]).args(args).output().unwrap().into()
}

fn reshard<'a>(target: &'a str, seed: &'a str) -> [&'a str; 9] {
    ["reshard", "--from", "all", "--to", target, "--slots", "5", "--yes", seed]
}

#[test]
fn few_descriptors_are_enough_to_look_at_many_nodes() {
    let simulator = simulate(300);
    let seed = simulator.seed().to_string();
    for verb in ["check", "info", "list", "rebalance --dry-run"] {
        let args: Vec<&str> = verb.split(' ').chain([seed.as_str()]).collect();
        let (few, many) = (limited("ulimit -n 100", &args), trib(&args));
        assert_eq!((few.code, few.stderr), (0, String::new()), "{verb}: {}", few.stdout);
        assert_eq!(few.stdout, many.stdout, "{verb}");
    }
}

#[test]
fn a_lock_for_which_there_are_too_few_descriptors_says_how_many_it_needs() {
    let simulator = simulate(300);
    let (seed, target) = (simulator.seed().to_string(), simulator.id(0));
    let run = limited("ulimit -n 100", &reshard(&target, &seed));
    assert_eq!(run.code, 1, "{}", run.stderr);
    let told = "may have 100 files and connections open (`ulimit -n`) and needs 2";
    assert!(run.stderr.contains(told) && !run.stderr.contains("fix"), "{}", run.stderr);
    assert_eq!(simulator.counts().commits, 0);
}

#[test]
fn as_many_descriptors_as_the_system_allows_are_taken() {
    let simulator = simulate(300);
    let (seed, target) = (simulator.seed().to_string(), simulator.id(0));
    // Beside the lock's 150 there is room for some of the others at a time.
    let run = limited("ulimit -Sn 100 && ulimit -Hn 260", &reshard(&target, &seed));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    assert!(run.stdout.contains("[OK] Moved 5 slots"), "{}", run.stdout);
}

#[test]
fn without_threads_everything_is_done_all_the_same() {
    let simulator = simulate(40);
    let (seed, target) = (simulator.seed().to_string(), simulator.id(0));
    for room in ["ulimit -v 100000", "ulimit -v 1000000"] {
        let run = limited(room, &reshard(&target, &seed));
        assert_eq!(run.code, 0, "{room}: {}{}", run.stdout, run.stderr);
        assert!(!run.stderr.contains("panicked"), "{room}: {}", run.stderr);
    }
}

/// The whole cluster is looked at before and after, in between the nodes that slots move between; and nobody is asked
/// anything twice.
#[test]
fn a_reshard_asks_little_of_each_node() {
    let simulator = simulate(300);
    let (seed, target) = (simulator.seed().to_string(), simulator.id(0));
    let run = support::trib(&reshard(&target, &seed));
    assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{}", run.stdout);
    let counts = simulator.counts();
    assert!(counts.views <= 2 * 300 + 6, "{counts:?}");
    // Messages over the bus that are late on a busy machine are sent again.
    assert!(counts.commands <= 12 * 300, "{counts:?}");
}

/// Thirty real servers get two more masters, share their slots with them, and let a master go.
#[test]
fn thirty_servers_are_formed_grown_and_drained() {
    let server = TestServer::named("valkey-9.1").unwrap();
    let (lab, spare) = (TempLab::nodes(&server, 30).unwrap(), TempLab::nodes(&server, 2).unwrap());
    let (nodes, spare) = (addresses(&lab), addresses(&spare));
    let (seed, leaves) = (nodes[1].as_str(), nodes[0].as_str());
    let words: Vec<&str> = nodes.iter().map(String::as_str).collect();
    trib(&[&["create", "--replicas", "1", "--yes"], &words[..]].concat()).expect(0);
    let keys: String = (0..3000).map(|key| format!("SET key:{key} {key}\n")).collect();
    trib_with(&keys, &["exec", "-c", seed, "--pipe"]).expect(0);

    for new in &spare {
        trib(&["add-node", new, seed]).expect(0);
    }
    trib(&["rebalance", seed, "--use-empty-masters", "--yes"]).expect(0);
    let levelled = trib(&["list", seed]).expect(0).stdout;
    let share = |line: &&str| line.contains(" 963 slots") || line.contains(" 964 slots");
    assert_eq!(levelled.lines().filter(share).count(), 17, "{levelled}");
    trib(&["del-node", seed, leaves, "--drain", "--yes"]).expect(0);
    becomes_well(seed);
    trib(&["list", seed]).expect(0).shows(&["Total 31 nodes, 16 masters, 0 fail"]);
    trib(&["info", seed]).expect(0).shows(&["[OK] 3000 keys in 16 masters."]);
}
