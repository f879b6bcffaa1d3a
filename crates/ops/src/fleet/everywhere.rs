//! Commands that are asked of every server.

use redistrib_resp::{Command, Reply};

use super::client::{Answer, FleetClient};
use super::links::Access;
use super::policy::Gather;
use super::{FleetNode, compose};
use crate::cluster::in_parallel;
use crate::error::Result;

impl FleetClient {
    /// Asks all servers and puts their answers together.
    pub(super) fn everywhere(&mut self, words: &[&[u8]], gather: Gather) -> Result<Answer> {
        let command = Command::from_args(words.iter().copied());
        if matches!(gather, Gather::Named | Gather::NamedMasters) {
            return Ok(Answer::Each(self.each(&command, gather == Gather::Named)));
        }
        let masters = 0..self.fleet.masters().len();
        let commands: Vec<_> = masters.map(|server| (server, command.clone())).collect();
        let access = if gather == Gather::Values { Access::Read } else { Access::Write };
        let replies = self.send_all(&commands, access)?;
        if let Some(error) = compose::first_error(&replies) {
            return Ok(Answer::One(error.clone()));
        }
        Ok(Answer::One(match gather {
            Gather::Sum => {
                compose::integer(replies.iter().filter_map(|it| it.view().as_int()).sum())
            }
            Gather::Values => {
                let values: Vec<_> = replies.iter().flat_map(|it| it.view().elements()).collect();
                compose::array(values.into_iter())
            }
            _ => replies
                .iter()
                .find(|it| !it.view().is_null())
                .cloned()
                .unwrap_or_else(compose::null),
        }))
    }

    /// Asks all servers at the same time; one that does not answer has its error for an answer.
    fn each(&self, command: &Command, replicas_too: bool) -> Vec<(String, Result<Reply>)> {
        let count = self.fleet.masters().len();
        let replicas = (0..count).filter_map(|master| self.fleet.replica_of(master));
        let replicas = replicas.filter(|_| replicas_too);
        let nodes: Vec<&FleetNode> = self.fleet.masters().iter().chain(replicas).collect();
        let ask = |node: &&FleetNode| self.links.ask_once(&self.fleet, node, command);
        let answers = in_parallel(&nodes, ask);
        nodes.iter().map(|node| node.name.clone()).zip(answers).collect()
    }
}
