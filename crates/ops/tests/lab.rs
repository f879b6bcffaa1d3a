//! The lab with real servers: up, down, and what must not happen in between.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::time::Duration;

use redistrib_ops::lab::{
    BUS_OFFSET, Failure, Lab, LabOptions, Layout, ServerState, TempLab, TestServer, free_ports,
};
use redistrib_ops::model::NodeId;
use redistrib_ops::resp::Command;
use redistrib_ops::{
    Cancel, Cluster, Connection, Context, Endpoint, Error, Secret, Settings, Silent,
    on_each_test_server,
};

use crate::support::poll;

/// A lasting lab in a temporary folder. The test's end is its end, however the test ends.
struct Lasting {
    folder: tempfile::TempDir,
    options: LabOptions,
}

impl Lasting {
    fn new(server: &TestServer, nodes: usize, layout: Layout) -> Self {
        let options = LabOptions {
            nodes: Some(nodes),
            port: Some(free_ports(nodes).unwrap()),
            server: Some(server.program.clone()),
            layout: Some(layout),
            ..LabOptions::default()
        };
        Self { folder: tempfile::tempdir().unwrap(), options }
    }

    /// A path with a blank in it, which is nothing special.
    fn dir(&self) -> PathBuf {
        self.folder.path().join("the lab")
    }

    fn up(&mut self) -> Result<Lab, Failure> {
        self.up_until(&Cancel::new())
    }

    /// Between the choice of free ports and their use another test may have taken them.
    fn up_until(&mut self, cancel: &Cancel) -> Result<Lab, Failure> {
        loop {
            match self.try_up(cancel) {
                Err(Failure::PortsTaken(_)) if !self.dir().exists() => {
                    self.options.port = Some(free_ports(self.options.nodes.unwrap()).unwrap());
                }
                outcome => return outcome,
            }
        }
    }

    fn try_up(&self, cancel: &Cancel) -> Result<Lab, Failure> {
        let context = Context::new(&Silent, cancel);
        Lab::up(&self.dir(), &self.options, &Settings::default(), context)
    }

    fn open(&self) -> Result<Lab, Failure> {
        Lab::open(&self.dir(), &Settings::default())
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        if let Ok(lab) = self.open() {
            let _ = lab.down();
        }
    }
}

fn server() -> TestServer {
    TestServer::named("valkey-9.1").unwrap_or_else(|missing| panic!("{missing}"))
}

fn ask(lab: &Lab, index: usize, words: &[&str]) -> String {
    let mut node = Connection::open(&lab.endpoints()[index], lab.settings()).unwrap();
    let reply = node.call(&Command::from_args(words)).unwrap();
    reply.view().as_str().unwrap_or_default().to_owned()
}

/// The nodes by their ports, each with the number of its slots and its master.
fn members(lab: &Lab) -> Vec<(NodeId, usize, Option<NodeId>)> {
    let cluster = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
    let mut members: Vec<_> = cluster.members().iter().collect();
    members.sort_by_key(|member| member.endpoint().port());
    members.iter().map(|it| (it.id(), it.node().slots.len(), it.node().master)).collect()
}

fn processes(lab: &Lab) -> Vec<Option<u32>> {
    let process = |state| match state {
        ServerState::Up { process, .. } => Some(process),
        _ => None,
    };
    lab.status().into_iter().map(|node| process(node.state)).collect()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}

