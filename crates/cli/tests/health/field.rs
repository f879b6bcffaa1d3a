//! A cluster whose health is looked at.

use std::time::{Duration, Instant};

use redistrib_ops::lab::{LabOptions, Layout, TempLab, TestServer};
use serde_json::Value;

use crate::support::{Run, trib};

/// A cluster, and how its nodes are told to change.
pub(crate) struct Field {
    pub(crate) lab: TempLab,
    pub(crate) nodes: Vec<String>,
    /// What each run of the program gets beside its own words.
    pub(crate) options: Vec<&'static str>,
}

impl Field {
    pub(crate) fn new(server: &'static str, masters: usize, replicas: usize) -> Self {
        Self::with(server, masters, replicas, &[])
    }

    /// One whose servers get these lines of configuration, too.
    pub(crate) fn with(
        server: &'static str,
        masters: usize,
        replicas: usize,
        config: &[&str],
    ) -> Self {
        Self::of(&TestServer::named(server).unwrap(), masters, replicas, config)
    }

    pub(crate) fn of(
        server: &TestServer,
        masters: usize,
        replicas: usize,
        config: &[&str],
    ) -> Self {
        let lab = TempLab::up(LabOptions {
            nodes: Some(masters * (replicas + 1)),
            replicas: Some(replicas),
            layout: Some(Layout::Cluster),
            server: Some(server.program.clone()),
            config: config.iter().map(|line| (*line).to_owned()).collect(),
            ..LabOptions::default()
        });
        let lab = lab.unwrap();
        let nodes = lab.endpoints().iter().map(ToString::to_string).collect();
        Self { lab, nodes, options: Vec::new() }
    }

    /// Runs the program.
    pub(crate) fn trib(&self, words: &[&str]) -> Run {
        trib(&[&self.options, words].concat())
    }

    /// Sends a command to a node, its words parted by blanks.
    #[track_caller]
    pub(crate) fn tell(&self, node: usize, line: &str) -> String {
        let mut words = vec!["exec", &self.nodes[node]];
        words.extend(line.split(' '));
        self.trib(&words).expect(0).stdout.trim().to_owned()
    }

    #[track_caller]
    pub(crate) fn tell_all(&self, line: &str) {
        (0..self.nodes.len()).for_each(|node| drop(self.tell(node, line)));
    }

    pub(crate) fn id(&self, node: usize) -> String {
        self.tell(node, "CLUSTER MYID")
    }

    /// The places of the replicas of a node.
    pub(crate) fn replicas_of(&self, master: usize) -> Vec<usize> {
        let id = self.id(master);
        let told = self.document(0);
        let follows = |address: &String| {
            let mut nodes = told["nodes"].as_array().unwrap().iter();
            nodes.any(|node| node["address"] == address.as_str() && node["master"] == id.as_str())
        };
        (0..self.nodes.len()).filter(|place| follows(&self.nodes[*place])).collect()
    }

    pub(crate) fn document(&self, seed: usize) -> Value {
        serde_json::from_str(&self.trib(&["check", &self.nodes[seed], "--json"]).stdout).unwrap()
    }

    /// The finding of this code, as soon as there is one.
    #[track_caller]
    pub(crate) fn finds(&self, code: &str) -> Value {
        self.finds_from(0, code)
    }

    /// The same where another node is asked.
    #[track_caller]
    pub(crate) fn finds_from(&self, seed: usize, code: &str) -> Value {
        let mut told = Value::Null;
        self.poll(code, || {
            told = self.document(seed);
            find(&told, code).is_some()
        });
        find(&told, code).unwrap()
    }

    /// Waits until nothing of this code is found any more.
    #[track_caller]
    pub(crate) fn is_rid_of(&self, code: &str) {
        self.poll(&format!("{code} is gone"), || find(&self.document(0), code).is_none());
    }

    #[track_caller]
    pub(crate) fn poll(&self, what: &str, mut done: impl FnMut() -> bool) {
        let until = Instant::now() + Duration::from_secs(60);
        while !done() {
            assert!(Instant::now() < until, "in vain awaited: {what}; {}", self.document(0));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn check(&self) -> Run {
        self.trib(&["check", &self.nodes[0]])
    }
}

pub(crate) fn find(told: &Value, code: &str) -> Option<Value> {
    let mut findings = told["findings"].as_array().unwrap().iter();
    findings.find(|finding| finding["finding"] == code).cloned()
}

/// Fails the test unless the finding has this weight and says what to do in these words.
#[track_caller]
pub(crate) fn advises(finding: &Value, severity: &str, step: &str) {
    assert_eq!(finding["severity"], severity, "{finding}");
    assert!(finding["next_step"].as_str().unwrap().contains(step), "{finding}");
}
