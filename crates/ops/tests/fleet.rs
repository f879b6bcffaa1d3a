//! Sharded fleets on real servers: another client's data, commands across servers, and the way out.

use std::io::{Read, Write};
use std::net::TcpStream;

use redistrib_ops::fleet::{Answer, Fleet, FleetClient, FleetNode, FleetOptions};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::resp::{Reply, Value, View};
use redistrib_ops::transfer::{
    SkipReason, Source, Tags, Target, Transfer, TransferOptions, TransferReport,
};
use redistrib_ops::{Cancel, Context, Endpoint, Settings, Silent};

use crate::keys::{assert_same, call, connect, fill, read_all, read_everywhere, server, servers};

/// A client of the scheme that shares nothing with ours but the formula: the checksum bit by bit, the rule
/// of the hash tag, and inline commands over bare sockets.
struct OtherClient {
    ports: Vec<u16>,
}

impl OtherClient {
    fn crc32(text: &[u8]) -> u32 {
        !text.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
            })
        })
    }

    /// Does a command on one key, whose name may be written `a{b}`.
    fn on_key(&self, name: &str, key: &str, rest: &str) {
        let (stored, hashed) = match key.split_once('{') {
            Some((stored, tag)) => (stored, &tag[..tag.len() - 1]),
            None => (key, key),
        };
        let number = Self::crc32(hashed.as_bytes()) as usize % self.ports.len() + 1;
        let mut socket = TcpStream::connect(("127.0.0.1", self.ports[number - 1])).unwrap();
        write!(socket, "{name} {stored} {rest}\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        assert!(!answer.starts_with('-'), "{name} {key}: {answer}");
    }
}

fn plain(name: &'static str, count: usize) -> TempLab {
    TempLab::plain(&TestServer::named(name).unwrap(), count).unwrap()
}

fn nodes(endpoints: &[Endpoint]) -> Vec<FleetNode> {
    let named = endpoints.iter().zip(1..);
    named.map(|(at, number)| FleetNode::new(format!("node_{number}"), at.clone())).collect()
}

fn fleet(endpoints: &[Endpoint]) -> Fleet {
    Fleet::new(nodes(endpoints), Vec::new()).unwrap()
}

fn client(endpoints: &[Endpoint]) -> FleetClient {
    FleetClient::new(fleet(endpoints), &Settings::default(), FleetOptions::default())
}

fn one(client: &mut FleetClient, line: &str) -> Reply {
    let words: Vec<&str> = line.split(' ').collect();
    match client.execute(&words).unwrap() {
        Answer::One(reply) => reply,
        Answer::Each(_) => panic!("{line} has several answers"),
    }
}

/// An answer in short.
fn show(view: View<'_>) -> String {
    match view.value() {
        Value::Integer(number) => number.to_string(),
        Value::Null => "nil".into(),
        Value::Error(text) => format!("-{}", String::from_utf8_lossy(text)),
        _ if view.as_bytes().is_some() => String::from_utf8_lossy(view.as_bytes().unwrap()).into(),
        _ => view.elements().map(show).collect::<Vec<_>>().join(" "),
    }
}

fn ask(client: &mut FleetClient, line: &str) -> String {
    show(one(client, line).view())
}

fn ask_sorted(client: &mut FleetClient, line: &str) -> String {
    let answer = ask(client, line);
    let mut words: Vec<&str> = answer.split(' ').collect();
    words.sort_unstable();
    words.join(" ")
}