on_each_test_server! {
    fn data_and_identity_survive_down_and_up(server) {
        for layout in [Layout::Plain, Layout::Nodes] {
            let mut lasting = Lasting::new(server, 2, layout);
            let lab = lasting.up().unwrap();
            let identity = |lab: &Lab| match layout {
                Layout::Plain => ask(lab, 1, &["GET", "greeting"]),
                _ => ask(lab, 1, &["CLUSTER", "MYID"]),
            };
            if layout == Layout::Plain {
                ask(&lab, 1, &["SET", "greeting", "hello"]);
            }
            let before = identity(&lab);
            let ports: Vec<_> = lab.endpoints().iter().filter_map(Endpoint::port).collect();
            drop(lab);

            let lab = lasting.open().unwrap();
            assert!(lab.status().iter().all(|node| node.is_up()), "the servers outlive their handle");
            assert_eq!(lab.down().unwrap(), ports);
            assert_eq!(processes(&lab), [None, None]);
            assert_eq!(lab.down().unwrap(), [0; 0], "there is nothing left to end");

            let lab = lasting.up().unwrap();
            assert_eq!(identity(&lab), before);
        }
    }

    fn a_cluster_is_formed_and_survives_down_and_up(server) {
        let mut lasting = Lasting::new(server, 6, Layout::Cluster);
        lasting.options.replicas = Some(1);
        let lab = lasting.up().unwrap();
        let before = members(&lab);
        let shares: Vec<_> = before.iter().filter(|member| member.2.is_none()).map(|member| member.1).collect();
        assert_eq!(shares, [5461, 5462, 5461]);
        ask(&lab, 0, &["SET", "hello", "world"]);
        assert_eq!(lab.down().unwrap().len(), 6);

        let lab = lasting.up().unwrap();
        assert_eq!(members(&lab), before);
        assert_eq!(ask(&lab, 0, &["GET", "hello"]), "world");
        assert!(lab.endpoints().iter().all(|node| Cluster::discover(node, lab.settings()).is_ok()));
    }

    fn a_server_tells_version_role_and_process(server) {
        let lab = TempLab::nodes(server, 1).unwrap();
        let status = lab.status();
        let ServerState::Up { process, version, role, loading } = &status[0].state else {
            panic!("not up: {status:?}")
        };
        let expected = server.name.split('-').next_back().unwrap();
        assert!(version.starts_with(expected), "{version}");
        assert_eq!((role.as_str(), *loading), ("master", false));
        let pid_file = fs::read_to_string(status[0].folder.join("redis.pid")).unwrap();
        assert_eq!(pid_file.trim(), process.to_string());
    }

    fn a_password_holds_and_is_learnt_from_the_configuration(server) {
        let mut lasting = Lasting::new(server, 1, Layout::Nodes);
        lasting.options.password = Some(Secret::new("two words\"\\"));
        let lab = lasting.up().unwrap();
        assert!(!ask(&lab, 0, &["CLUSTER", "MYID"]).is_empty());
        let mut stranger = Connection::open(&lab.endpoints()[0], &Settings::default()).unwrap();
        let refused = stranger.call(&Command::new("PING")).unwrap_err();
        assert!(refused.to_string().contains("NOAUTH"), "{refused}");
        assert!(!format!("{lab:?}").contains("two words"));
        assert_eq!(lasting.open().unwrap().down().unwrap().len(), 1);
    }

    fn a_server_that_dies_at_its_start_shows_the_end_of_its_log(server) {
        let mut lasting = Lasting::new(server, 2, Layout::Nodes);
        lasting.options.config = vec!["no-such-directive yes".into()];
        let error = lasting.up().unwrap_err();
        assert!(matches!(&error, Failure::Died { .. }), "{error}");
        assert!(error.to_string().contains("no-such-directive"), "{error}");
        assert!(!lasting.dir().exists(), "what was made is removed again");
        assert!(matches!(lasting.open(), Err(Failure::NotALab { .. })));
    }

    fn killed_and_restarted_a_server_is_the_same_node(server) {
        let lab = TempLab::nodes(server, 2).unwrap();
        let id = ask(&lab, 1, &["CLUSTER", "MYID"]);
        assert!(lab.kill(1));
        assert!(!lab.kill(1), "it is dead already");
        assert_eq!(lab.status()[1].state, ServerState::Down);
        assert!(lab.status()[0].is_up());
        lab.restart(1).unwrap();
        assert_eq!(ask(&lab, 1, &["CLUSTER", "MYID"]), id);
    }
}

