//! `lab`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use redistrib_ops::model::NodeName;

use super::common::ReportArgs;
use super::values::node_name;

/// Arguments of `lab`.
#[derive(Clone, Debug, Args)]
pub struct LabArgs {
    /// What to do with it.
    #[command(subcommand)]
    pub verb: LabVerb,
}

/// What can be done with a lab.
#[derive(Clone, Debug, Subcommand)]
pub enum LabVerb {
    /// Start servers and form a cluster of them, or start again what stopped
    Up(LabUpArgs),
    /// Show how each server fares
    Status(LabDirArgs),
    /// Start more servers, empty and in no cluster, as `add-node` and `replace` take them
    Add(LabAddArgs),
    /// End servers at once, as a crash would
    Kill(LabNodesArgs),
    /// Stop servers in their tracks: connections to them open, and nothing answers
    Pause(LabNodesArgs),
    /// Start servers that have ended, and let those continue that are paused
    Start(LabNodesArgs),
    /// Stop the servers; their data stays
    Down(LabDirArgs),
    /// Stop the servers and remove all their data
    Destroy(LabDirArgs),
}

impl LabVerb {
    /// Whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        match self {
            Self::Up(args) => args.report.json,
            Self::Add(args) => args.lab.report.json,
            Self::Kill(args) | Self::Pause(args) | Self::Start(args) => args.lab.report.json,
            Self::Status(args) | Self::Down(args) | Self::Destroy(args) => args.report.json,
        }
    }
}

/// Which lab, and how to report on it.
#[derive(Clone, Debug, Args)]
pub struct LabDirArgs {
    /// The lab's folder
    #[arg(long, value_name = "DIR", default_value = "redis-trib-lab")]
    pub dir: PathBuf,
    /// How to report.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `lab up`.
#[derive(Clone, Debug, Args)]
pub struct LabUpArgs {
    /// The lab's folder; a new one is made
    #[arg(long, value_name = "DIR", default_value = "redis-trib-lab")]
    pub dir: PathBuf,
    /// How many servers [default: 6]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..))]
    pub nodes: Option<u16>,
    /// How many replicas each master gets [default: 1 where the nodes suffice]
    #[arg(long, value_name = "COUNT")]
    pub replicas: Option<usize>,
    /// The first port; the others follow [default: 7000]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Make the lab what this file declares: its nodes are on 127.0.0.1, on ports that follow each other
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with_all = ["nodes", "replicas", "port"])]
    pub topology: Option<PathBuf>,
    /// The server program [default: REDIS_TRIB_SERVER, else valkey-server or redis-server on PATH]
    #[arg(long, value_name = "PATH")]
    pub server: Option<PathBuf>,
    /// How to report, and to connect; a new lab's servers get the password.
    #[command(flatten)]
    pub report: ReportArgs,
}

/// Arguments of `lab add`.
#[derive(Clone, Debug, Args)]
pub struct LabAddArgs {
    /// How many servers
    #[arg(long, value_name = "COUNT", default_value = "1", value_parser = clap::value_parser!(u16).range(1..))]
    pub nodes: u16,
    /// The first port; the others follow [default: the one after the lab's last]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Which lab.
    #[command(flatten)]
    pub lab: LabDirArgs,
}

/// Arguments of verbs about single servers of a lab.
#[derive(Clone, Debug, Args)]
pub struct LabNodesArgs {
    /// The servers: port, HOST:PORT, or id in the cluster or how that begins
    #[arg(value_name = "NODE", value_parser = node_name, required = true)]
    pub nodes: Vec<NodeName>,
    /// Which lab.
    #[command(flatten)]
    pub lab: LabDirArgs,
}
