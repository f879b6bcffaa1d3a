//! `top` on real clusters: one picture as text, and a user at the screen.

mod frames;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_benches::simulator::{self, Simulator};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Slot;
use redistrib_ops::model::sample::{Focus, SlotStats};
use redistrib_ops::{Settings, Watch, limits};

use crate::support::terminal::{User, only_child, send};
use crate::support::{addresses, program, trib};

fn cluster(server: &'static str) -> (TempLab, Vec<String>) {
    let lab = TempLab::cluster(&TestServer::named(server).unwrap(), 3, 1).unwrap();
    let nodes = addresses(&lab);
    (lab, nodes)
}

/// The line of a node in a picture.
fn row<'a>(picture: &'a str, node: &str) -> Vec<&'a str> {
    let line = picture.lines().find(|line| line.split_whitespace().nth(1) == Some(node));
    line.unwrap_or_else(|| panic!("no {node} in\n{picture}")).split_whitespace().collect()
}

/// Draws until a picture has this in it: a node can be late on a busy machine.
#[track_caller]
fn picture_with(text: &str, line: &[&str]) -> String {
    let since = Instant::now();
    loop {
        let picture = trib(line).expect(0).stdout;
        if picture.contains(text) {
            return picture;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "no {text:?} in\n{picture}");
    }
}

#[test]
fn one_picture_says_what_is_wrong() {
    let pictures = TestServer::NAMES.map(|server| {
        std::thread::spawn(move || {
            let (lab, nodes) = cluster(server);
            let well = picture_with("[OK] nothing is wrong", &["top", &nodes[0], "--once"]);
            assert!(!well.contains('\x1b'), "{well}");
            assert!(well.contains("3 masters, 3 replicas, 100.0% of slots served"), "{well}");
            assert_eq!(row(&well, &nodes[1])[..4], ["B", nodes[1].as_str(), "master", "up"]);
            assert_eq!(row(&well, &nodes[3])[..4], ["a", nodes[3].as_str(), "replica", "up"]);
            assert!(well.contains("AAAABBBB") && well.contains("BBBBCCCC"), "{well}");
            // Every figure is known of servers that answer, but those that need two looks.
            let unknown = row(&well, &nodes[1]).iter().filter(|cell| **cell == "?").count();
            assert!(unknown <= 1, "{well}");

            // Its replica would take its place before a slow machine has drawn it.
            let stays = ["CONFIG", "SET", "cluster-replica-no-failover", "yes"];
            trib(&[&["exec", &nodes[5]][..], &stays].concat()).expect(0);
            lab.kill(2);
            let whole = ["top", &nodes[0], "--once", "--size", "80x24"];
            let ill = picture_with("whose owner does not answer", &whole);
            assert!(ill.lines().count() == 24 && ill.contains("[ERR]"), "{ill}");
            assert!(ill.contains(&format!("[ERR] node {} ", nodes[2])), "{ill}");
            let dead = row(&ill, &nodes[2]);
            assert!(dead.contains(&"down") && dead.contains(&"?"), "{ill}");
            assert!(ill.contains("xxxx") && ill.contains("whose owner does not answer"), "{ill}");
        })
    });
    pictures.into_iter().for_each(|it| it.join().unwrap());
}

/// Of six hundred nodes most are below the table's end; each of the three hundred shards is seen in the map.
#[test]
fn every_shard_of_a_large_cluster_is_in_the_map() {
    limits::raise_open_files().unwrap();
    let shape = simulator::Options { masters: 300, replicas: 1, ..Default::default() };
    let simulator = Simulator::start(shape).unwrap();
    let told = trib(&["top", &simulator.seed().to_string(), "--once"]).expect(0).stdout;
    let mut map = told.lines().skip_while(|line| !line.starts_with("slots, "));
    let a_cell = map.next().unwrap().split_whitespace().nth(1).unwrap();
    assert!(a_cell.parse::<usize>().unwrap() <= 16384 / 300, "{told}");
}

