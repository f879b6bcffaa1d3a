//! The sessions of the transcripts that the project began with, replayed on real servers.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use redistrib_ops::Secret;
use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer, free_ports};

use crate::replay;
use crate::replay::{options, replay, replay_until};

fn server() -> PathBuf {
    TestServer::named("redis-7.0").unwrap().program
}

fn lab(layout: Layout, nodes: usize, config: &[&str]) -> TempLab {
    TempLab::up(LabOptions {
        nodes: Some(nodes),
        replicas: Some(0),
        layout: Some(layout),
        server: Some(server()),
        password: Some(Secret::new("mypass")),
        config: config.iter().map(|line| (*line).to_owned()).collect(),
        ..LabOptions::default()
    })
    .unwrap()
}

fn port(lab: &TempLab, index: usize) -> u16 {
    lab.endpoints()[index].port().unwrap()
}

fn with_password(port: u16) -> Vec<String> {
    options(&format!("-p {port} -a mypass --no-auth-warning"))
}

#[test]
fn strings_lists_hashes_and_sets() {
    let lab = lab(Layout::Plain, 1, &[]);
    replay(
        &with_password(port(&lab, 0)),
        r#"
        > SETNX mykey tom
        (integer) 1
        > SETNX mykey jerry
        (integer) 0
        > GET mykey
        "tom"
        > SET mykey jerry
        OK
        > GET mykey
        "jerry"
        > SET counts 10
        OK
        > INCR counts
        (integer) 11
        > 2 DECR counts
        (integer) 10
        (integer) 9
        > LPUSH mylist 10 11 12 14 19 20 30 99 2 29 76
        (integer) 11
        > LINDEX mylist 0
        "76"
        > LINDEX mylist
        (error) ERR wrong number of arguments for 'lindex' command
        > LLEN mylist
        (integer) 11
        > LRANGE mylist 0 5
        1) "76"
        2) "29"
        3) "2"
        4) "99"
        5) "30"
        6) "20"
        > LREM mylist 0
        (error) ERR wrong number of arguments for 'lrem' command
        > LREM mylist 0 76
        (integer) 1
        > LRANGE mylist 0 -1
         1) "29"
         2) "2"
         3) "99"
         4) "30"
         5) "20"
         6) "19"
         7) "14"
         8) "12"
         9) "11"
        10) "10"
        > HSET stu id 1
        (integer) 1
        > HSET stu name 'maxie'
        (integer) 1
        > HGET stu name
        "maxie"
        > HSET stu age 22
        (integer) 1
        > HVALS stu
        1) "1"
        2) "maxie"
        3) "22"
        > HGETALL stu
        1) "id"
        2) "1"
        3) "name"
        4) "maxie"
        5) "age"
        6) "22"
        > SADD students 'tom' 'jerry' 'lucy' 'lily'
        (integer) 4
        > SADD teachers 'sam' 'trump'
        (integer) 2
        > SADD teachers 'lucy' 'tom'
        (integer) 2
        ~> SMEMBERS teachers
        1) "trump"
        2) "tom"
        3) "sam"
        4) "lucy"
        ~> SUNION students teachers
        1) "trump"
        2) "lily"
        3) "tom"
        4) "sam"
        5) "lucy"
        6) "jerry"
        ~> SDIFF students teachers
        1) "lily"
        2) "jerry"
        ~> SDIFF teachers students
        1) "trump"
        2) "sam"
        > ZADD stus 90 'maxie' 100 'tom' 69 'lily' 85 'jerry' 95 'sam'
        (integer) 5
        > ZCARD stus
        (integer) 5
        > ZRANK stus 'tom'
        (integer) 4
        > ZRANGE stus 0 4
        1) "lily"
        2) "jerry"
        3) "maxie"
        4) "sam"
        5) "tom"
        > ZRANGEBYSCORE stus 0 3
        (empty array)
        > ZRANGEBYSCORE stus 60 90
        1) "lily"
        2) "jerry"
        3) "maxie"
        > GET nosuch
        (nil)
        > SET mykey "unbalanced
        Invalid argument(s)
        "#,
    );
}

