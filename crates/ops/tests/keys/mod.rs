//! Keys of all sorts, and what is to stay the same of them.

use std::collections::BTreeMap;

use redistrib_ops::lab::TempLab;
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::transfer::Server;
use redistrib_ops::{Connection, Endpoint, Settings};

/// What a key is: its type, its value, and when it expires to the second.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct State {
    kind: String,
    value: Vec<u8>,
    expires: Option<i64>,
}

pub(crate) type States = BTreeMap<Vec<u8>, State>;

pub(crate) fn server(lab: &TempLab, index: usize) -> Server {
    Server::new(lab.endpoints()[index].clone(), lab.settings().clone())
}

pub(crate) fn servers(lab: &TempLab) -> Vec<Server> {
    (0..lab.endpoints().len()).map(|index| server(lab, index)).collect()
}

pub(crate) fn connect(server: &Server) -> Connection {
    server.connect().unwrap()
}

pub(crate) fn open(endpoint: &Endpoint) -> Connection {
    Connection::open(endpoint, &Settings::default()).unwrap()
}

pub(crate) fn call(connection: &mut Connection, words: &[&str]) -> Reply {
    connection.call(&Command::from_args(words)).unwrap()
}

/// Writes keys of every type and of most encodings, some of which expire.
pub(crate) fn fill(connection: &mut Connection, prefix: &str, count: usize) {
    let mut commands = Vec::new();
    for number in 0..count {
        let key = format!("{prefix}:{number}");
        let set = Command::new("SET").arg(&key).arg(format!("value {number} of {prefix}"));
        commands.push(if number % 7 == 3 { set.arg("EX").arg(1000 + number) } else { set });
    }
    for (number, size) in [3usize, 700].into_iter().enumerate() {
        let members: Vec<String> = (0..size).map(|member| format!("m{member}")).collect();
        let numbered: Vec<String> = (0..size)
            .flat_map(|member| [format!("{}.1", member * 3), format!("m{member}")])
            .collect();
        let pairs: Vec<String> =
            (0..size).flat_map(|field| [format!("f{field}"), "x".repeat(field % 90)]).collect();
        let key = |kind: &str| format!("{prefix}:{kind}:{number}");
        commands.push(Command::new("RPUSH").arg(key("list")).args_from(&members));
        commands.push(Command::new("SADD").arg(key("set")).args_from(&members));
        commands.push(Command::new("SADD").arg(key("ints")).args_from(0..size));
        commands.push(Command::new("ZADD").arg(key("zset")).args_from(&numbered));
        commands.push(Command::new("HSET").arg(key("hash")).args_from(&pairs));
        for entry in 0..size {
            let add = Command::new("XADD").arg(key("stream")).arg(format!("{}-1", entry + 1));
            commands.push(add.arg("field").arg(entry));
        }
        let group = Command::new("XGROUP").arg("CREATE").arg(key("stream"));
        commands.push(group.arg("readers").arg("0"));
        let read = Command::new("XREADGROUP").arg("GROUP").arg("readers").arg("me").arg("COUNT");
        commands.push(read.arg(2).arg("STREAMS").arg(key("stream")).arg(">"));
        commands.push(Command::new("PEXPIRE").arg(key("hash")).arg(5_000_000));
    }
    let odd: [&[u8]; 4] = [b"line\r\nbreak", b"\x00\xff\xfe", b"", b"{tag}with space"];
    for name in odd {
        let key = [prefix.as_bytes(), name].concat();
        commands.push(Command::new("SET").arg(&key).arg(name));
    }
    connection.call_all(&commands).unwrap();
}

/// All keys of a database.
pub(crate) fn read_all(connection: &mut Connection) -> States {
    let names = call(connection, &["KEYS", "*"]);
    let names: Vec<Vec<u8>> =
        names.view().elements().map(|key| key.as_bytes().unwrap().to_vec()).collect();
    names.into_iter().map(|key| (key.clone(), state(connection, &key))).collect()
}

/// All keys of several servers together.
pub(crate) fn read_everywhere(servers: &[Server]) -> States {
    let mut states = States::new();
    for server in servers {
        for (key, state) in read_all(&mut connect(server)) {
            assert!(states.insert(key.clone(), state).is_none(), "{key:?} is there twice");
        }
    }
    states
}

pub(crate) fn state(connection: &mut Connection, key: &[u8]) -> State {
    let ask = |name: &str| Command::new(name).arg(key);
    let commands = [ask("TYPE"), ask("DUMP"), ask("PTTL"), Command::new("TIME")];
    let replies = connection.call_all(&commands).unwrap();
    let kind = replies[0].view().as_str().unwrap().to_owned();
    let dump = replies[1].view().as_bytes().unwrap().to_vec();
    let ttl = replies[2].view().as_int().unwrap();
    let now = replies[3].view().elements().next().unwrap();
    let now: i64 = now.as_str().unwrap().parse().unwrap();
    let value = match kind.as_str() {
        // Their order is each server's own.
        "set" => sorted(connection.call(&ask("SMEMBERS")).unwrap(), 1),
        "hash" => sorted(connection.call(&ask("HGETALL")).unwrap(), 2),
        _ => dump[..dump.len() - 10].to_vec(),
    };
    State { kind, value, expires: (ttl >= 0).then(|| now + ttl / 1000) }
}

fn sorted(reply: Reply, step: usize) -> Vec<u8> {
    let wires: Vec<&[u8]> = reply.view().elements().map(|it| it.wire()).collect();
    let mut groups: Vec<Vec<u8>> = wires.chunks(step).map(|group| group.concat()).collect();
    groups.sort();
    groups.concat()
}

/// Asserts that two sets of keys are the same. A second's difference in expiry is the clock's tick.
pub(crate) fn assert_same(found: &States, expected: &States, what: &str) {
    let names = |states: &States| states.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(found), names(expected), "{what}: other keys");
    for (key, state) in expected {
        let other = &found[key];
        let name = key.escape_ascii();
        assert_eq!(other.kind, state.kind, "{what}: type of {name}");
        assert!(other.value == state.value, "{what}: value of {name}");
        let same_expiry = match (other.expires, state.expires) {
            (None, None) => true,
            (Some(one), Some(two)) => (one - two).abs() <= 1,
            _ => false,
        };
        assert!(same_expiry, "{what}: expiry of {name}: {:?} {:?}", other.expires, state.expires);
    }
}
