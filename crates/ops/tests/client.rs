//! A client of a cluster whose slots move under it.

use std::io::{BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use redistrib_ops::client::{
    Client, InsertTally, Patience, Redirect, Requests, Watcher, await_last_reply, insert, pass_on,
};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::model::Slot;
use redistrib_ops::resp::Command;
use redistrib_ops::{Cancel, Connection, Endpoint, Error, Settings};
use redistrib_ops::{Context, Silent, migrate_slots};

use crate::support::{call, connect, discover, masters};

#[derive(Default)]
struct Seen(Vec<Redirect>);

impl Watcher for Seen {
    fn redirected(&mut self, redirect: &Redirect) {
        self.0.push(redirect.clone());
    }
}

fn server() -> TestServer {
    TestServer::named("redis-7.0").unwrap()
}

fn words(line: &str) -> Command {
    Command::from_args(line.split(' '))
}

#[test]
fn a_command_ends_where_its_key_is() {
    let lab = TempLab::cluster(&server(), 3, 0).unwrap();
    let nodes = lab.endpoints();
    let mut client = Client::new(&nodes[0], lab.settings(), Cancel::new());
    let mut seen = Seen::default();
    let reply = client.follow(&words("SET mykey maxie"), &mut seen).unwrap();
    assert!(reply.view().is_ok());
    assert_eq!(seen.0.len(), 1);
    assert_eq!((seen.0[0].slot.get(), seen.0[0].ask), (14687, false));
    assert_eq!(client.endpoint(), &seen.0[0].to);
    // From there on it is asked first.
    client.follow(&words("GET mykey"), &mut seen).unwrap();
    assert_eq!(seen.0.len(), 1);
    // Without following, the node's word is the reply.
    let refused = client.request(&words("GET hello"), &mut ()).unwrap();
    assert!(refused.view().as_error().unwrap().starts_with(b"MOVED 866 "));
}

#[test]
fn an_open_slot_is_served_by_both_its_nodes() {
    let lab = TempLab::cluster(&server(), 3, 0).unwrap();
    let cluster = discover(&lab);
    let (from, to) = (cluster.owner(Slot::of_key(b"a")).unwrap().id(), masters(&cluster));
    let to = to.into_iter().find(|id| *id != from).unwrap();
    let (mut source, mut target) = (connect(&lab, &cluster, from), connect(&lab, &cluster, to));
    let slot = Slot::of_key(b"a");
    call(&mut source, "SET {a}here 1");
    call(&mut target, &format!("CLUSTER SETSLOT {slot} IMPORTING {from}"));
    call(&mut source, &format!("CLUSTER SETSLOT {slot} MIGRATING {to}"));

    let patience = Patience { wait: Duration::from_millis(50), ..Patience::default() };
    let mut client =
        Client::new(source.endpoint(), lab.settings(), Cancel::new()).with_patience(patience);
    let mut seen = Seen::default();
    assert!(client.follow(&words("SET {a}new 2"), &mut seen).unwrap().view().is_ok());
    assert!(seen.0[0].ask && seen.0[0].to == *target.endpoint());
    // The target sends back what is not asked for with ASKING: one ASK is for one command.
    let here = client.follow(&words("GET {a}here"), &mut seen).unwrap();
    assert_eq!(here.view().as_str(), Some("1"));
    // One key here, one there: only patience helps, and that ends.
    let both = client.follow(&words("MGET {a}here {a}new"), &mut ()).unwrap();
    assert!(both.view().as_error().unwrap().starts_with(b"TRYAGAIN"));
}

#[test]
fn nodes_that_point_at_each_other_are_not_followed_for_ever() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {
            let _ = stream.write_all(format!("-MOVED 5 :{port}\r\n").as_bytes());
        }
    });
    let node = Endpoint::tcp("127.0.0.1", port);
    let mut client = Client::new(&node, &Settings::default(), Cancel::new());
    let mut seen = Seen::default();
    let reply = client.follow(&words("GET a"), &mut seen).unwrap();
    assert!(reply.view().as_error().unwrap().starts_with(b"MOVED"));
    assert_eq!(seen.0.len(), 16);
    assert!(seen.0.iter().all(|redirect| redirect.to == node));
}

