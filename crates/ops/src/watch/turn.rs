//! One node asked once.

use std::hash::RandomState;
use std::time::{Duration, Instant};

use redistrib_cluster_model::findings::SETTINGS;
use redistrib_cluster_model::sample::Detail;
use redistrib_cluster_model::{ServerInfo, SlotJob};
use redistrib_resp::{Command, Reply};

use super::detail::Questions;
use crate::cluster::server_info;
use crate::error::Result;
use crate::lock::Listed;
use crate::migrate::JobQuestions;
use crate::{Connection, Endpoint, Settings, commands};

/// So many turns use the settings that were told once.
const TURNS_WITH_SETTINGS: u32 = 30;

/// A connection of the watch, and what is known of the server behind it.
#[derive(Debug)]
pub(super) struct Link {
    connection: Connection,
    jobs: JobQuestions,
    settings: ServerInfo,
    turns: u32,
}

/// What a node told in one turn.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// The reply to CLUSTER NODES.
    pub(super) view: Reply,
    pub(super) info: ServerInfo,
    pub(super) jobs: Vec<SlotJob>,
    pub(super) detail: Detail,
    /// Who has named itself as the holder of the operation lock; none where that was not asked.
    pub(super) holders: Option<Vec<Listed>>,
    /// How long a PING took, there and back.
    pub(super) ping: Duration,
    /// How long all else took beyond that.
    pub(super) asking: Duration,
}

impl Link {
    /// Whether the server still holds the connection.
    pub(super) fn is_alive(&mut self) -> bool {
        self.connection.is_alive()
    }

    pub(super) fn open(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        let mut connection = Connection::open(endpoint, settings)?;
        let jobs = JobQuestions::that_are_understood(&mut connection)?;
        Ok(Self { connection, jobs, settings: ServerInfo::default(), turns: 0 })
    }

    /// Asks all that is to be known.
    pub(super) fn ask(
        &mut self,
        with_holders: bool,
        details: Questions,
        disguise: &RandomState,
    ) -> Result<Told> {
        let started = Instant::now();
        self.connection.request(&commands::ping())?;
        let ping = started.elapsed();

        let names: &[&str] =
            if self.turns.is_multiple_of(TURNS_WITH_SETTINGS) { &SETTINGS } else { &[] };
        let mut questions = server_info::questions(names);
        let about_server = questions.len();
        questions.push(commands::cluster_nodes());
        questions.extend(self.jobs.questions());
        let about_detail = questions.len();
        questions.extend(details.commands());
        if with_holders {
            questions.push(Command::new("CLIENT").arg("LIST"));
        }
        let asked = Instant::now();
        let mut replies = self.connection.pipeline(&questions)?;
        let asking = asked.elapsed().saturating_sub(ping);
        self.turns = self.turns.wrapping_add(1);

        let detail = details.read(replies.get(about_detail..).unwrap_or_default());
        let rest = replies.split_off(about_server);
        let mut info = server_info::read(&replies, disguise).unwrap_or_default();
        if names.is_empty() {
            info.take_settings_of(&self.settings);
        } else {
            self.settings = info.clone();
        }
        let holders = rest.last().filter(|_| with_holders).map(crate::lock::holders_in);
        let jobs = self.jobs.read(rest.get(1..).unwrap_or_default());
        let view = rest.into_iter().next();
        let view =
            view.ok_or_else(|| self.connection.unexpected(&commands::cluster_nodes(), "no reply"))?;
        Ok(Told { view, info, jobs, detail, holders, ping, asking })
    }
}
