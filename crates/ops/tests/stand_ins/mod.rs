//! Two servers of our own that speak Redis's part of atomic migration: real ones cannot be held between two steps.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use redistrib_ops::model::{Move, NodeId};
use redistrib_ops::resp::Decoder;
use redistrib_ops::{Cluster, Endpoint, Settings};

/// What the two stand-ins know.
pub(crate) struct Play {
    ids: [NodeId; 2],
    ports: [u16; 2],
    /// Which of the two owns slots 0 to 99.
    pub(crate) owner: usize,
    /// The states that STATUS reports, one after the other; the last for ever. `completed` moves the slots.
    states: Vec<&'static str>,
    /// The commands that they were sent.
    pub(crate) asked: Vec<String>,
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
            "INFO" | "INFO keyspace" => bulk("# Keyspace\r\n"),
            "COMMAND INFO cluster|migration" => "*1\r\n*1\r\n$17\r\ncluster|migration\r\n".into(),
            "COMMAND INFO cluster|migrateslots cluster|migration" => {
                "*2\r\n*-1\r\n*1\r\n$17\r\ncluster|migration\r\n".into()
            }
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
                let [from, to] = self.ids.map(|id| id.to_string());
                let fields = [
                    ["id", "task1"],
                    ["slots", "0-99"],
                    ["source", &from],
                    ["dest", &to],
                    ["operation", "import"],
                    ["state", state],
                ];
                format!(
                    "*1\r\n*12\r\n{}",
                    fields.concat().into_iter().map(bulk).collect::<String>()
                )
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

/// Two masters that speak Redis 8.4's part of the protocol: no server lets itself be caught between a cancel and the end of
/// a job.
pub(crate) fn stand_ins(states: &[&'static str]) -> (Arc<Mutex<Play>>, Cluster) {
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

pub(crate) fn move_of(play: &Mutex<Play>) -> [Move; 1] {
    let [from, to] = play.lock().unwrap().ids;
    [Move { from, to, slots: "0-99".parse().unwrap() }]
}