#[test]
fn a_command_is_not_sent_twice_and_a_wait_can_be_ended() {
    let lab = TempLab::plain(&server(), 1).unwrap();
    let cancel = Cancel::new();
    let mut client = Client::new(&lab.endpoints()[0], lab.settings(), cancel.clone());
    client.request(&words("INCR n"), &mut ()).unwrap();
    cancel.press();
    let error = client.request(&words("BLPOP nolist 0"), &mut ()).unwrap_err();
    assert!(matches!(error, Error::Cancelled(_)), "{error}");
    cancel.clear();
    lab.kill(0);
    assert!(!client.is_connected());
    let error = client.request(&words("INCR n"), &mut ()).unwrap_err();
    assert!(matches!(error, Error::Connect { .. }), "{error}");
    lab.restart(0).unwrap();
    let reply = client.request(&words("INCR n"), &mut ()).unwrap();
    assert_eq!(reply.view().as_int(), Some(1));
}

/// Ends once `done`, not before every key was counted up at least once.
fn counting<'a>(
    keys: usize,
    done: &'a AtomicBool,
    sent: &'a mut Vec<u64>,
) -> impl Iterator<Item = Command> + 'a {
    sent.resize(keys, 0);
    (0..).map_while(move |n: usize| {
        if n >= keys && done.load(Ordering::SeqCst) && n.is_multiple_of(keys) {
            return None;
        }
        sent[n % keys] += 1;
        Some(Command::new("INCR").arg(format!("count:{}", n % keys)))
    })
}

#[test]
fn insertion_survives_slots_that_move() {
    let lab = TempLab::cluster(&server(), 3, 0).unwrap();
    let cluster = discover(&lab);
    let endpoint = |id| cluster.member(id).unwrap().endpoint().clone();
    let nodes: Vec<Endpoint> = masters(&cluster).into_iter().map(endpoint).collect();
    let done = AtomicBool::new(false);
    let mut sent = Vec::new();
    let tally = thread::scope(|scope| {
        scope.spawn(|| {
            // Half a node's slots to its neighbour, and back.
            let half = "0-2700".parse().unwrap();
            let (one, other) = (&nodes[0], &nodes[1]);
            let cancel = Cancel::new();
            let context = Context::new(&Silent, &cancel);
            migrate_slots(one, other, &half, lab.settings(), context).unwrap();
            migrate_slots(other, one, &half, lab.settings(), context).unwrap();
            done.store(true, Ordering::SeqCst);
        });
        let commands = counting(5000, &done, &mut sent).map(Ok);
        let mut refused = |text: &[u8]| panic!("{}", text.escape_ascii());
        let mut tally = InsertTally::new(&mut refused);
        insert(commands, &nodes[2], 0, lab.settings(), &Cancel::new(), &mut tally).unwrap();
        tally.counts()
    });
    assert_eq!(tally.replies, sent.iter().sum::<u64>());
    assert!(tally.redirects > 0, "slots moved under it");
    let mut client = Client::new(&lab.endpoints()[0], lab.settings(), Cancel::new());
    for (n, count) in sent.iter().enumerate() {
        let reply = client.follow(&words(&format!("GET count:{n}")), &mut ()).unwrap();
        assert_eq!(reply.view().as_str(), Some(count.to_string().as_str()), "count:{n}");
    }
}

#[test]
fn insertion_routes_every_kind_of_command_and_refuses_what_it_cannot() {
    for server in TestServer::all().unwrap() {
        insert_every_kind(&server);
    }
}

/// By what each version says of its commands.
fn insert_every_kind(server: &TestServer) {
    let lab = TempLab::cluster(server, 3, 0).unwrap();
    let seed = &lab.endpoints()[0];
    let mut texts = Vec::new();
    let mut run = |input: &str| {
        let mut refused = |text: &[u8]| texts.push(String::from_utf8_lossy(text).into_owned());
        let requests = Requests::new(input.as_bytes());
        let mut tally = InsertTally::new(&mut refused);
        insert(requests, seed, 0, lab.settings(), &Cancel::new(), &mut tally)
            .map(|()| tally.counts())
    };
    let tally =
        run("PING\r\nMSET {x}1 a {x}2 b\r\nEVAL \"return redis.call('get',KEYS[1])\" 1 {x}1\r\n\
         XADD s * f v\r\nXGROUP CREATE s g 0\r\nXREADGROUP GROUP g c STREAMS s >\r\nGET {x}1\r\n\
         MEMORY USAGE {x}2\r\nMSET {x}1 a {y}1 b\r\nNOSUCH\r\n")
        .unwrap();
    assert_eq!((tally.replies, tally.errors), (10, 2), "{}", server.name);
    let broken = run("SET a 1\r\n*1\r\n:3\r\n").unwrap_err().to_string();
    assert!(broken.contains("command 2") && broken.contains("; 1 commands before"), "{broken}");
    let stateful = run("MULTI\r\n").unwrap_err().to_string();
    assert!(
        stateful.contains("MULTI") && stateful.contains("take it out of the input"),
        "{stateful}"
    );
    // Nodes answer in no order.
    texts.sort();
    assert!(texts[0].starts_with("CROSSSLOT") && texts[1].starts_with("ERR unknown"), "{texts:?}");
}

