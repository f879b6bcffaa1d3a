//! The nodes of a cluster, and what they are to each other.

use std::net::SocketAddr;
use std::time::Duration;

use redistrib_cluster_model::NodeId;
use redistrib_resp::Command;

fn cluster(what: &str) -> Command {
    Command::new("CLUSTER").arg(what)
}

/// `CLUSTER NODES`.
pub(crate) fn cluster_nodes() -> Command {
    cluster("NODES")
}

/// `CLUSTER INFO`.
pub(crate) fn cluster_info() -> Command {
    cluster("INFO")
}

/// How long an introduction by `CLUSTER MEET` is given to take effect before it is made again: servers drop handshakes that cross.
pub(crate) const REPEAT_INTRODUCTION: Duration = Duration::from_millis(400);

/// `CLUSTER MEET ip port [bus port]`. Servers take no names. They take a bus port since 4.0, so it is named only where it
/// is not the usual one.
pub(crate) fn meet(address: SocketAddr, bus_port: Option<u16>) -> Command {
    let command = cluster("MEET").arg(address.ip().to_string()).arg(address.port());
    match bus_port {
        Some(bus) if address.port().checked_add(10_000) != Some(bus) => command.arg(bus),
        _ => command,
    }
}

/// `CLUSTER FORGET id`.
pub(crate) fn forget(id: NodeId) -> Command {
    cluster("FORGET").arg(id.to_string())
}

/// What a node keeps when it is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// Its id and epoch.
    Soft,
    /// Nothing.
    Hard,
}

/// `CLUSTER RESET`: the node forgets all others and its slots. Servers refuse this of a master with keys.
pub(crate) fn reset(how: Reset) -> Command {
    cluster("RESET").arg(how.word())
}

impl Reset {
    /// As the command takes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Soft => "SOFT",
            Self::Hard => "HARD",
        }
    }
}

/// `CLUSTER REPLICATE master`.
pub(crate) fn replicate(master: NodeId) -> Command {
    cluster("REPLICATE").arg(master.to_string())
}

/// What a replica may do without to become a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Without {
    /// Nothing: its master hands over.
    Nothing,
    /// Its master.
    Master,
    /// Its master, and the votes of the others.
    Votes,
}

/// `CLUSTER FAILOVER [FORCE|TAKEOVER]`, for a replica.
pub(crate) fn failover(without: Without) -> Command {
    match without {
        Without::Nothing => cluster("FAILOVER"),
        Without::Master => cluster("FAILOVER").arg("FORCE"),
        Without::Votes => cluster("FAILOVER").arg("TAKEOVER"),
    }
}

/// `CLUSTER SET-CONFIG-EPOCH epoch`, for a node that has none and knows no other.
pub(crate) fn set_config_epoch(epoch: u64) -> Command {
    cluster("SET-CONFIG-EPOCH").arg(epoch)
}

/// `CLUSTER BUMPEPOCH`: the node's claims are newer than everybody's from then on.
pub(crate) fn bump_epoch() -> Command {
    cluster("BUMPEPOCH")
}
