//! Connections to Redis and Valkey servers, and the operations on a cluster of them.
//!
//! Everything here acts: what to do is decided by the pure functions of `redistrib_cluster_model`. An
//! operation tells what it does through an [`Observer`], stops when its [`Cancel`] asks for it, and
//! returns typed [`Error`]s; it never prints.

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

mod base;
pub mod bench;
pub mod client;
mod cluster;
mod commands;
pub mod fleet;
pub mod lab;
pub mod lock;
pub mod migrate;
mod net;
mod operations;
pub mod restore;
pub mod transfer;
mod watch;

pub use base::cancel::{Cancel, Stop};
pub use base::endpoint::{Endpoint, ParseEndpointError, ResolveError};
pub use base::error::{
    BackupError, CopyError, Error, MembershipError, MoveError, Result, StreamError, TlsSetupError,
};
pub use base::limits;
pub use base::observer::{Context, Event, Method, Observer, Pair, Silent, Step};
use base::{error, observer, wait};
pub use client::words;
pub use cluster::served::{await_all_served, await_new_cluster, await_served};
pub use cluster::server_info;
pub use cluster::{Cluster, Member};
use cluster::{agreement, candidate, lost, served};
pub use commands::refusal::Refusal;
use net::connection as conn;
pub use net::connection::{
    Connection, Credentials, Payload, Secret, Settings, Synchronisation, TlsOptions, TlsSettings,
    without_secrets,
};
pub use operations::add_node::{NewRole, add_node};
pub use operations::backup::{backup, write_whole};
pub use operations::configure::configure;
pub use operations::create::Candidates;
pub use operations::declared::{Site, apply_declared, observe, plan_declared};
pub use operations::del_node::Departure;
pub use operations::everywhere::{
    LEAST_NODE_TIMEOUT, Which, call, require_timeout, set_node_timeout,
};
pub use operations::failover::{Failover, FailoverMode};
pub use operations::fix::{fix, fix_migrating, plan_cluster_fix};
pub use operations::follow::follow;
pub use operations::forget_failed::forget_failed;
pub use operations::inspect::{NodeReport, Report, glance, inspect};
pub use operations::join::{balanced_by, join_cluster, join_cluster_with, join_no_load, replicate};
pub use operations::list::{ClusterNode, list_masters, list_nodes};
pub use operations::manifest::{Manifest, Saved};
pub use operations::meet::Reunion;
pub use operations::migrate_slots::{migrate_slots, plan_migrate_slots};
pub use operations::quit::{plan_drain, quit_cluster, require_end, shutdown_cluster};
pub use operations::rebalance::{By, RebalanceOptions, plan_cluster_rebalance, weighed_replicas};
pub use operations::replace::Replacement;
pub use operations::rescue::{lost_slots, rescue_cluster};
pub use operations::reshard;
pub use operations::start::{each_once, start_cluster, start_cluster_on_multi};
use operations::{add_node, fix, functions, holders, repair};
pub use redistrib_cluster_model as model;
pub use redistrib_cluster_model::plan::fix::{FixOptions, FixPlan};
pub use redistrib_resp as resp;
pub use watch::Watch;