#[test]
fn a_stream_for_one_server_passes_as_it_is() {
    let lab = TempLab::plain(&server(), 1).unwrap();
    let mut link = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    let mut input: Vec<u8> = Vec::new();
    for n in 0..50_000 {
        Command::new("SET").arg(format!("key:{n}")).arg(n).encode_into(&mut input);
    }
    input.extend(b"SET only-one-word\r\nGET key:7");
    let mut texts = Vec::new();
    let mut refused = |text: &[u8]| texts.push(text.to_vec());
    let patience = Duration::from_secs(60);
    let mut tally = InsertTally::new(&mut refused);
    let cancel = Cancel::new();
    pass_on(&mut &input[..], &mut link, &cancel, &mut tally).unwrap();
    await_last_reply(&mut link, patience, &cancel, &mut tally).unwrap();
    let tally = tally.counts();
    assert_eq!((tally.replies, tally.errors), (50_002, 1));
    // Nodes answer in no order.
    texts.sort();
    assert!(texts[0].starts_with(b"ERR wrong number"));
    assert_eq!(call(&mut link, "DBSIZE").view().as_int(), Some(50_000));
}

/// A node that owns every slot and refuses its first `refusals` writes for the moment; tells in which order it
/// executed the others.
fn reluctant_node(refusals: usize) -> (Endpoint, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (executed, order) = mpsc::channel();
    let writes = AtomicUsize::new(0);
    let answer = move |command: &Command| match command.name() {
        b"COMMAND" => {
            "*1\r\n*6\r\n$3\r\nset\r\n:-3\r\n*1\r\n+write\r\n:1\r\n:1\r\n:1\r\n".to_owned()
        }
        b"CLUSTER" => {
            let id = "a".repeat(40);
            let line = format!("{id} 127.0.0.1:{port}@1 myself,master - 0 0 1 connected 0-16383\n");
            format!("${}\r\n{line}\r\n", line.len())
        }
        _ if writes.fetch_add(1, Ordering::SeqCst) < refusals => {
            "-CLUSTERDOWN The cluster is down\r\n".to_owned()
        }
        _ => {
            let value = command.args().nth(2).unwrap();
            executed.send(String::from_utf8_lossy(value).into_owned()).unwrap();
            "+OK\r\n".to_owned()
        }
    };
    thread::spawn(move || {
        thread::scope(|scope| {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let answer = &answer;
                scope.spawn(move || {
                    let input = BufReader::new(stream.try_clone().unwrap());
                    for command in Requests::new(input).map_while(Result::ok) {
                        stream.write_all(answer(&command).as_bytes()).unwrap();
                    }
                });
            }
        });
    });
    (Endpoint::tcp("127.0.0.1", port), order)
}

#[test]
fn no_command_overtakes_one_on_its_key_that_was_refused() {
    // The first two writes of a burst are refused, and then the first alone: the second must not pass it.
    let (seed, order) = reluctant_node(3);
    let input = &b"SET k first\r\nSET k second\r\n"[..];
    let mut refused = |text: &[u8]| panic!("{}", text.escape_ascii());
    let settings = Settings::default();
    let mut tally = InsertTally::new(&mut refused);
    insert(Requests::new(input), &seed, 0, &settings, &Cancel::new(), &mut tally).unwrap();
    let tally = tally.counts();
    assert_eq!((tally.replies, tally.errors), (2, 0));
    assert_eq!(order.try_iter().collect::<Vec<_>>(), ["first", "second"]);
}
