//! Sharded fleets and copying, run as a user does.

use std::process::Stdio;
use std::time::{Duration, Instant};

use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{Connection, Endpoint, Settings};

use crate::support::{program, trib, trib_with};

fn plain(count: usize) -> TempLab {
    TempLab::plain(&TestServer::named("redis-7.0").unwrap(), count).unwrap()
}

fn call(at: &Endpoint, words: &[&str]) -> Reply {
    let mut server = Connection::open(at, &Settings::default()).unwrap();
    server.call(&Command::from_args(words)).unwrap()
}

fn size(at: &Endpoint) -> i64 {
    call(at, &["DBSIZE"]).view().as_int().unwrap()
}

/// Writes plain keys.
fn fill(at: &Endpoint, count: usize) {
    let mut server = Connection::open(at, &Settings::default()).unwrap();
    let set = |number: usize| {
        Command::new("SET").arg(format!("key:{number}")).arg(format!("value:{number}"))
    };
    for from in (0..count).step_by(1000) {
        let commands: Vec<Command> = (from..(from + 1000).min(count)).map(set).collect();
        server.call_all(&commands).unwrap();
    }
}

fn nodes(endpoints: &[Endpoint]) -> Vec<String> {
    let named = endpoints.iter().zip(1..);
    named.map(|(at, number)| format!("node_{number}={at}")).collect()
}

/// Arguments with the nodes of a fleet behind `--node` or the like.
fn with_nodes<'a>(before: &[&'a str], nodes: &'a [String], after: &[&'a str]) -> Vec<&'a str> {
    [before, &nodes.iter().map(String::as_str).collect::<Vec<_>>(), after].concat()
}

