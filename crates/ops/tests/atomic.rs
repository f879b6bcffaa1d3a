//! Migration by the servers themselves: on Valkey 9, and on a stand-in for Redis 8.4.

#![allow(clippy::unwrap_used)]

mod support;

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::migrate::{Atomic, MigrateOptions, finish_running};
use redistrib_ops::model::{Move, NodeId};
use redistrib_ops::resp::Decoder;
use redistrib_ops::{Cancel, Cluster, Endpoint, Error, Event, Method, Observer, Settings};
use support::*;

fn atomic() -> MigrateOptions {
    let settle = Duration::from_secs(5);
    MigrateOptions { atomic: Atomic::Always, settle, ..MigrateOptions::default() }
}

/// Remembers how pairs were moved, and presses the button when one starts.
struct Methods<'a> {
    seen: Mutex<Vec<Method>>,
    press: Option<&'a Cancel>,
}

impl Observer for Methods<'_> {
    fn event(&self, event: &Event) {
        if let Event::PairStarted { method, .. } = event {
            self.seen.lock().unwrap().push(*method);
            self.press.iter().for_each(|cancel| cancel.press());
        }
    }
}

fn valkey() -> TempLab {
    TempLab::cluster(&TestServer::named("valkey-9.1").unwrap(), 3, 0).unwrap()
}

#[test]
fn valkey_moves_all_slots_of_a_pair_at_once() {
    let lab = valkey();
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 5000);
    let before = dumps(&lab);
    let [a, b, c] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0-9 20-4000"), step(&cluster, c, a, "16000-16383")];
    let cancel = Cancel::new();
    let methods = Methods { seen: Mutex::default(), press: None };
    let options = MigrateOptions::default();
    let done = move_slots_with(&mut cluster, &moves, &options, &methods, &cancel).unwrap();
    assert_eq!(*methods.seen.lock().unwrap(), [Method::MigrateSlots; 2]);
    let moved = before.keys().filter(|key| {
        let slot = redistrib_ops::model::Slot::of_key(key);
        moves.iter().any(|step| step.slots.contains(slot))
    });
    assert_eq!((done.slots, done.keys), (10 + 3981 + 384, moved.count() as u64));
    assert!(dumps(&lab) == before);
    assert_settled(&lab);
}

#[test]
fn valkey_takes_a_job_back_when_the_tool_is_to_stop() {
    let lab = valkey();
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 100_000);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0-5000")];
    let cancel = Cancel::new();
    let methods = Methods { seen: Mutex::default(), press: Some(&cancel) };
    let error = move_slots_with(&mut cluster, &moves, &atomic(), &methods, &cancel).unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
    assert_settled(&lab);
    assert_eq!(masters(&discover(&lab)), [a, b, masters(&cluster)[2]], "nothing has moved");
    // And it can be had again.
    move_slots(&mut cluster, &moves, &atomic()).unwrap();
    assert_settled(&lab);
}

#[test]
fn a_job_of_an_earlier_run_is_waited_for() {
    let lab = valkey();
    let mut cluster = discover(&lab);
    fill_strings(&mut cluster, 100_000);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let mut source = connect(&lab, &cluster, a);
    call(&mut source, &format!("CLUSTER MIGRATESLOTS SLOTSRANGE 0 5000 NODE {b}"));
    let cancel = Cancel::new();
    let context = redistrib_ops::Context::new(&redistrib_ops::Silent, &cancel);
    assert!(finish_running(&mut cluster, context).unwrap());
    assert!(!finish_running(&mut cluster, context).unwrap());
    assert_eq!(cluster.member(a).unwrap().node().slots.first().unwrap().get(), 5001);
}

#[test]
fn servers_without_it_are_refused_where_it_is_demanded() {
    let lab = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let mut cluster = discover(&lab);
    let [a, b, _] = masters(&cluster)[..] else { panic!() };
    let moves = [step(&cluster, a, b, "0")];
    let error = move_slots(&mut cluster, &moves, &atomic()).unwrap_err();
    assert!(error.to_string().contains("atomic"), "{error}");
}

/// What the two stand-ins know.
struct Play {
    ids: [NodeId; 2],
    ports: [u16; 2],
    /// Which of the two owns slots 0 to 99.
    owner: usize,
    /// The states that STATUS tells, one after the other; the last for ever. `completed` moves the slots.
    states: Vec<&'static str>,
    asked: Vec<String>,
}

impl Play {
    fn nodes(&self, me: usize) -> String {
        let line = |node: usize| {
            let myself = if node == me { "myself," } else { "" };
            let rest = ["100-9999", "10000-16383"][node];
            let slots = if node == self.owner { format!("0-99 {rest}") } else { rest.into() };
            let (id, port) = (self.ids[node], self.ports[node]);
            format!("{id} 127.0.0.1:{port}@{port} {myself}master - 0 0 {node} connected {slots}\n")
        };
        line(0) + &line(1)
    }

