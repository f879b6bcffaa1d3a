//! Ctrl-C while slots move.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Slot;
use redistrib_ops::{Connection, Settings, resp};

use crate::support::{program, trib};

/// How many slots are to move, from 0 on.
const SLOTS: u16 = 2000;

/// A cluster with 2,000 keys in the slots that are to move, which take long at the rate below.
fn laden() -> TempLab {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let mut connection = Connection::open(&lab.endpoints()[0], &Settings::default()).unwrap();
    let keys = (0_u32..).map(|number| format!("key:{number}"));
    let low = keys.filter(|key| Slot::of_key(key.as_bytes()).get() < SLOTS);
    for key in low.take(2000) {
        connection.call(&resp::Command::new("SET").arg(key).arg("value")).unwrap();
    }
    lab
}

/// Begins to move 2,000 slots slowly, and returns when some have moved.
fn begin(lab: &TempLab) -> Child {
    let seed = lab.endpoints()[0].to_string();
    let list = trib(&["list", &seed]).stdout;
    let id = |port: String| {
        let row = list.lines().find(|row| row.contains(&port)).unwrap();
        row.split_whitespace().nth(2).unwrap().to_owned()
    };
    let (from, to) = (id(seed.clone()), id(lab.endpoints()[1].to_string()));
    let mut child = program()
        .args([
            "reshard", &seed, "--from", &from, "--to", &to, "--slots", "2000", "--yes", "--json",
        ])
        .args(["--rate", "200", "--atomic", "never"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    told.find(|line| line.as_ref().unwrap().contains("slots-moved")).unwrap().unwrap();
    // Whoever reads must go on reading, or the program would wait for it.
    std::thread::spawn(move || told.for_each(drop));
    child
}

fn press_ctrl_c(child: &Child) {
    assert!(
        Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success()
    );
}

/// A program that has mended something, and had its two steps of Ctrl-C for that, asks as any other.
#[test]
fn pressed_at_a_prompt_it_ends_the_program() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let mut node = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    let peer = Connection::open(&lab.endpoints()[1], lab.settings());
    let peer = peer.unwrap().call(&resp::Command::new("CLUSTER").arg("MYID")).unwrap();
    let peer = peer.view().as_bytes().unwrap();
    let open = resp::Command::new("CLUSTER").arg("SETSLOT").arg(7).arg("MIGRATING").arg(peer);
    node.call(&open).unwrap();
    let mut child = program()
        .args(["reshard", &lab.endpoints()[0].to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut answers = child.stdin.take().unwrap();
    answers.write_all(b"yes\n").unwrap();
    let mut told = child.stdout.take().unwrap();
    let mut seen = String::new();
    while !seen.contains("How many slots") {
        let mut byte = [0];
        told.read_exact(&mut byte).unwrap();
        seen.push(char::from(byte[0]));
    }
    press_ctrl_c(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130), "{seen}");
}

#[test]
fn pressed_once_it_finishes_the_batch_and_leaves_no_slot_open() {
    let lab = laden();
    let child = begin(&lab);
    press_ctrl_c(&child);
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("press Ctrl-C again to stop at once"), "{told}");
    assert!(told.contains("interrupted: ") && told.contains("no slot is left open"), "{told}");
    trib(&["check", &lab.endpoints()[0].to_string()])
        .expect(0)
        .shows(&["[OK] 2000 keys", "[OK] All 16384 slots covered."]);
}