#[test]
fn taken_ports_are_named_and_nothing_is_started() {
    let lasting = Lasting::new(&server(), 3, Layout::Nodes);
    let first = lasting.options.port.unwrap();
    let _port = TcpListener::bind(("127.0.0.1", first + 1)).unwrap();
    let _bus = TcpListener::bind(("127.0.0.1", first + 2 + BUS_OFFSET)).unwrap();
    let error = lasting.try_up(&Cancel::new()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("ports {}, {} (cluster bus", first + 1, first + 2 + BUS_OFFSET)),
        "{error}"
    );
    assert!(is_free(first) && !lasting.dir().exists());
}

#[test]
fn one_server_that_dies_takes_the_others_of_a_failed_up_with_it() {
    let mut lasting = Lasting::new(&server(), 3, Layout::Nodes);
    let first = lasting.options.port.unwrap();
    let program = lasting.folder.path().join("server");
    let script = format!(
        "#!/bin/sh\ncase $PWD in */{}) echo out of order; exit 3;; esac\nexec {} \"$@\"\n",
        first + 2,
        server().program.display(),
    );
    write_program(&program, &script);
    lasting.options.server = Some(program);
    let error = lasting.try_up(&Cancel::new()).unwrap_err().to_string();
    assert!(
        error.contains(&format!("port {}", first + 2)) && error.contains("out of order"),
        "{error}"
    );
    assert!(!lasting.dir().exists());
    poll("all ports are free", || (0..3).all(|offset| is_free(first + offset)));
}

fn write_program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, script).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn up_again_leaves_running_servers_alone_and_starts_the_others() {
    let mut lasting = Lasting::new(&server(), 3, Layout::Nodes);
    let lab = lasting.up().unwrap();
    let before = processes(&lab);
    assert_eq!(processes(&lasting.up().unwrap()), before);

    Connection::open(&lab.endpoints()[1], lab.settings())
        .unwrap()
        .call(&Command::new("SHUTDOWN"))
        .unwrap_err();
    poll("the server has ended", || processes(&lab)[1].is_none());
    let after = processes(&lasting.up().unwrap());
    assert_eq!((after[0], after[2]), (before[0], before[2]));
    assert!(after[1].is_some() && after[1] != before[1]);
}

#[test]
fn a_lab_whose_maker_was_killed_can_be_brought_up() {
    let mut lasting = Lasting::new(&server(), 3, Layout::Nodes);
    let lab = lasting.up().unwrap();
    // What a killed `up` leaves: the record, some servers, and no cluster yet.
    let record = lasting.dir().join("lab.json");
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, text.replace("\"nodes\"", "\"cluster\"")).unwrap();
    Connection::open(&lab.endpoints()[2], lab.settings())
        .unwrap()
        .call(&Command::new("SHUTDOWN"))
        .unwrap_err();
    poll("the server has ended", || processes(&lab)[2].is_none());
    lasting.options.layout = Some(Layout::Cluster);
    let lab = lasting.up().unwrap();
    let slots: Vec<_> = members(&lab).iter().map(|member| member.1).collect();
    assert_eq!(slots, [5461, 5462, 5461]);
}

#[test]
fn options_that_contradict_the_lab_are_refused() {
    let mut lasting = Lasting::new(&server(), 2, Layout::Nodes);
    let lab = lasting.up().unwrap();
    lasting.options.nodes = Some(4);
    let error = lasting.up().unwrap_err().to_string();
    assert!(error.contains("has 2 nodes, not 4"), "{error}");
    assert!(lab.status().iter().all(|node| node.is_up()));
}