#[test]
fn what_another_client_of_the_scheme_wrote_is_found_where_it_lies() {
    for test_server in TestServer::all().unwrap() {
        let lab = TempLab::plain(&test_server, 3).unwrap();
        let ports = lab.endpoints().iter().map(|at| at.port().unwrap()).collect();
        let other = OtherClient { ports };
        for number in 0..300 {
            other.on_key("SET", &format!("key:{number}"), &format!("v{number}"));
        }
        for number in 0..50 {
            other.on_key("SET", &format!("tagged:{number}{{group{}}}", number % 5), "t");
            other.on_key("RPUSH", &format!("list:{number}"), "a b c");
        }
        let mut client = client(&lab.endpoints());
        for number in 0..300 {
            assert_eq!(ask(&mut client, &format!("GET key:{number}")), format!("v{number}"));
        }
        for number in 0..50 {
            let tagged = format!("GET tagged:{number}{{group{}}}", number % 5);
            assert_eq!(ask(&mut client, &tagged), "t", "{tagged}");
            assert_eq!(ask(&mut client, &format!("LRANGE list:{number} 1 -1")), "b c");
        }
        assert_eq!(ask(&mut client, "DBSIZE"), "400", "{}", test_server.name);
        assert_eq!(one(&mut client, "KEYS *").view().len(), 400);
        assert_eq!(ask(&mut client, "EXISTS key:1 key:2 key:3 nothing"), "3");
    }
}

/// The examples of rediscluster-py's README, with its two masters.
#[test]
fn the_librarys_own_examples_answer_as_they_do_there() {
    let lab = plain("redis-7.0", 2);
    let mut client = client(&lab.endpoints());
    let mut check = |line: &str, answer: &str| assert_eq!(ask(&mut client, line), answer, "{line}");
    check("SET foo bar", "OK");
    check("GET foo", "bar");
    check("DEL foo", "1");
    check("MSET bar{foo} bar foo foo", "OK");
    check("MGET bar{foo} foo", "bar foo");
    check("GET bar", "nil");
    check("GET bar{foo}", "bar");
    check("DEL foo bar{foo} bar", "2");
    check("SADD foo a1 a2 a3", "3");
    check("SADD bar b1 a2 b3", "3");
    check("SDIFFSTORE foobar foo bar", "2");
    assert_eq!(ask_sorted(&mut client, "SMEMBERS foobar"), "a1 a3");
    let place = |key: &[u8]| client.fleet().master_of(key).name.clone();
    assert_eq!([place(b"foo"), place(b"bar"), place(b"foobar")], ["node_2", "node_1", "node_2"]);
}

