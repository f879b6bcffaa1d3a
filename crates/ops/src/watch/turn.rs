//! One node asked once.

use std::hash::RandomState;
use std::ops::Range;
use std::time::{Duration, Instant};

use redistrib_cluster_model::findings::SETTINGS;
use redistrib_cluster_model::sample::Detail;
use redistrib_cluster_model::{ServerInfo, SlotJob};
use redistrib_resp::{Command, Reply};

use super::detail;
use super::slots::{self, SlotQuestions};
use crate::cluster::server_info;
use crate::commands::replies::text_of;
use crate::error::Result;
use crate::lock::Listed;
use crate::migrate::JobQuestions;
use crate::{Connection, Endpoint, Settings, commands};

/// So many turns use the settings that were reported once.
const TURNS_WITH_SETTINGS: u32 = 30;

/// A connection of the watch, and what is known of the server behind it.
#[derive(Debug)]
pub(super) struct WatchLink {
    connection: Connection,
    jobs: JobQuestions,
    has_stats: bool,
    settings: ServerInfo,
    turns: u32,
}

/// What is asked of a node beside what is asked of all.
#[derive(Debug, Default)]
pub(super) struct Questions {
    /// For its slow commands, and its latency monitor.
    pub(super) log: bool,
    /// Who holds the operation lock.
    pub(super) holders: bool,
    /// About its slots.
    pub(super) slots: SlotQuestions,
}

/// What a node reported in one turn.
#[derive(Debug)]
pub(super) struct TurnReport {
    /// The reply to CLUSTER NODES.
    pub(super) view: Reply,
    /// What it says of itself, or why it does not.
    pub(super) info: Result<ServerInfo>,
    pub(super) jobs: Vec<SlotJob>,
    pub(super) detail: Detail,
    /// Who has named itself as the holder of the operation lock; none where that was not asked.
    pub(super) holders: Option<Vec<Listed>>,
    /// How long a PING took, there and back.
    pub(super) ping: Duration,
    /// How long all else took beyond that.
    pub(super) asking: Duration,
}

impl WatchLink {
    /// Whether the server still holds the connection.
    pub(super) fn is_alive(&mut self) -> bool {
        self.connection.is_alive()
    }

    pub(super) fn open(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut connection = Connection::open(endpoint, settings)?;
        let jobs = JobQuestions::that_are_understood(&mut connection)?;
        let has_stats = slots::has_stats(&mut connection)?;
        Ok(Self { connection, jobs, has_stats, settings: ServerInfo::default(), turns: 0 })
    }

    /// Whether the server reports what single slots carry.
    pub(super) fn has_stats(&self) -> bool {
        self.has_stats
    }

    /// Asks all that is to be known.
    pub(super) fn ask(&mut self, about: &Questions, disguise: &RandomState) -> Result<TurnReport> {
        let started = Instant::now();
        self.connection.request(&commands::ping())?;
        let ping = started.elapsed();

        let names: &[&str] =
            if self.turns.is_multiple_of(TURNS_WITH_SETTINGS) { &SETTINGS } else { &[] };
        self.turns = self.turns.wrapping_add(1);
        let mut parts = Parts::default();
        let of_server = parts.add(server_info::questions(names));
        let of_view = parts.add([commands::cluster_nodes()]);
        let of_jobs = parts.add(self.jobs.questions());
        let of_log = parts.add(detail::questions().into_iter().filter(|_| about.log));
        let of_slots = parts.add(about.slots.commands());
        let of_calls = parts.add(about.slots.is_giving.then(|| commands::info_of("commandstats")));
        let clients = about.holders.then(|| Command::new("CLIENT").arg("LIST"));
        let of_clients = parts.add(clients);
        let asked = Instant::now();
        let replies = self.connection.pipeline(&parts.0)?;
        let asking = asked.elapsed().saturating_sub(ping);

        let part = |which: Range<usize>| replies.get(which).unwrap_or_default();
        let mut info = server_info::read(&self.connection, part(of_server), disguise);
        if let Ok(info) = &mut info {
            if names.is_empty() {
                info.take_settings_of(&self.settings);
            } else {
                self.settings = info.clone();
            }
            // Where it may not say, it says nothing.
            part(of_calls).iter().filter_map(text_of).for_each(|text| info.read(text));
        }
        let (slow, latency) = detail::read(part(of_log));
        let (slots, open) = about.slots.read(part(of_slots));
        let view = part(of_view).first().cloned();
        let view =
            view.ok_or_else(|| self.connection.unexpected(&commands::cluster_nodes(), "no reply"))?;
        Ok(TurnReport {
            view,
            info,
            jobs: self.jobs.read(part(of_jobs)),
            detail: Detail { slow, latency, slots, open },
            holders: part(of_clients).first().map(crate::lock::holders_in),
            ping,
            asking,
        })
    }
}

/// Commands of several sorts that are sent as one.
#[derive(Default)]
struct Parts(Vec<Command>);

impl Parts {
    /// Adds some, and returns where the answers to them stand.
    fn add(&mut self, commands: impl IntoIterator<Item = Command>) -> Range<usize> {
        let first = self.0.len();
        self.0.extend(commands);
        first..self.0.len()
    }
}
