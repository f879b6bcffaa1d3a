//! Three masters with a replica each, which may change places, under live writes to every database.

use std::time::{Duration, Instant};

use redistrib_benches::census::Census;
use redistrib_benches::fill;
use redistrib_benches::load::{Load, LoadOptions};
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::{SlotSet, Topology};
use redistrib_ops::lab::TestServer;
use redistrib_resp::Command;

use crate::fire::stage;

/// Plain keys in each database.
pub(crate) const KEYS: usize = 3000;
/// How long a source takes over each key of a snapshot, in microseconds: a job takes about 0.2 s.
const SLOW: &str = "500";

/// A cluster, its databases, and the clients at work on them.
pub(crate) struct Field {
    pub(crate) stage: Stage,
    databases: Vec<u32>,
    loads: Vec<Load>,
}

impl Field {
    /// A replica takes over when it is told to and never by itself: what a master has acknowledged and not yet passed
    /// on would be lost with it, whatever a tool does. With `lasting`, data survives a restart.
    pub(crate) fn of(
        server: &'static str,
        databases: &[u32],
        lasting: bool,
        readers: usize,
    ) -> Self {
        let config = [
            "cluster-node-timeout 5000",
            "cluster-replica-no-failover yes",
            "cluster-allow-replica-migration no",
        ];
        let on_disk = ["appendonly yes", "appendfsync always"];
        let config = config.iter().chain(on_disk.iter().filter(|_| lasting));
        let mut config: Vec<_> = config.map(ToString::to_string).collect();
        if databases.iter().any(|database| *database > 0) {
            config.push("cluster-databases 16".to_owned());
        }
        let plan = Plan { config, replicas: vec![0, 1, 2], ..Plan::even(3, 3) };
        let stage = stage(&TestServer::named(server).unwrap(), &plan);
        let load = |database: &u32| {
            fill::plain_in(stage.port(0), *database, &SlotSet::full(), KEYS, 64).unwrap();
            let options = LoadOptions {
                writers: 1,
                readers,
                keys: 200,
                outages: true,
                ..LoadOptions::default()
            };
            Load::start(stage.ports(), LoadOptions { database: *database, ..options })
        };
        let loads = databases.iter().map(load).collect();
        let field = Self { stage, databases: databases.to_vec(), loads };
        field.slow_down();
        field
    }

    /// Of each of the three places the server that is master there now.
    pub(crate) fn masters(&self) -> [usize; 3] {
        [0, 1, 2].map(|place| if self.is_master(place) { place } else { place + 3 })
    }

    /// The one that follows this master, or is followed by this replica.
    pub(crate) fn partner(index: usize) -> usize {
        (index + 3) % 6
    }

    fn is_master(&self, index: usize) -> bool {
        let role = self.stage.call(index, &Command::new("ROLE")).unwrap();
        role.view().elements().next().and_then(|word| word.as_str()) == Some("master")
    }

    pub(crate) fn slots_of(&self, index: usize) -> usize {
        let reply = self.stage.call(index, &Command::from_args(["CLUSTER", "NODES"])).unwrap();
        let topology = Topology::parse(reply.view().as_bytes().unwrap()).unwrap();
        topology.myself().unwrap().slots.len()
    }

    /// Source and target of the next round: to and fro between the first two places.
    pub(crate) fn ends(&self) -> [usize; 2] {
        let [first, second, _] = self.masters();
        match self.slots_of(first) > self.slots_of(second) {
            true => [first, second],
            false => [second, first],
        }
    }

    /// Waits until all serve, each place has one master, and each replica follows it.
    pub(crate) fn wait_until_well(&self) {
        let says = |index, words: [&str; 2], text: &str| {
            let reply = self.stage.call(index, &Command::from_args(words));
            reply.is_ok_and(|reply| reply.view().as_str().unwrap().contains(text))
        };
        let is_well = |place: usize| {
            let both = [place, place + 3];
            let replication = ["INFO", "replication"];
            both.iter().all(|index| says(*index, ["CLUSTER", "INFO"], "cluster_state:ok"))
                && both.iter().any(|index| says(*index, replication, "role:master"))
                && both.iter().any(|index| says(*index, replication, "master_link_status:up"))
        };
        let waited = self.stage.wait_until("all is well", || (0..3).all(is_well));
        let logs = || (0..6).map(|index| self.stage.lab.log_end(index)).collect::<Vec<_>>();
        waited.unwrap_or_else(|error| panic!("{error}; the servers' last words: {:#?}", logs()));
        self.slow_down();
    }

    fn slow_down(&self) {
        for index in 0..6 {
            let words = ["CONFIG", "SET", "rdb-key-save-delay", SLOW];
            self.stage.call(index, &Command::from_args(words)).unwrap();
        }
    }

    /// Each plain key is in its database, once and at home, no slot is open, and no client has missed a write. Returns
    /// how many keys there are.
    #[track_caller]
    pub(crate) fn assert_sound(&self, story: &str) -> usize {
        let mut census = Census::take(self.stage.port(0)).unwrap();
        // A failover that was asked for may come about only now: both its nodes take themselves for masters for a moment.
        let until = Instant::now() + Duration::from_secs(60);
        while !census.is_clean() && Instant::now() < until {
            census = Census::take(self.stage.port(0)).unwrap();
        }
        assert!(census.is_clean(), "{census}\n{story}");
        for database in &self.databases {
            let is_plain =
                |(of, name): &&(u32, Vec<u8>)| of == database && name.starts_with(b"key:");
            let count = census.keys.keys().filter(is_plain).count();
            assert_eq!(count, KEYS, "keys in database {database}: {census}\n{story}");
        }
        let complaints: Vec<_> = self.loads.iter().flat_map(Load::complaints).collect();
        assert_eq!(complaints, Vec::<String>::new(), "{story}");
        census.keys.len()
    }

    /// Stops the clients and makes sure that no acknowledged write is lost.
    pub(crate) fn finish(self) -> String {
        let outcomes: Vec<_> = self.loads.into_iter().map(Load::finish).collect();
        for outcome in &outcomes {
            assert_eq!(outcome.complaints, Vec::<String>::new());
            assert!(outcome.writes > 20, "{outcome:?}");
        }
        let [writes, unanswered] = [
            outcomes.iter().map(|outcome| outcome.writes).sum::<u64>(),
            outcomes.iter().map(|outcome| outcome.unanswered).sum(),
        ];
        format!("{writes} writes acknowledged, {unanswered} unanswered, none lost")
    }
}
