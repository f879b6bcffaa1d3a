//! What can go wrong with local servers.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::Error;

/// How far the cluster bus port lies above the port.
pub const BUS_OFFSET: u16 = 10_000;

/// The highest port a node can have, so that its bus port is a port too.
pub(crate) const HIGHEST_PORT: u16 = u16::MAX - BUS_OFFSET;

/// A failure of the lab. Texts out of a server's log are kept as they are: whoever prints them on a
/// terminal escapes them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// There is no server program to run.
    #[error("no server program found: neither valkey-server nor redis-server is on PATH")]
    NoServer,
    /// What was named as the server program cannot be run.
    #[error("{} is no program that can be run", path.display())]
    NotAProgram {
        /// What was named.
        path: PathBuf,
    },
    /// The nodes asked for do not fit between the first port and the highest one.
    #[error(
        "{nodes} nodes from port {first} on do not fit: the ports must lie between 1 and {}",
        HIGHEST_PORT
    )]
    PortRange {
        /// The first port asked for.
        first: u16,
        /// How many nodes were asked for.
        nodes: usize,
    },
    /// A lab of no servers at all.
    #[error("a lab needs at least one server")]
    NoNodes,
    /// Some of the ports are in use. Nothing was started.
    #[error("{}", describe_taken(.0))]
    PortsTaken(Vec<TakenPort>),
    /// No block of free ports could be found for servers on ports of the lab's own choice.
    #[error("no {nodes} free ports in a row were found in {attempts} attempts")]
    NoFreePorts {
        /// How many were needed.
        nodes: usize,
        /// How often it was tried.
        attempts: usize,
    },
    /// A configuration line that would be more than one.
    #[error("{line:?} is not one line of a configuration file")]
    ConfigLine {
        /// The line.
        line: String,
    },
    /// The folder holds no lab.
    #[error("there is no lab in {}", dir.display())]
    NotALab {
        /// The folder.
        dir: PathBuf,
    },
    /// The lab's own record cannot be understood.
    #[error("{}: not a lab's record: {reason}", path.display())]
    Record {
        /// The record's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A folder that a new node needs is there already.
    #[error("{} is there already and belongs to no lab", path.display())]
    FolderExists {
        /// The folder.
        path: PathBuf,
    },
    /// The lab in the folder is not the one that was asked for.
    #[error("the lab in {} has {has}, not {asked}", dir.display())]
    OtherLab {
        /// The lab's folder.
        dir: PathBuf,
        /// What it has.
        has: String,
        /// What was asked for.
        asked: String,
    },
    /// A server program could not be run at all.
    #[error("port {port}: cannot run {}: {source}", server.display())]
    Spawn {
        /// The server's port.
        port: u16,
        /// The program.
        server: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// A server ended before it was ready.
    #[error("the server on port {port} ended at its start ({status}); the end of its log:\n{log}")]
    Died {
        /// The server's port.
        port: u16,
        /// How it ended.
        status: String,
        /// The last lines it logged.
        log: String,
    },
    /// A server did not become ready in time.
    #[error(
        "the server on port {port} was not ready after {seconds} s ({what}); the end of its log:\n{log}"
    )]
    NotReady {
        /// The server's port.
        port: u16,
        /// How long was waited.
        seconds: u64,
        /// What it said last.
        what: String,
        /// The last lines it logged.
        log: String,
    },
    /// A server did not end, or stand still, in time.
    #[error("the server on port {port} (process {process}) still runs after {seconds} s")]
    StillRunning {
        /// The server's port.
        port: u16,
        /// Its process.
        process: u32,
        /// How long was waited.
        seconds: u64,
    },
    /// A server, a file or the forming of the cluster failed.
    #[error(transparent)]
    Other(#[from] Error),
}

impl Failure {
    /// Whether somebody else was faster to take a port, so that other ports may do.
    pub(super) fn is_collision(&self) -> bool {
        match self {
            Self::PortsTaken(_) => true,
            Self::Died { log, .. } => log.contains("in use"),
            _ => false,
        }
    }
}

/// A port that a server needs and something else has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenPort {
    /// The port in use.
    pub port: u16,
    /// Whether it was needed as the cluster bus port of the node 10,000 below it.
    pub bus: bool,
}

impl fmt::Display for TakenPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bus {
            true => {
                write!(f, "{} (cluster bus port of {})", self.port, self.port - BUS_OFFSET)
            }
            false => write!(f, "{}", self.port),
        }
    }
}

fn describe_taken(taken: &[TakenPort]) -> String {
    let names: Vec<_> = taken.iter().map(ToString::to_string).collect();
    let (noun, verb) = if taken.len() == 1 { ("port", "is") } else { ("ports", "are") };
    format!("{noun} {} {verb} taken: nothing was started", names.join(", "))
}