#[test]
fn commands_on_keys_of_several_servers_give_the_right_answer() {
    let lab = plain("valkey-8.1", 2);
    let mut client = client(&lab.endpoints());
    // bar, zap at node_1; foo, a at node_2.
    for (line, answer) in [
        ("MSET foo 1 bar 2 a 3", "OK"),
        ("MGET bar nothing foo a bar", "2 nil 1 3 2"),
        ("EXISTS foo bar foo nothing", "3"),
        ("MSETNX zap 1 foo 9", "0"),
        ("EXISTS zap", "0"),
        ("MSETNX zap 1 new 9", "1"),
        ("MGET zap new", "1 9"),
        ("RENAMENX foo bar", "0"),
        ("RENAMENX nothing bar", "-ERR no such key"),
        ("RENAME nothing bar", "-ERR no such key"),
        ("EXPIRE foo 1000", "1"),
        ("RENAME foo bar", "OK"),
        ("MGET foo bar", "nil 1"),
        ("TTL bar", "1000"),
        ("RENAMENX bar foo", "1"),
        ("TTL foo", "1000"),
        ("DEL foo bar a zap new", "4"),
        ("DBSIZE", "0"),
        ("RPUSH foo x y z", "3"),
        ("RPOPLPUSH foo bar", "z"),
        ("RPOPLPUSH foo bar", "y"),
        ("LRANGE bar 0 -1", "y z"),
        ("RPOPLPUSH nothing bar", "nil"),
        ("BRPOPLPUSH foo bar 1", "x"),
        ("BRPOPLPUSH foo bar 0.1", "nil"),
        ("SET zap text", "OK"),
        ("RPUSH foo kept", "1"),
        ("RPOPLPUSH foo zap", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("LRANGE foo 0 -1", "kept"),
        ("SINTER foo bar", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ("UNLINK foo bar zap", "3"),
        ("SADD foo m n o", "3"),
        ("SADD bar n p", "2"),
        ("SMOVE foo bar nothing", "0"),
        ("SMOVE foo bar m", "1"),
        ("SMOVE foo bar n", "1"),
        ("SCARD foo", "1"),
        ("SUNIONSTORE a foo bar nothing", "4"),
        ("SINTERSTORE a foo bar", "0"),
        ("EXISTS a", "0"),
        ("SET a old", "OK"),
        ("SUNIONSTORE a foo bar", "4"),
        ("SCARD a", "4"),
    ] {
        assert_eq!(ask(&mut client, line), answer, "{line}");
    }
    assert_eq!(ask_sorted(&mut client, "SUNION foo bar"), "m n o p");
    assert_eq!(ask_sorted(&mut client, "SDIFF bar foo"), "m n p");
    assert_eq!(ask(&mut client, "SINTER foo a"), "o");
    let refused = ask(&mut client, "ZUNIONSTORE foo 1 bar");
    assert!(refused.contains("ZUNIONSTORE is not for a fleet") && refused.contains("node_1"));
    assert_eq!(ask(&mut client, "ZUNIONSTORE z{bar} 1 bar"), "3");
    assert!(ask(&mut client, "EVAL return 0").starts_with("-ERR EVAL is not for a fleet"));
}

#[test]
fn every_server_answers_what_concerns_all() {
    let lab = plain("redis-6.2", 2);
    let mut client = client(&lab.endpoints());
    let each = |client: &mut FleetClient, line: &str| match client
        .execute(&line.split(' ').collect::<Vec<_>>())
        .unwrap()
    {
        Answer::Each(answers) => answers
            .into_iter()
            .map(|(name, answer)| format!("{name}:{}", show(answer.unwrap().view())))
            .collect::<Vec<_>>()
            .join(" "),
        Answer::One(reply) => panic!("{line}: {reply:?}"),
    };
    assert_eq!(each(&mut client, "PING"), "node_1:PONG node_2:PONG");
    assert_eq!(each(&mut client, "CONFIG SET timeout 300"), "node_1:OK node_2:OK");
    assert_eq!(each(&mut client, "CONFIG GET timeout"), "node_1:timeout 300 node_2:timeout 300");
    ask(&mut client, "MSET foo 1 bar 2");
    assert!(["foo", "bar"].contains(&ask(&mut client, "RANDOMKEY").as_str()));
    assert_eq!(each(&mut client, "FLUSHDB"), "node_1:OK node_2:OK");
    assert_eq!(ask(&mut client, "RANDOMKEY"), "nil");
    assert_eq!(ask(&mut client, "DBSIZE"), "0");
}

#[test]
fn reads_go_to_a_replica_and_writes_to_the_master() {
    let lab = plain("valkey-9.1", 3);
    let at = lab.endpoints();
    let mut replica = connect(&server(&lab, 2));
    call(&mut replica, &["REPLICAOF", "127.0.0.1", &at[1].port().unwrap().to_string()]);
    let mut client = client(&at[..2]);
    ask(&mut client, "SET foo 1"); // At node_2, which has the replica.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while show(call(&mut replica, &["EXISTS", "foo"]).view()) != "1" {
        assert!(std::time::Instant::now() < until, "the replica does not follow");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    // What only the replica has shows who was asked.
    call(&mut replica, &["CONFIG", "SET", "replica-read-only", "no"]);
    call(&mut replica, &["SET", "foo", "replica's"]);
    assert_eq!(ask(&mut client, "GET foo"), "replica's");
    let options = FleetOptions { masters_only: true, ..Default::default() };
    let mut masters = FleetClient::new(fleet(&at[..2]), &Settings::default(), options);
    assert_eq!(ask(&mut masters, "GET foo"), "1");

    let named = Fleet::new(
        [nodes(&at[..2]), vec![FleetNode::new("node_6", at[2].clone())]].concat(),
        vec![("node_2".into(), "node_6".into()), ("node_1".into(), "node_1".into())],
    );
    let mut named = FleetClient::new(named.unwrap(), &Settings::default(), FleetOptions::default());
    assert_eq!(ask(&mut named, "MGET foo bar"), "replica's nil");
    call(&mut replica, &["REPLICAOF", "NO", "ONE"]);
    let named = named.fleet().clone();
    let mut later = FleetClient::new(named, &Settings::default(), FleetOptions::default());
    assert_eq!(ask(&mut later, "GET foo"), "1");
    assert!(later.take_warnings()[0].contains("is a master"));
}

fn run(transfer: &Transfer, options: &TransferOptions) -> TransferReport {
    let cancel = Cancel::new();
    transfer.run(options, Context::new(&Silent, &cancel)).unwrap()
}

#[test]
fn two_servers_become_three_become_a_cluster() {
    for test_server in TestServer::all().unwrap() {
        let lab = TempLab::plain(&test_server, 4).unwrap();
        let all = servers(&lab);
        let moving = TransferOptions { remove: true, verify: true, ..Default::default() };
        fill(&mut connect(&all[3]), "k", 3000);
        let before = read_all(&mut connect(&all[3]));

        // One server becomes a fleet of two, and keeps what it had.
        let spread =
            Transfer::new(Source::Servers(vec![all[3].clone()]), Target::Fleet(all[..2].to_vec()));
        let report = run(&spread, &TransferOptions { verify: true, ..Default::default() });
        assert!(report.is_complete(), "{}: {report:?}", test_server.name);
        assert_eq!(report.braced, 1);
        let literal = FleetOptions { literal_keys: true, ..Default::default() };
        let endpoints = lab.endpoints();
        let mut two = FleetClient::new(fleet(&endpoints[..2]), &Settings::default(), literal);
        assert_eq!(ask(&mut two, "GET k:17"), "value 17 of k".to_owned());
        assert_same(&read_everywhere(&all[..2]), &before, test_server.name);

        // A key written with a hash tag lies where its name does not lead.
        ask(&mut client(&endpoints[..2]), "SET bar{foo} tagged");
        ask(&mut client(&endpoints[..2]), "DEL k:0");
        let before = read_everywhere(&all[..2]);
        let grow = |tags: Tags| {
            Transfer::new(Source::Fleet(all[..2].to_vec()), Target::Fleet(all[..3].to_vec()))
                .with_tags(tags)
        };
        let report = run(&grow(Tags::default()), &moving);
        assert!(report.is_complete(), "{}: {report:?}", test_server.name);
        assert!(report.stayed > 0 && report.removed == report.copied, "{report:?}");
        assert_eq!(report.strays.count, 1);
        assert_eq!(report.strays.named[0].key, "bar");
        assert_eq!(report.strays.named[0].reason, SkipReason::Stray);
        assert_same(&read_everywhere(&all[..3]), &before, test_server.name);
        let report = run(&grow(Tags::parse(b"bar{foo}\n")), &moving);
        assert_eq!((report.copied, report.strays.count), (1, 0), "{}", test_server.name);
        let mut three = client(&endpoints[..3]);
        assert_eq!(ask(&mut three, "GET bar{foo}"), "tagged");
        assert_eq!(ask(&mut three, "GET k:17"), "value 17 of k".to_owned());

        // The fleet becomes a cluster.
        let cluster = TempLab::cluster(&test_server, 3, 0).unwrap();
        let import =
            Transfer::new(Source::Fleet(all[..3].to_vec()), Target::Cluster(server(&cluster, 1)));
        let report = run(&import, &TransferOptions { verify: true, ..Default::default() });
        assert!(report.is_complete(), "{}: {report:?}", test_server.name);
        assert_eq!(report.verified, before.len() as u64);
        assert_same(&read_everywhere(&servers(&cluster)), &before, test_server.name);
    }
}