#[test]
fn a_fleet_is_used_as_one_server() {
    let lab = plain(2);
    let nodes = nodes(&lab.endpoints());
    let run = |after: &[&str]| trib(&with_nodes(&["sharded", "--node"], &nodes, after));
    run(&["node-for", "foo", "bar{foo}"]).expect(0).shows(&[
        "foo is at node_2",
        "bar{foo} is at node_2",
        "as \"bar\"",
    ]);
    let json = run(&["node-for", "--json", "bar{foo}"]).expect(0).stdout;
    assert!(json.contains(r#""stored":"bar","node":"node_2""#), "{json}");
    run(&["exec", "MSET", "foo", "1", "bar", "2", "-x", "--yes"]).expect(0).shows(&["OK"]);
    run(&["exec", "MGET", "bar", "foo", "-x"]).expect(0).shows(&["2\n1\n--yes\n"]);
    run(&["exec", "PING"]).expect(0).shows(&["node_1:\nPONG\nnode_2:\nPONG"]);
    run(&["exec", "--json", "TYPE", "foo"]).expect(0).shows(&["{\"simple\":\"string\"}"]);
    let lines = run(&["exec", "--json", "PING"]).expect(0).stdout;
    let [one, two] = ["node_1", "node_2"]
        .map(|node| format!(r#"{{"node":"{node}","reply":{{"simple":"PONG"}}}}"#));
    assert_eq!(lines, format!("{one}\n{two}\n"));
    run(&["exec", "MULTI"]).expect(1).shows(&["MULTI is not for a fleet"]);
    run(&["exec", "--no-raw", "DBSIZE"]).expect(0).shows(&["(integer) 3"]);
    trib_with(
        "SADD s1 a b\nSADD s2 b c\n\nSINTER s1 s2\nquit\nDBSIZE\n",
        &with_nodes(&["sharded", "--node"], &nodes, &["shell"]),
    )
    .expect(0)
    .shows(&["2\n2\nb\n"]);
    let help = trib(&["sharded", "exec", "--help"]).expect(0);
    help.shows(&["These have a way of their own", "MSETNX: looks at all keys first", "refused"]);
}

#[test]
fn a_file_describes_a_fleet_and_its_password_shows_nowhere() {
    let lab = plain(1);
    let at = &lab.endpoints()[0];
    call(at, &["CONFIG", "SET", "requirepass", "hush-hush"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.toml");
    let name = file.to_str().unwrap();
    let text = format!("password = 'hush-hush'\ndb = 2\n[nodes]\nnode_1 = '{at}'\n");
    std::fs::write(&file, text).unwrap();
    trib(&["sharded", "exec", "--fleet", name, "SET", "k", "v"]).expect(0).shows(&["OK"]);
    trib(&["sharded", "exec", "--fleet", name, "GET", "k"]).expect(0).shows(&["v"]);
    std::fs::write(&file, "[nodes]\nnode_1 = 'h:1'\npassword = 'hush-hush\n").unwrap();
    let run = trib(&["sharded", "exec", "--fleet", name, "GET", "k"]).expect(1);
    assert!(!run.stderr.contains("hush-hush"), "{}", run.stderr);
    run.complains(&["fleet.toml, line 3"]);
    trib(&["sharded", "exec", "--node", "node_2=h:1", "GET", "k"])
        .expect(1)
        .complains(&["there is no node_1"]);
    trib(&["sharded", "exec", "GET", "k"]).expect(2);
}

#[test]
fn one_server_becomes_a_fleet_becomes_a_larger_one_becomes_a_cluster() {
    let lab = plain(4);
    let at = lab.endpoints();
    fill(&at[3], 2000);
    let (two, three) = (nodes(&at[..2]), nodes(&at[..3]));
    let single = at[3].to_string();
    let first = ["reshard-fleet", "--from", &single, "--copy", "--node"];
    trib(&with_nodes(&first, &two, &["--dry-run"]))
        .expect(0)
        .shows(&["keys would go to", "2000 keys looked at: 2000 would be copied"]);
    assert_eq!(size(&at[0]), 0);
    trib(&with_nodes(&first, &two, &["--verify"]))
        .expect(0)
        .shows(&["[OK] Copied 2000 keys", "2000 verified"]);
    assert_eq!((size(&at[0]) + size(&at[1]), size(&at[3])), (2000, 2000));

    let grow = with_nodes(&["reshard-fleet", "--from-node"], &two, &["--node"]);
    trib(&with_nodes(&grow, &three, &[])).expect(0).shows(&[
        "[OK] Copied",
        "are where they belong",
        "were removed from the source",
    ]);
    let sizes: Vec<i64> = at[..3].iter().map(size).collect();
    assert_eq!(sizes.iter().sum::<i64>(), 2000, "{sizes:?}");
    assert!(sizes.iter().all(|&size| size > 500), "{sizes:?}");

    let cluster = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let node = cluster.endpoints()[0].to_string();
    let import = ["import", node.as_str(), "--copy", "--verify", "--json", "--from-node"];
    let run = trib(&with_nodes(&import, &three, &[])).expect(0);
    let last = run.stdout.lines().last().unwrap();
    assert!(
        last.starts_with(r#"{"event":"report","expected":2000,"seen":2000,"copied":2000"#),
        "{last}"
    );
    assert_eq!(cluster.endpoints().iter().map(size).sum::<i64>(), 2000);
}

#[test]
fn a_killed_move_is_completed_by_the_same_command() {
    let lab = plain(2);
    let at = lab.endpoints();
    fill(&at[0], 30_000);
    let cluster = TempLab::cluster(&TestServer::named("redis-7.0").unwrap(), 3, 0).unwrap();
    let (from, node) = (at[0].to_string(), cluster.endpoints()[0].to_string());
    let import = ["import", &node, "--from", &from];
    for _ in 0..3 {
        let mut child =
            program().args(import).args(["--rate", "20000"]).stdout(Stdio::null()).spawn().unwrap();
        let begun = size(&at[0]);
        let until = Instant::now() + Duration::from_secs(60);
        while size(&at[0]) > begun - 2000 {
            assert!(Instant::now() < until, "nothing moves");
            std::thread::sleep(Duration::from_millis(5));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let moved: i64 = cluster.endpoints().iter().map(size).sum();
        assert!(moved + size(&at[0]) >= 30_000, "a key is lost");
        assert!(size(&at[0]) > 0);
    }
    trib(&import).expect(0).shows(&["[OK] Copied"]);
    assert_eq!(size(&at[0]), 0);
    assert_eq!(cluster.endpoints().iter().map(size).sum::<i64>(), 30_000);
}

#[test]
fn a_transfer_that_ends_early_tells_how_to_go_on() {
    let lab = plain(2);
    let at = lab.endpoints();
    fill(&at[0], 5000);
    call(&at[1], &["CONFIG", "SET", "maxmemory", "1mb"]);
    let (from, to) = (at[0].to_string(), at[1].to_string());
    trib(&["copy", &from, &to]).expect(1).shows(&[
        "OOM command not allowed",
        "Ended early",
        "of about 5000 keys",
        "run the same command again",
    ]);
}

#[test]
fn copy_names_what_it_leaves() {
    let lab = plain(2);
    let at = lab.endpoints();
    fill(&at[0], 10);
    call(&at[1], &["SET", "key:3", "mine"]);
    let (from, to) = (at[0].to_string(), at[1].to_string());
    trib(&["copy", &from, &to]).expect(1).shows(&[
        "[ERR] 1 key was not copied",
        "key:3",
        "BUSYKEY",
    ]);
    trib(&["copy", &from, &to, "--replace", "--match", "key:3"])
        .expect(0)
        .shows(&["[OK] Copied 1 key ("]);
    let (host, port) = from.split_once(':').unwrap();
    trib(&["copy", host, port, &to, "--to-db", "1"]).expect(0).shows(&["Copied 10 keys"]);
    trib(&["copy", &from, &from]).expect(1).complains(&["source and target in one"]);
}
