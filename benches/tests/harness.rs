//! The harness itself, with a peer as the mover: what it says of a sound move is what it should say.

#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::time::{Duration, Instant};

use redistrib_benches::census::Census;
use redistrib_benches::load::{Load, LoadOptions};
use redistrib_benches::proxy::{Fault, Harm, Line};
use redistrib_benches::router::Router;
use redistrib_benches::stage::{Plan, Stage};
use redistrib_benches::zoo::{Size, Zoo};
use redistrib_ops::lab::TestServer;
use redistrib_ops::{Connection, Endpoint, Error, Settings};

fn stage() -> Stage {
    Stage::set(&TestServer::named("redis-7.0").unwrap(), &Plan::even(3, 3)).unwrap()
}

fn connect(port: u16) -> Connection {
    let settings = Settings { timeout: Duration::from_millis(300), ..Settings::default() };
    Connection::open(&Endpoint::tcp("127.0.0.1", port), &settings).unwrap()
}

#[test]
fn a_sound_move_raises_no_complaint() {
    let stage = stage();
    let ports = stage.ports();
    let mut router = Router::new(ports, false);
    let zoo = Zoo::plant(&mut router, Size { elements: 1000, bytes: 1 << 20 }).unwrap();
    let load = Load::start(ports, LoadOptions::default());
    let cli = TestServer::named("redis-7.0").unwrap().tool("redis-cli").unwrap();
    let moved = Command::new(cli)
        .args(["--cluster", "reshard", &stage.address(0), "--cluster-yes"])
        .args(["--cluster-from", "all", "--cluster-to", &stage.id(0), "--cluster-slots", "1000"])
        .output()
        .unwrap();
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stdout));
    let outcome = load.finish();
    assert_eq!(outcome.complaints, Vec::<String>::new());
    assert!(outcome.writes > 100 && outcome.reads > 100 && outcome.redirections.moved > 0);
    assert_eq!(zoo.check(&mut router).unwrap(), Vec::<String>::new());
    assert!(zoo.len() > 35, "{}", zoo.len());
    assert!(Census::take(ports[0]).unwrap().is_clean());
}

#[test]
fn what_changes_in_the_zoo_is_seen() {
    let stage = stage();
    let ports = stage.ports();
    let mut router = Router::new(ports, false);
    let zoo = Zoo::plant(&mut router, Size { elements: 200, bytes: 1000 }).unwrap();
    let change = |router: &mut Router, key: &str, words: &[&str]| {
        let command = redistrib_resp::Command::from_args(words);
        assert!(router.call(key.as_bytes(), &command).unwrap().view().as_error().is_none());
    };
    change(&mut router, "zoo:int", &["DEL", "zoo:int"]);
    change(&mut router, "zoo:set:large", &["SREM", "zoo:set:large", "member 7"]);
    change(&mut router, "zoo:hash:large", &["HSET", "zoo:hash:large", "field 7", "8"]);
    change(&mut router, "zoo:expiring", &["PERSIST", "zoo:expiring"]);
    change(&mut router, "zoo:stream", &["XACK", "zoo:stream", "workers", "3-1"]);
    let complaints = zoo.check(&mut router).unwrap();
    assert_eq!(complaints.len(), 5, "{complaints:?}");
}

#[test]
fn the_census_finds_what_is_out_of_place() {
    let stage = stage();
    let ports = stage.ports();
    let mut nodes: Vec<Connection> = ports.iter().map(|port| connect(*port)).collect();
    // Slot 0 is the first node's. A copy of one of its keys at the second is doubled and astray.
    let run = |node: &mut Connection, words: &[&str]| {
        node.call(&redistrib_resp::Command::from_args(words)).unwrap();
    };
    run(&mut nodes[0], &["SET", "{06S}", "one"]);
    run(&mut nodes[1], &["CLUSTER", "SETSLOT", "0", "IMPORTING", &stage.id(0)]);
    run(&mut nodes[1], &["ASKING"]);
    run(&mut nodes[1], &["SET", "{06S}", "two"]);
    let census = Census::take(ports[0]).unwrap();
    assert_eq!((census.doubled.len(), census.astray.len()), (1, 1), "{census}");
    assert_eq!(census.open_slots.len(), 1);
    assert!(!census.is_clean());
}

#[test]
fn the_line_is_long_and_leads_back_to_itself() {
    let stage = stage();
    let ports = stage.ports();
    let line = Line::to(ports, Duration::from_millis(40)).unwrap();
    let outer = line.port_of(ports[0]).unwrap();
    let mut node =
        Connection::open(&Endpoint::tcp("127.0.0.1", outer), &Settings::default()).unwrap();
    let ping = redistrib_resp::Command::new("PING");
    node.call(&ping).unwrap();
    let began = Instant::now();
    node.call_all(&vec![ping; 50]).unwrap();
    assert!(began.elapsed() >= Duration::from_millis(40), "one round trip at least");
    let reply = node.call(&redistrib_resp::Command::from_args(["CLUSTER", "NODES"])).unwrap();
    let text = reply.view().as_str().unwrap();
    for port in ports {
        assert!(text.contains(&format!("127.0.0.1:{}@", line.port_of(*port).unwrap())), "{text}");
        assert!(!text.contains(&format!("127.0.0.1:{port}@")), "{text}");
    }
    assert_eq!(line.commands(), 52);
}

#[test]
fn the_line_breaks_where_it_was_told_to() {
    let stage = stage();
    let ports = stage.ports();
    let line = Line::to(&ports[..1], Duration::ZERO).unwrap();
    let incr = redistrib_resp::Command::from_args(["INCR", "{06S}"]);
    let count = || {
        let get = redistrib_resp::Command::from_args(["GET", "{06S}"]);
        connect(ports[0]).call(&get).unwrap().view().as_str().unwrap().to_owned()
    };
    for (harm, executed) in [(Harm::Cut, "2"), (Harm::LoseReply, "3"), (Harm::Stall, "3")] {
        let zero = redistrib_resp::Command::from_args(["SET", "{06S}", "0"]);
        connect(ports[0]).call(&zero).unwrap();
        line.arm(Fault { at: 2, only: Some("incr"), harm });
        let mut node = connect(line.port_of(ports[0]).unwrap());
        node.call(&redistrib_resp::Command::new("PING")).unwrap();
        node.call(&incr).unwrap();
        node.call(&incr).unwrap();
        let error = node.call(&incr).unwrap_err();
        match harm {
            Harm::Stall => assert!(matches!(error, Error::Timeout { .. }), "{error}"),
            _ => assert!(matches!(error, Error::Closed { .. } | Error::Io { .. }), "{error}"),
        }
        assert!(line.has_struck());
        let deadline = Instant::now() + Duration::from_secs(5);
        while count() != executed {
            assert!(Instant::now() < deadline, "{harm:?}: {} and not {executed}", count());
        }
    }
}
