//! The jobs: what cluster, which keys, what is done, and how one knows that it was done.

use std::ops::RangeInclusive;
use std::time::Duration;

use redistrib_benches::fill;
use redistrib_benches::proxy::Line;
use redistrib_benches::stage::{Plan, Stage};
use redistrib_cluster_model::{Slot, SlotSet};
use redistrib_ops::lab::{TempLab, TestServer};
use redistrib_ops::{Connection, Endpoint, Error, Result, Settings};
use redistrib_resp::Command;

use crate::tool::Task;

/// Bytes of each value, by default.
pub(crate) const VALUE: usize = 64;

/// What is done, to how many keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 4,096 slots from one master to another that has none.
    Reshard,
    /// From three masters to six.
    Rebalance,
    /// From a server of its own into three masters.
    Import,
}

/// One row of the comparison.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) what: String,
    pub(crate) kind: Kind,
    pub(crate) keys: usize,
    /// Bytes of each value.
    pub(crate) value: usize,
    pub(crate) server: &'static str,
    /// Round trip between admin and nodes.
    pub(crate) rtt: Duration,
    /// Options of ours.
    pub(crate) ours: &'static [&'static str],
    /// Whether source and target are probed, which slows each tool a little.
    pub(crate) watched: bool,
    /// Whether the servers' own atomic migration is compared.
    pub(crate) atomic: bool,
    /// How many times faster than redis-cli ours should be.
    pub(crate) asked: f64,
}

/// How many slots a reshard moves.
pub(crate) const SLOTS: usize = 4096;

/// A cluster with the keys, ready for one run.
pub(crate) struct Setting {
    pub(crate) stage: Stage,
    pub(crate) task: Task,
    line: Option<Line>,
    /// Where keys are imported from.
    _origin: Option<TempLab>,
    keys: usize,
}

impl Job {
    /// Makes a fresh cluster.
    pub(crate) fn set(&self) -> anyhow::Result<Setting> {
        let server = TestServer::named(self.server)?;
        let plan = match self.kind {
            // One slot stays: a master that loses its last slot would turn into a replica.
            Kind::Reshard => Plan {
                masters: vec![slots(0..=4096), slots(4097..=16383), SlotSet::new()],
                ..Plan::default()
            },
            Kind::Rebalance => Plan::even(3, 6),
            Kind::Import => Plan::even(3, 3),
        };
        let stage = Stage::set(&server, &plan)?;
        let mut origin = None;
        let task = match self.kind {
            Kind::Reshard => {
                fill::plain(stage.port(0), &slots(0..=4096), self.keys, self.value)?;
                Task::Reshard { from: stage.id(0), to: stage.id(2), slots: SLOTS }
            }
            Kind::Rebalance => {
                fill::plain(stage.port(0), &SlotSet::full(), self.keys, self.value)?;
                Task::Rebalance
            }
            Kind::Import => {
                let lab = TempLab::plain(&server, 1)?;
                let endpoint = lab.endpoints().first().cloned();
                let from = endpoint.map(|node| node.to_string()).unwrap_or_default();
                fill_one(&from, self.keys, self.value)?;
                origin = Some(lab);
                Task::Import { from }
            }
        };
        let line = match self.rtt.is_zero() {
            true => None,
            false => Some(
                Line::to(stage.ports(), self.rtt)
                    .map_err(|source| Error::File { path: "the proxy's ports".into(), source })?,
            ),
        };
        Ok(Setting { stage, task, line, _origin: origin, keys: self.keys })
    }
}

impl Setting {
    /// Where the admin finds the cluster.
    pub(crate) fn seed(&self) -> String {
        let port = self.stage.port(0);
        let seen = self.line.as_ref().and_then(|line| line.port_of(port)).unwrap_or(port);
        format!("127.0.0.1:{seen}")
    }

    /// Tells what is wrong with the cluster after the job, if anything is.
    pub(crate) fn verify(&self) -> Result<Option<String>> {
        let mut total = 0;
        for index in 0..self.stage.ports().len() {
            let reply = self.stage.call(index, &Command::new("DBSIZE"))?;
            total += usize::try_from(reply.view().as_int().unwrap_or(0)).unwrap_or(0);
        }
        if total != self.keys {
            return Ok(Some(format!("{total} keys of {} are there", self.keys)));
        }
        let Task::Reshard { to, slots, .. } = &self.task else { return Ok(None) };
        let settled = self.stage.settle(|view| {
            view.nodes.iter().any(|node| node.id.to_string() == *to && node.slots.len() == *slots)
                && view.nodes.iter().all(|node| !node.has_open_slots())
        });
        Ok(settled.err().map(|error| error.to_string()))
    }

    /// Microseconds that the servers have spent in MIGRATE since they started.
    pub(crate) fn migrate_time(&self) -> Result<Duration> {
        let mut total = 0;
        for index in 0..self.stage.ports().len() {
            let reply = self.stage.call(index, &Command::from_args(["INFO", "commandstats"]))?;
            let text = reply.view().as_str().unwrap_or_default().to_owned();
            let line = text.lines().find_map(|line| line.strip_prefix("cmdstat_migrate:"));
            let field = line.into_iter().flat_map(|line| line.split(','));
            let usec = field.filter_map(|field| field.strip_prefix("usec=")).next();
            total += usec.and_then(|usec| usec.trim().parse::<u64>().ok()).unwrap_or(0);
        }
        Ok(Duration::from_micros(total))
    }
}

fn slots(numbers: RangeInclusive<u16>) -> SlotSet {
    numbers.filter_map(|number| Slot::new(number).ok()).collect()
}

/// Fills a server that is in no cluster.
fn fill_one(address: &str, keys: usize, size: usize) -> Result<()> {
    let endpoint: Endpoint = address.parse()?;
    let mut connection = Connection::open(&endpoint, &Settings::default())?;
    let value = "v".repeat(size);
    let names: Vec<usize> = (0..keys).collect();
    for batch in names.chunks(1000) {
        let set = |number| Command::new("SET").arg(format!("key:{number}")).arg(&value);
        connection.call_all(&batch.iter().map(set).collect::<Vec<_>>())?;
    }
    Ok(())
}