    fn answer(&mut self, me: usize, words: &[String]) -> String {
        let bulk = |text: &str| format!("${}\r\n{text}\r\n", text.len());
        let line = words.join(" ");
        let reply = match &*line {
            "CLUSTER NODES" => bulk(&self.nodes(me)),
            "CLUSTER INFO" => bulk("cluster_state:ok\r\n"),
            "COMMAND INFO cluster|migration" => "*1\r\n*1\r\n$17\r\ncluster|migration\r\n".into(),
            "CLUSTER MIGRATION IMPORT 0 99" => bulk("task1"),
            "CLUSTER MIGRATION CANCEL ID task1" => {
                // A job that is at its end is not to be had back.
                self.states.retain(|state| *state == "completed");
                if self.states.is_empty() {
                    self.states.push("canceled");
                }
                ":1\r\n".into()
            }
            "CLUSTER MIGRATION STATUS ID task1" => {
                let state =
                    if self.states.len() > 1 { self.states.remove(0) } else { self.states[0] };
                if state == "completed" {
                    self.owner = me;
                }
                let error = if state == "failed" { "no route to source" } else { "" };
                let fields = ["id", "task1", "state", state, "last_error", error];
                format!("*1\r\n*6\r\n{}", fields.map(bulk).concat())
            }
            _ if line.starts_with("COMMAND") => "*1\r\n*-1\r\n".into(),
            _ if line.starts_with("CLUSTER COUNTKEYSINSLOT") => ":3\r\n".into(),
            _ => "-ERR unknown command\r\n".into(),
        };
        self.asked.push(line);
        reply
    }
}

fn serve(mut stream: TcpStream, me: usize, play: &Mutex<Play>) {
    let mut decoder = Decoder::new();
    loop {
        while let Ok(Some(command)) = decoder.next_reply() {
            let words = command.view().elements().map(|word| word.as_str().unwrap().to_owned());
            let reply = play.lock().unwrap().answer(me, &words.collect::<Vec<_>>());
            if stream.write_all(reply.as_bytes()).is_err() {
                return;
            }
        }
        if !matches!(decoder.read_from(&mut stream), Ok(1..)) {
            return;
        }
    }
}

/// Two masters that speak Redis 8.4's part of the protocol.
fn stand_ins(states: &[&'static str]) -> (Arc<Mutex<Play>>, Cluster) {
    let listeners = [0; 2].map(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    let ports = [0, 1].map(|node| listeners[node].local_addr().unwrap().port());
    let ids = [1, 2].map(|n| NodeId::from_bytes([n; 20]));
    let states = states.to_vec();
    let play = Arc::new(Mutex::new(Play { ids, ports, owner: 0, states, asked: Vec::new() }));
    for (me, listener) in listeners.into_iter().enumerate() {
        let play = play.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let play = play.clone();
                thread::spawn(move || serve(stream, me, &play));
            }
        });
    }
    let seed = Endpoint::tcp("127.0.0.1", ports[0]);
    let cluster = Cluster::discover(&seed, &Settings::default()).unwrap();
    (play, cluster)
}

fn move_of(play: &Mutex<Play>) -> [Move; 1] {
    let [from, to] = play.lock().unwrap().ids;
    [Move { from, to, slots: "0-99".parse().unwrap() }]
}

#[test]
fn redis_imports_all_slots_of_a_pair_at_once() {
    let (play, mut cluster) =
        stand_ins(&["connecting", "failed", "streaming-buffer", "takeover", "completed"]);
    let moves = move_of(&play);
    let done = move_slots(&mut cluster, &moves, &MigrateOptions::default()).unwrap();
    assert_eq!((done.slots, done.keys), (100, 300));
    let asked = &play.lock().unwrap().asked;
    assert!(!asked.iter().any(|line| line.contains("SETSLOT")), "{asked:?}");
}

#[test]
fn redis_takes_a_job_back_that_keeps_failing() {
    let (play, mut cluster) = stand_ins(&["connecting", "failed"]);
    let settle = Duration::from_millis(200);
    let options = MigrateOptions { settle, ..atomic() };
    let error = move_slots(&mut cluster, &move_of(&play), &options).unwrap_err().to_string();
    assert!(error.contains("no route to source"), "{error}");
    assert!(play.lock().unwrap().asked.contains(&"CLUSTER MIGRATION CANCEL ID task1".into()));
}

#[test]
fn a_job_that_is_through_before_it_is_taken_back_has_moved_its_slots() {
    let (play, mut cluster) = stand_ins(&["failed", "completed"]);
    let options = MigrateOptions { settle: Duration::ZERO, ..atomic() };
    let moves = move_of(&play);
    let cancel = Cancel::new();
    let methods = Methods { seen: Mutex::default(), press: None };
    let ended = move_slots_with(&mut cluster, &moves, &options, &methods, &cancel);
    // Without time to settle, the nodes need not be seen to agree at the end.
    assert!(matches!(ended, Ok(_) | Err(Error::NotSettled { .. })), "{ended:?}");
    let play = play.lock().unwrap();
    assert!(play.asked.contains(&"CLUSTER MIGRATION CANCEL ID task1".into()));
    assert_eq!(play.owner, 1);
}

#[test]
fn redis_takes_a_job_back_when_the_tool_is_to_stop() {
    let (play, mut cluster) = stand_ins(&["connecting"]);
    let moves = move_of(&play);
    let cancel = Cancel::new();
    let methods = Methods { seen: Mutex::default(), press: Some(&cancel) };
    let error = move_slots_with(&mut cluster, &moves, &atomic(), &methods, &cancel).unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
    assert_eq!(*methods.seen.lock().unwrap(), [Method::MigrationImport]);
    assert!(play.lock().unwrap().asked.contains(&"CLUSTER MIGRATION CANCEL ID task1".into()));
}
