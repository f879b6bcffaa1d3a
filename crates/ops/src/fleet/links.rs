//! Connections to the servers of a fleet, made when they are needed.

use redistrib_resp::{Command, Reply};

use super::{Fleet, FleetNode};
use crate::commands;
use crate::commands::replies::{info_in, text_of};
use crate::conn::describe;
use crate::error::{Error, Result};
use crate::transfer::Server;
use crate::{Connection, Endpoint, Settings};

/// What a command does at a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// It reads, so that a replica may be asked.
    Read,
    /// It writes, or has to see what was written last.
    Write,
}

/// One connection to each master, and one to a replica of each for reading.
#[derive(Debug)]
pub(super) struct Links {
    settings: Settings,
    masters_only: bool,
    masters: Vec<Option<Connection>>,
    replicas: Vec<Option<Connection>>,
    /// Whether a replica has been looked for.
    looked: Vec<bool>,
    /// What the user should know of replicas that could not be used.
    warnings: Vec<String>,
}

impl Links {
    pub(super) fn new(fleet: &Fleet, settings: &Settings, masters_only: bool) -> Self {
        let count = fleet.masters().len();
        Self {
            settings: settings.clone(),
            masters_only,
            masters: std::iter::repeat_with(|| None).take(count).collect(),
            replicas: std::iter::repeat_with(|| None).take(count).collect(),
            looked: vec![false; count],
            warnings: Vec::new(),
        }
    }

    /// What the user should know since the last call.
    pub(super) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The connection to a master.
    pub(super) fn master(&mut self, fleet: &Fleet, index: usize) -> Result<&mut Connection> {
        let connection = match self.masters[index].take().and_then(living) {
            Some(connection) => connection,
            None => fleet.server(&fleet.masters()[index], &self.settings).connect()?,
        };
        Ok(self.masters[index].insert(connection))
    }

    /// The connection to read over: to a replica of a master where there is one, else to the master.
    pub(super) fn reader(&mut self, fleet: &Fleet, index: usize) -> Result<&mut Connection> {
        let without = self.looked[index] && self.replicas[index].is_none();
        if self.masters_only || without {
            return self.master(fleet, index);
        }
        let replica = match self.replicas[index].take().and_then(living) {
            Some(connection) => Some(connection),
            None => self.find_replica(fleet, index)?,
        };
        self.looked[index] = true;
        match replica {
            Some(connection) => Ok(self.replicas[index].insert(connection)),
            None => self.master(fleet, index),
        }
    }

    /// The connection over which `command` was begun, to the master or to where it is read. Never a new one,
    /// which would know nothing of it: neither the answers under way nor the keys watched.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub(super) fn begun(
        &mut self,
        fleet: &Fleet,
        index: usize,
        access: Access,
        command: &Command,
    ) -> Result<&mut Connection> {
        let replica = self.replicas[index].as_mut().filter(|_| access == Access::Read);
        replica.or(self.masters[index].as_mut()).ok_or_else(|| Error::Closed {
            node: fleet.masters()[index].endpoint.clone(),
            command: Some(describe(command)),
        })
    }

    /// A replica that is in step with its master: the one that is named, else one that the master names.
    fn find_replica(&mut self, fleet: &Fleet, index: usize) -> Result<Option<Connection>> {
        let candidates = match fleet.replica_of(index) {
            Some(node) => vec![fleet.server(node, &self.settings)],
            None => {
                let master = fleet.server(&fleet.masters()[index], &self.settings);
                let command = commands::info_of("replication");
                let reply = self.master(fleet, index)?.call(&command)?;
                let found = replicas(text_of(&reply).unwrap_or_default());
                found.into_iter().map(|at| Server { endpoint: at, ..master.clone() }).collect()
            }
        };
        for server in candidates {
            match connect_replica(&server) {
                Ok(connection) => return Ok(Some(connection)),
                Err(why) => self.warnings.push(format!(
                    "{} is read at its master: the replica {} {why}",
                    fleet.masters()[index].name,
                    server.endpoint
                )),
            }
        }
        Ok(None)
    }

    /// Asks a server that is named in the description, over a connection for this one command.
    pub(super) fn ask_once(
        &self,
        fleet: &Fleet,
        node: &FleetNode,
        command: &Command,
    ) -> Result<Reply> {
        fleet.server(node, &self.settings).connect()?.request(command)
    }
}

/// The connection, unless the server has closed it.
fn living(mut connection: Connection) -> Option<Connection> {
    connection.is_alive().then_some(connection)
}

/// Connects to a replica and makes sure that it is one, and in step.
fn connect_replica(server: &Server) -> Result<Connection, String> {
    let mut connection = server.connect().map_err(|error| format!("cannot be used: {error}"))?;
    let reply = connection
        .call(&commands::info_of("replication"))
        .map_err(|error| format!("cannot be used: {error}"))?;
    let info = info_in(&reply);
    if info.field("role") != Some("slave") {
        return Err("is a master".into());
    }
    if info.field("master_link_status") != Some("up") {
        return Err("has lost its master".into());
    }
    Ok(connection)
}

/// The replicas in step that a master's `INFO replication` names: `slave0:ip=…,port=…,state=online,…`.
fn replicas(info: &str) -> Vec<Endpoint> {
    let lines = info.lines().filter(|line| line.starts_with("slave"));
    let endpoint = |line: &str| {
        let (_, fields) = line.split_once(':')?;
        let field =
            |name: &str| fields.split(',').find_map(|it| it.strip_prefix(name)?.strip_prefix('='));
        let port = field("port")?.parse().ok().filter(|&port| port > 0)?;
        (field("state") == Some("online")).then(|| Endpoint::tcp(field("ip").unwrap_or(""), port))
    };
    lines.filter_map(endpoint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_those_that_are_online() {
        let info = "role:master\r\nconnected_slaves:2\r\n\
            slave0:ip=127.0.0.1,port=6380,state=online,offset=1,lag=0\r\n\
            slave1:ip=127.0.0.1,port=6381,state=wait_bgsave,offset=0,lag=0\r\n\
            slave_read_only:1\r\n";
        assert_eq!(replicas(info), [Endpoint::tcp("127.0.0.1", 6380)]);
    }
}