#[test]
fn clients_and_info() {
    let lab = lab(Layout::Plain, 1, &["appendonly yes"]);
    replay(
        &with_password(port(&lab, 0)),
        // The server may not have seen yet that those who waited for it have left.
        "
        > CLIENT KILL TYPE normal
        (integer) *
        > CLIENT LIST
        id=* addr=127.0.0.1:* fd=* name= age=* idle=0 flags=N db=0 * cmd=client|list *
        > CLIENT SETNAME test-1
        OK
        > CLIENT LIST
        id=* addr=127.0.0.1:* fd=* name=test-1 age=* idle=0 flags=N db=0 * cmd=client|list *
        > CLIENT KILL ID 999999
        (integer) 0
        > INFO Persistence
        # Persistence
        loading:0
        async_loading:0
        ...
        > CONFIG GET appendonly
        1) \"appendonly\"
        2) \"yes\"
        ",
    );
    let refused = options(&format!("-p {}", port(&lab, 0)));
    replay::run(replay::redis_cli(&refused), b"GET mykey\n");
    let denied = replay::run(replay::redis_cli(&refused), b"GET mykey\n");
    assert_eq!(
        String::from_utf8_lossy(&denied.stdout),
        "(error) NOAUTH Authentication required.\n"
    );
}

/// A sentinel that ends with the test.
struct Sentinel {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Sentinel {
    fn start(master: u16) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_ports(1).unwrap();
        let file = folder.path().join("sentinel.conf");
        let config = format!(
            "port {port}\ndir {}\nsentinel monitor mymaster 127.0.0.1 {master} 1\n\
             sentinel auth-pass mymaster mypass\nsentinel down-after-milliseconds mymaster 5000\n\
             sentinel parallel-syncs mymaster 1\nsentinel failover-timeout mymaster 180000\n",
            folder.path().display()
        );
        fs::write(&file, config).unwrap();
        let process = Command::new(server())
            .arg(&file)
            .arg("--sentinel")
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Self { process, port, _folder: folder }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn sentinel_masters(port: &str, replicas: &str) -> String {
    let fields = [
        ("name", "mymaster"),
        ("ip", "127.0.0.1"),
        ("port", port),
        ("runid", "*"),
        ("flags", "master*"),
        ("link-pending-commands", "*"),
        ("link-refcount", "1"),
        ("last-ping-sent", "0"),
        ("last-ok-ping-reply", "*"),
        ("last-ping-reply", "*"),
        ("down-after-milliseconds", "5000"),
        ("info-refresh", "*"),
        ("role-reported", "master"),
        ("role-reported-time", "*"),
        ("config-epoch", "*"),
        ("num-slaves", replicas),
        ("num-other-sentinels", "0"),
        ("quorum", "1"),
        ("failover-timeout", "180000"),
        ("parallel-syncs", "1"),
    ];
    let mut text = String::from("> SENTINEL masters\n");
    for (number, word) in fields.iter().flat_map(|(name, value)| [name, value]).enumerate() {
        let prefix = if number == 0 { "1) " } else { "   " };
        text.push_str(&format!("{prefix}{:>2}) \"{word}\"\n", number + 1));
    }
    text
}

#[test]
fn one_master_two_replicas_and_a_sentinel() {
    let lab = lab(
        Layout::Plain,
        3,
        &["masterauth mypass", "protected-mode no", "repl-diskless-sync-delay 0"],
    );
    let ports: Vec<u16> = (0..3).map(|index| port(&lab, index)).collect();
    for replica in &ports[1..] {
        let line = format!("> SLAVEOF 127.0.0.1 {}\nOK*\n", ports[0]);
        replay(&with_password(*replica), &line);
    }
    replay_until(
        &with_password(ports[0]),
        "
        > INFO Replication
        # Replication
        role:master
        connected_slaves:2
        slave0:ip=127.0.0.1,port=*,state=online,offset=*,lag=*
        slave1:ip=127.0.0.1,port=*,state=online,offset=*,lag=*
        ...
        ",
    );
    replay(
        &with_password(ports[0]),
        "> SET mykey 10\nOK\n> SADD students tom lucy jerry\n(integer) 3\n",
    );
    replay_until(&with_password(ports[1]), "> GET mykey\n\"10\"\n");
    replay_until(
        &with_password(ports[2]),
        "~> SMEMBERS students\n1) \"lucy\"\n2) \"tom\"\n3) \"jerry\"\n",
    );
    fail_over(&ports);
}

/// What the sentinel makes of it: another master, the old one as a replica.
fn fail_over(ports: &[u16]) {
    let sentinel = Sentinel::start(ports[0]);
    let at_sentinel = options(&format!("-p {}", sentinel.port));
    await_answer(&at_sentinel);
    replay_until(&at_sentinel, &sentinel_masters(&ports[0].to_string(), "2"));
    replay_until(&at_sentinel, "> SENTINEL failover mymaster\nOK\n");
    // The old master's name is gone from the sentinel's answer when another has taken over.
    let taken = |port: u16| {
        let answer = replay::session(&at_sentinel, &["SENTINEL get-master-addr-by-name mymaster"]);
        answer[0].contains(&format!("\"{port}\""))
    };
    let since = std::time::Instant::now();
    let new = loop {
        match ports[1..].iter().find(|port| taken(**port)) {
            Some(port) => break *port,
            None => assert!(since.elapsed().as_secs() < 60, "no failover"),
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    replay_until(
        &with_password(new),
        "> INFO Replication\n# Replication\nrole:master\nconnected_slaves:2\n...\n",
    );
    replay_until(&with_password(ports[0]), "> INFO Replication\n# Replication\nrole:slave\n...\n");
}

fn await_answer(args: &[String]) {
    let since = std::time::Instant::now();
    while !replay::run(replay::redis_cli(args), b"ping\n").stdout.starts_with(b"PONG") {
        assert!(since.elapsed().as_secs() < 60, "nobody answers");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_cluster_made_by_hand() {
    let lab = lab(Layout::Nodes, 3, &[]);
    let [a, b, c] = [0, 1, 2].map(|index| port(&lab, index));
    replay(
        &with_password(a),
        &format!(
            "
        > CLUSTER NODES
        * :{a}@* myself,master - 0 0 0 connected
        > SET mykey maxie
        (error) CLUSTERDOWN Hash slot not served
        > CLUSTER MEET 127.0.0.1 {b}
        OK
        > CLUSTER MEET 127.0.0.1 {c}
        OK
        > CLUSTER INFO
        cluster_state:fail
        cluster_slots_assigned:0
        cluster_slots_ok:0
        cluster_slots_pfail:0
        cluster_slots_fail:0
        ...
        "
        ),
    );
    for (port, slots) in [(a, "0 5000"), (b, "5001 10000"), (c, "10001 16383")] {
        replay(&with_password(port), &format!("> CLUSTER ADDSLOTSRANGE {slots}\nOK\n"));
    }
    for port in [a, b, c] {
        replay_until(
            &with_password(port),
            "> CLUSTER INFO\ncluster_state:ok\ncluster_slots_assigned:16384\ncluster_slots_ok:16384\n...\n",
        );
    }
    let mut following = with_password(a);
    following.push("-c".to_owned());
    replay(
        &following,
        &format!(
            "
        > SET mykey maxie
        -> Redirected to slot [14687] located at 127.0.0.1:{c}
        OK
        > GET mykey
        \"maxie\"
        "
        ),
    );
}

#[test]
fn a_session_that_follows_the_cluster() {
    let lab = lab(Layout::Cluster, 3, &[]);
    let [a, b, c] = [0, 1, 2].map(|index| port(&lab, index));
    let mut following = with_password(a);
    following.push("-c".to_owned());
    replay(
        &following,
        &format!(
            "
        > set foo bar
        -> Redirected to slot [12182] located at 127.0.0.1:{c}
        OK
        > set hello world
        -> Redirected to slot [866] located at 127.0.0.1:{a}
        OK
        > get foo
        -> Redirected to slot [12182] located at 127.0.0.1:{c}
        \"bar\"
        > get hello
        -> Redirected to slot [866] located at 127.0.0.1:{a}
        \"world\"
        > set qiniu good
        OK
        > set weather nice
        -> Redirected to slot [8949] located at 127.0.0.1:{b}
        OK
        "
        ),
    );
}