/// Where no node answers any more none has left, and no slot is served.
#[test]
fn nobody_who_answers_is_not_nobody_there() {
    let (lab, nodes) = cluster("redis-8.6");
    let seed = nodes[0].parse().unwrap();
    let watch = Watch::start(&seed, &Settings::default(), Duration::from_millis(100)).unwrap();
    // Whoever has not been asked yet is not silent.
    let first = watch.sample();
    assert!(first.findings.is_empty(), "{first:?}");
    watch.await_all(Duration::from_secs(60));
    let before = watch.sample();
    assert!(before.nodes.len() == 6 && before.unserved().is_empty(), "{before:?}");
    (0..6).for_each(|node| assert!(lab.kill(node)));
    let since = Instant::now();
    let mut now = watch.sample();
    while now.nodes.iter().any(|it| it.failure.is_none()) {
        assert!(since.elapsed() < Duration::from_secs(60), "{now:?}");
        thread::sleep(Duration::from_millis(20));
        now = watch.sample();
    }
    assert_eq!(now.nodes.len(), 6);
    assert_eq!(now.unserved().len(), usize::from(Slot::COUNT));
}

/// Looks until a node tells this of a slot.
#[track_caller]
fn until_told(watch: &Watch, what: impl Fn(&SlotStats) -> bool) {
    let since = Instant::now();
    loop {
        let sample = watch.sample();
        let mut told = sample.nodes.iter().flat_map(|it| &it.detail.slots);
        if told.any(&what) {
            return;
        }
        assert!(since.elapsed() < Duration::from_secs(60), "{:?}", sample.nodes);
        thread::sleep(Duration::from_millis(20));
    }
}

/// Keys all servers tell of, processor time and bytes those that are set to, once they are.
#[test]
fn what_slots_carry_is_asked_of_every_server() {
    let looks = TestServer::NAMES.map(|server| {
        thread::spawn(move || {
            let (_lab, nodes) = cluster(server);
            let set = |key| drop(trib(&["exec", "-c", &nodes[0], "SET", key, "v"]).expect(0));
            ["{b}1", "{b}2"].into_iter().for_each(set);
            let slot = Slot::try_from(3300).unwrap();
            let every = Duration::from_millis(100);
            let seed = nodes[0].parse().unwrap();
            let watch = Watch::start(&seed, &Settings::default(), every).unwrap();
            watch.look_at(Focus { slot: Some(slot), all_slots: true, ..Focus::default() });
            until_told(&watch, |it| it.slot == slot && it.keys == 2);
            until_told(&watch, |it| it.slot != slot && it.keys == 0);
            let how = match server {
                "redis-6.2" | "redis-7.0" => return,
                // Memory cannot be measured from now on.
                "redis-8.6" => "cpu net",
                _ => "yes",
            };
            until_told(&watch, |it| it.slot == slot && it.cpu_us.is_none() && it.net_in.is_none());
            trib(&["exec", &nodes[0], "CONFIG", "SET", "cluster-slot-stats-enabled", how])
                .expect(0);
            trib(&["exec", &nodes[0], "GET", "{b}1"]).expect(0);
            let is_told = |it: &SlotStats| it.cpu_us > Some(0) && it.net_out > Some(0);
            until_told(&watch, |it| it.slot == slot && is_told(it));
        })
    });
    looks.into_iter().for_each(|it| it.join().unwrap());
}

#[test]
fn the_hottest_slot_is_named() {
    let (_lab, nodes) = cluster("redis-8.6");
    trib(&["exec", "-c", &nodes[0], "SET", "b", "v"]).expect(0);
    let map = ["top", &nodes[0], "--once", "--every", "0.1", "--map", "keys"];
    trib(&map).expect(0).shows(&["slots by keys", "the hottest: 3300 A 1"]);
    let wrong = trib(&["top", &nodes[0], "--once", "--map", "x"]).expect(2);
    assert!(wrong.stderr.contains("it can show owners, keys, cpu, network"), "{}", wrong.stderr);
}

#[test]
fn where_there_is_no_cluster_it_says_so() {
    let lab = TempLab::plain(&TestServer::named("redis-7.0").unwrap(), 1).unwrap();
    let plain = addresses(&lab).remove(0);
    trib(&["top", &plain, "--once"]).expect(1).complains(&["is not in cluster mode"]);
    trib(&["top", "127.0.0.1:1", "--once"]).expect(1).complains(&["cannot connect"]);
    for wrong in ["0x5", "80", "x", "80x24x3", "1001x4", "-1x2"] {
        trib(&["top", &plain, "--once", "--size", wrong]).expect(2);
    }
}