#[test]
fn a_folder_that_is_no_labs_is_not_touched() {
    let mut lasting = Lasting::new(&server(), 2, Layout::Plain);
    let second = lasting.dir().join((lasting.options.port.unwrap() + 1).to_string());
    fs::create_dir_all(&second).unwrap();
    fs::write(second.join("thesis.txt"), "irreplaceable").unwrap();
    let error = lasting.up().unwrap_err();
    assert!(matches!(error, Failure::FolderExists { .. }), "{error}");
    assert_eq!(fs::read_to_string(second.join("thesis.txt")).unwrap(), "irreplaceable");
    let left: Vec<_> =
        fs::read_dir(lasting.dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(left, [second], "only what was there before");
}

#[test]
fn another_server_on_a_labs_port_is_neither_used_nor_ended() {
    let mut ours = Lasting::new(&server(), 1, Layout::Plain);
    ours.up().unwrap().down().unwrap();
    let mut other = Lasting::new(&server(), 1, Layout::Plain);
    other.options.port = ours.options.port;
    let theirs = other.up().unwrap();

    let lab = ours.open().unwrap();
    assert_eq!(lab.status()[0].state, ServerState::PortTaken);
    assert_eq!(lab.down().unwrap(), [0; 0]);
    assert!(matches!(ours.up(), Err(Failure::PortsTaken(_))));
    lab.destroy().unwrap();
    assert!(theirs.status()[0].is_up());
}

#[test]
fn a_server_that_no_longer_answers_is_ended_all_the_same() {
    let config = vec!["enable-debug-command yes".to_owned()];
    let plain = LabOptions { nodes: Some(1), layout: Some(Layout::Plain), ..LabOptions::default() };
    let lab = TempLab::up(LabOptions { server: Some(server().program), config, ..plain }).unwrap();
    let mut connection = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
    connection.send(&[Command::from_args(["DEBUG", "SLEEP", "600"])]).unwrap();
    poll("it is silent", || matches!(lab.status()[0].state, ServerState::Silent { .. }));
    assert_eq!(lab.down().unwrap().len(), 1);
    assert_eq!(lab.status()[0].state, ServerState::Down);
}

#[test]
fn destroy_removes_the_lab_and_nothing_else() {
    let mut lasting = Lasting::new(&server(), 2, Layout::Plain);
    let lab = lasting.up().unwrap();
    fs::write(lasting.dir().join("notes.txt"), "mine").unwrap();
    lab.destroy().unwrap();
    let left: Vec<_> =
        fs::read_dir(lasting.dir()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);
    fs::remove_file(lasting.dir().join("notes.txt")).unwrap();
    lasting.up().unwrap().destroy().unwrap();
    assert!(!lasting.dir().exists());
}

#[test]
fn an_interrupted_up_leaves_nothing() {
    let mut lasting = Lasting::new(&server(), 1, Layout::Plain);
    let cancel = Cancel::new();
    cancel.press();
    let error = lasting.up_until(&cancel).unwrap_err();
    assert!(matches!(error, Failure::Other(Error::Cancelled(_))), "{error}");
    assert!(!lasting.dir().exists());
    assert!(is_free(lasting.options.port.unwrap()));
}

#[test]
fn a_dropped_lab_is_gone() {
    let lab = TempLab::nodes(&server(), 2).unwrap();
    let (dir, ends) = (lab.dir().to_owned(), lab.endpoints());
    drop(lab);
    assert!(!dir.exists());
    assert!(ends.iter().filter_map(Endpoint::port).all(is_free));
}

/// What the watchdog test runs in a process of its own.
#[test]
#[ignore = "a part of a_lab_does_not_outlive_a_killed_process"]
fn hold_a_lab_until_killed() {
    let lab = TempLab::plain(&server(), 2).unwrap();
    println!("\nlab {} {}", lab.endpoints()[0], lab.dir().display());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_lab_does_not_outlive_a_killed_process() {
    let mut holder = Process::new(std::env::current_exe().unwrap())
        .args(["--exact", "lab::hold_a_lab_until_killed", "--ignored", "--nocapture"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(holder.stdout.take().unwrap()).lines();
    let line = lines.map_while(Result::ok).find(|line| line.starts_with("lab ")).unwrap();
    let mut words = line.split(' ').skip(1);
    let endpoint: Endpoint = words.next().unwrap().parse().unwrap();
    let dir = PathBuf::from(words.next().unwrap());
    assert!(Connection::open(&endpoint, &Settings::default()).is_ok() && dir.exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    let first = endpoint.port().unwrap();
    poll("servers and folder are gone", || !dir.exists() && is_free(first) && is_free(first + 1));
}

/// By name, in a lab that another process has brought up.
#[test]
fn single_servers_end_pause_and_go_on() {
    let mut lasting = Lasting::new(&server(), 2, Layout::Nodes);
    let id = ask(&lasting.up().unwrap(), 1, &["CLUSTER", "MYID"]);
    let lab = lasting.open().unwrap();
    let [first, port] = [0, 1].map(|place| lab.endpoints()[place].port().unwrap());
    let find = |name: &str| lab.find(&name.parse().unwrap()).map_err(|error| error.to_string());
    for name in [&id[..], &id[..12], &port.to_string(), &format!("127.0.0.1:{port}")] {
        assert_eq!(find(name), Ok(1), "{name}");
    }
    assert!(
        find("127.0.0.1").unwrap_err().contains(&format!("127.0.0.1:{first}, 127.0.0.1:{port}"))
    );
    assert!(find("nobody").unwrap_err().contains("no node is called nobody"));

    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let before = processes(&lab);
    assert!(lab.pause(1).unwrap());
    let process = before[1].unwrap();
    assert_eq!(lab.status_of(1).state, ServerState::Paused { process });
    assert!(lab.start(1, context).unwrap() && !lab.start(1, context).unwrap());
    assert_eq!(processes(&lab), before, "it has gone on");

    lab.pause(1).unwrap();
    assert!(lab.crash(1).unwrap() && !lab.crash(1).unwrap());
    assert!(!lab.pause(1).unwrap());
    assert_eq!(find(&id), Ok(1), "a dead one is called as before");
    assert_eq!(lab.status_of(1).state, ServerState::Down);
    assert!(lab.start(1, context).unwrap());
    assert_eq!(ask(&lab, 1, &["CLUSTER", "MYID"]), id);
    assert_eq!(processes(&lab)[0], before[0], "nobody else was touched");

    lab.pause(0).unwrap();
    lasting.up().unwrap();
    assert_eq!(processes(&lab)[0], before[0], "up lets it go on");
    lab.pause(0).unwrap();
    assert_eq!(lab.down().unwrap(), [first, port], "a paused one saves its data, too");
}

/// They are the lab's from then on, and nobody joins them to its cluster.
#[test]
fn servers_that_are_added_stay_alone() {
    let mut lasting = Lasting::new(&server(), 3, Layout::Cluster);
    lasting.options.password = Some(Secret::new("word"));
    lasting.up().unwrap();
    let cancel = Cancel::new();
    let context = Context::new(&Silent, &cancel);
    let mut lab = lasting.open().unwrap();
    let first = lab.endpoints()[0].port().unwrap();
    assert!(matches!(lab.add(1, Some(first), context), Err(Failure::PortsTaken(_))));
    let next = free_ports(1).unwrap();
    assert_eq!(lab.add(1, Some(next), context).unwrap(), [3]);
    assert_eq!(lab.endpoints()[3].port(), Some(next));
    assert!(ask(&lab, 3, &["CLUSTER", "INFO"]).contains("cluster_known_nodes:1\r\n"));

    assert_eq!(lasting.open().unwrap().down().unwrap().len(), 4);
    let lab = lasting.up().unwrap();
    assert_eq!(processes(&lab).iter().flatten().count(), 4);
    assert!(ask(&lab, 3, &["CLUSTER", "INFO"]).contains("cluster_known_nodes:1\r\n"));
    assert_eq!(members(&lab).len(), 3);
    lasting.open().unwrap().destroy().unwrap();
    assert!(!lasting.dir().exists() && is_free(next));
}

#[test]
fn a_server_that_cannot_be_added_leaves_nothing() {
    let mut lasting = Lasting::new(&server(), 1, Layout::Plain);
    let mut lab = lasting.up().unwrap();
    let next = free_ports(1).unwrap();
    let cancel = Cancel::new();
    cancel.press();
    lab.add(1, Some(next), Context::new(&Silent, &cancel)).unwrap_err();
    assert_eq!(lab.endpoints().len(), 1);
    assert_eq!(lasting.open().unwrap().endpoints().len(), 1);
    assert!(!lasting.dir().join(next.to_string()).exists());
    poll("the port is free", || is_free(next));
}