#[test]
fn a_screen_without_a_terminal_is_refused() {
    trib(&["top", "127.0.0.1:1"]).expect(1).complains(&["top needs a terminal", "--once"]);
    let line = format!("TERM=dumb exec {PROGRAM} top 127.0.0.1:1");
    let mut user = User::run(&line, Path::new("/dev/null"));
    user.sees("this one says that it cannot (TERM=dumb): give --once");
    assert!(!user.leaves());
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_redis-trib");
/// What a terminal is told when it is given back, and when it is taken.
const GIVEN_BACK: &str = "\x1b[?1049l";
const TAKEN: &str = "\x1b[?1049h";
/// What stty tells of a terminal that has its usual settings.
const USUAL: &str = " icanon";

/// A user before a screen that a shell has started, with what the shell does after it.
fn before_a_screen(set: &str, node: &str, then: &str) -> User {
    let line = format!(
        "ulimit -c 0; {set}stty rows 40 cols 120; {PROGRAM} top {node} --every 0.2; {then}"
    );
    let user = User::run(&line, Path::new("/dev/null"));
    user.looks_at("nothing is wrong");
    user
}

/// Has the program behind the screen stand still.
fn stop(user: &User) -> String {
    let program = only_child(&only_child(&user.child.id().to_string()));
    send("-STOP", &program);
    let since = Instant::now();
    while !fs::read_to_string(format!("/proc/{program}/status")).unwrap().contains("State:\tT") {
        assert!(since.elapsed() < Duration::from_secs(60), "{program} does not stop");
        thread::sleep(Duration::from_millis(20));
    }
    program
}

#[test]
fn whatever_ends_it_the_terminal_is_given_back() {
    let (_lab, nodes) = cluster("valkey-9.1");
    // Of two, the first is not heeded before the second comes.
    for signals in [&["-TERM"][..], &["-INT"], &["-HUP"], &["-QUIT"], &["-TERM", "-INT"]] {
        let mut user = before_a_screen("", &nodes[0], "stty -a");
        let program = stop(&user);
        signals.iter().for_each(|signal| send(signal, &program));
        send("-CONT", &program);
        user.sees(GIVEN_BACK);
        user.sees(USUAL);
        assert!(user.leaves());
    }

    // With ctrl-z it makes way for the shell; who stops it from outside leaves the screen to the shell as it is.
    let go_on = "stty -a; read line; fg && stty -a";
    for (keys, then) in [("\x1a", go_on.to_owned()), ("", format!("stty sane; {go_on}"))] {
        let mut user = before_a_screen("set -m; ", &nodes[0], &then);
        if keys.is_empty() {
            stop(&user);
        } else {
            user.types(keys);
            user.sees(GIVEN_BACK);
        }
        user.sees(USUAL);
        user.types("\r");
        user.sees(TAKEN);
        user.sees("nothing");
        user.types("q");
        user.sees(GIVEN_BACK);
        user.sees(USUAL);
        assert!(user.leaves());
    }
}

#[test]
fn a_user_at_the_screen() {
    let (lab, nodes) = cluster("valkey-9.1");
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record.jsonl");
    let sit_down = || {
        let top = format!("{PROGRAM} top {} --every 0.2 --record {}", nodes[0], record.display());
        let line = format!("stty rows 40 cols 120; exec {top}");
        User::run(&line, &folder.path().join("history"))
    };
    let mut user = sit_down();
    user.looks_at("nothing is wrong");
    user.types("?");
    user.looks_at("without an owner: their keys cannot be reached");
    user.types("?/replica");
    user.looks_at("/replica_ 3 of 6");
    user.types("\r");
    user.looks_at("/replica 3 of 6");
    user.types("\r");
    user.looks_at("config epoch");
    user.types("\r");
    lab.kill(1);
    user.looks_at(&format!("{} does not answer", nodes[1]));
    lab.restart(1).unwrap();
    user.looks_at(&format!("{} answers again", nodes[1]));
    // What is recorded goes on while the picture stands still.
    user.types("p");
    user.looks_at("PAUSED");
    let recorded = || fs::read_to_string(&record).unwrap().lines().count();
    let (before, since) = (recorded(), Instant::now());
    while recorded() < before + 3 {
        assert!(since.elapsed() < Duration::from_secs(60), "nothing is recorded");
        thread::sleep(Duration::from_millis(20));
    }
    user.types("p");
    // A key that comes together with a resize is heeded, too.
    let program = only_child(&user.child.id().to_string());
    let terminal = format!("/proc/{program}/fd/0");
    for rows in 36..44 {
        let rows = rows.to_string();
        let resized = Command::new("stty").args(["-F", &terminal, "rows", &rows]).status();
        assert!(resized.unwrap().success());
        user.types("?");
        user.looks_at("without an owner: their keys cannot be reached");
        user.types("?");
        user.looks_at(" a cell");
    }
    user.types("q");
    user.sees(GIVEN_BACK);
    assert!(user.leaves());

    // A terminal that is closed takes the program with it.
    let mut user = sit_down();
    user.looks_at("nothing is wrong");
    let program = only_child(&user.child.id().to_string());
    user.child.kill().unwrap();
    let since = Instant::now();
    while Path::new(&format!("/proc/{program}")).exists() {
        assert!(since.elapsed() < Duration::from_secs(60), "{program} goes on without a terminal");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_was_recorded_is_played() {
    let (lab, nodes) = cluster("redis-8.6");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let record = file("incident.jsonl");
    let seen = trib(&["top", &nodes[0], "--once", "--record", &record]).expect(0).stdout;
    lab.kill(1);
    trib(&["top", &nodes[0], "--once", "--record", &record]).expect(0);
    let lines = fs::read_to_string(&record).unwrap();
    assert_eq!(lines.lines().count(), 2, "a sample is added to what is there");

    // A recorder that is killed leaves half a line.
    let (torn, half) = (file("torn.jsonl"), lines.trim_end().len() - 100);
    fs::write(&torn, &lines[..half]).unwrap();
    trib(&["top", &nodes[0], "--once", "--record", &torn]).expect(0);
    let played = trib(&["top", "--replay", &torn, "--once"]).expect(0);
    assert!(played.stdout.contains("recorded, 2 of 2"), "{}", played.stdout);
    played.complains(&["[WARNING]", "1 line cut off, and left out"]);

    // Both samples play a part: the last is drawn, and what has changed since the first is told.
    let played = trib(&["top", "--replay", &record, "--once"]).expect(0).stdout;
    assert!(played.contains("recorded, 2 of 2") && played.contains("[ERR]"), "{played}");
    assert!(played.contains(&format!("{} does not answer", nodes[1])), "{played}");
    let first = file("first.jsonl");
    fs::write(&first, lines.lines().next().unwrap()).unwrap();
    let first = trib(&["top", "--replay", &first, "--once"]).expect(0).stdout;
    assert_eq!(first.replace(" recorded, 1 of 1", ""), seen, "what was recorded is what was seen");

    let picture = file("top.svg");
    trib(&["top", "--replay", &record, "--svg", &picture, "--size", "100x30"]).expect(0);
    let picture = fs::read_to_string(picture).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"), "{picture}");
    assert!(picture.contains(&nodes[2]) && picture.len() < 100_000, "{}", picture.len());

    let user = User::run(
        &format!(
            "stty rows 30 cols 100; exec {} top --replay {record}",
            env!("CARGO_BIN_EXE_redis-trib")
        ),
        std::path::Path::new(&file("history")),
    );
    let mut user = user;
    user.looks_at("2 of 2");
    user.types(",");
    user.looks_at("1 of 2");
    user.looks_at("PAUSED");
    user.types("q");
    assert!(user.leaves());
}

#[test]
fn a_file_that_is_no_recording_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let path = path.to_str().unwrap();
    let sample = include_str!("sample.json").replace('\n', " ");
    for (content, word) in [
        ("", "there is no sample in it"),
        ("\x1b[2J", "line 1 is no sample"),
        ("{}\n", "line 1 is no sample"),
        ("[1,2", "line 1 is no sample"),
        (&format!("{sample}\n{sample} {sample}"), "line 2 is no sample"),
        (&format!("{sample}\n{}\n", "[".repeat(100_000)), "line 2 is no sample"),
    ] {
        fs::write(path, content).unwrap();
        let told = trib(&["top", "--replay", path, "--once"]).expect(1);
        assert!(!told.stderr.contains('\x1b'), "{}", told.stderr);
        told.complains(&[word]);
    }
    trib(&["top", "--replay", "/no/such/file", "--once"]).expect(1).complains(&["/no/such/file"]);
    trib(&["top", "--once"]).expect(2);
    trib(&["top", "127.0.0.1:1", "--replay", path]).expect(2);
}

#[test]
fn help_and_man_page_show_how() {
    trib(&["help", "top"]).expect(0).shows(&["--every", "--once", "--svg", "--record", "--replay"]);
    let told = program().args(["man", "top"]).output().unwrap();
    assert!(String::from_utf8_lossy(&told.stdout).contains("redis\\-trib top 127.0.0.1:7000"));
}
