//! Connections to Redis and Valkey servers, and the operations on a cluster of them.
//!
//! Everything here acts: what to do is decided by the pure functions of `redistrib_cluster_model`. An
//! operation reports what it does through an [`Observer`], stops when its [`Cancel`] asks for it, and
//! returns typed [`Error`]s; it never prints.
//!
//! Features: `tls` (on by default), for connections by TLS; `testing`, for tests that start the servers which
//! `make servers` fetches.

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
    ApplyError, BackupError, Belongings, CopyError, Error, MembershipError, MoveError, Result,
    RollError, StreamError, TlsSetupError,
};
pub use base::limits;
pub use base::observer::{Context, Event, Method, Observer, Pair, Silent, Step};
pub use base::text_file::read_text;
pub use base::whole_file::write_whole;
use base::{error, observer, wait};
pub use client::words;
pub use cluster::served::await_all_served;
pub use cluster::server_info;
pub use cluster::{Cluster, Member};
use cluster::{agreement, candidate, lost, served};
pub use commands::refusal::Refusal;
use net::connection as conn;
#[cfg(feature = "tls")]
pub use net::connection::TlsOptions;
pub use net::connection::{
    Connection, Credentials, Payload, Secret, Settings, Synchronisation, TlsSettings,
    without_secrets,
};
pub use operations::add_node::{NewRole, WholeMembers};
pub use operations::backup::backup;
pub use operations::create::{Candidates, Create};
pub use operations::declared::{Apply, Site, observe};
pub use operations::del_node::{DelNode, Removal};
pub use operations::everywhere::{SetTimeout, TimeoutPlan, Which, call, require_timeout};
pub use operations::failover::{Failover, FailoverMode, Promote, Promoted};
pub use operations::fix::{Fix, FixScope, Fixed};
pub use operations::forget_failed::ForgetFailed;
pub use operations::inspect::{NodeReport, Report, glance, inspect};
pub use operations::join::{AddNode, Added, Addition, AskedRole, Join, balanced_by};
pub use operations::list::{ClusterNode, list_masters, list_nodes};
pub use operations::manifest::{Manifest, Saved};
pub use operations::meet::{Meet, Reunion};
pub use operations::migrate_slots::MigrateSlots;
pub use operations::operation::{Answer, Dialogue, Host, Operation, Recovery, Subject};
pub use operations::rebalance::{By, Rebalance, RebalanceOptions, weighed_replicas};
pub use operations::redis_trib_py::{
    each_once, fix_migrating, join_cluster, join_cluster_with, join_no_load, migrate_slots,
    quit_cluster, replicate, rescue_cluster, shutdown_cluster, start_cluster,
    start_cluster_on_multi,
};
pub use operations::replace::{Replace, Replaced, Replacement};
pub use operations::rescue::Rescue;
pub use operations::reshard::{Reshard, ReshardPlan};
pub use operations::roll::{Roll, RollOptions, Rolled};
pub use operations::runner::{Ended, carry_out, run};
pub use operations::shutdown::Shutdown;
use operations::{add_node, functions, holders, mend, repair};
pub use redistrib_cluster_model as model;
pub use redistrib_cluster_model::plan::fix::{FixOptions, FixPlan};
pub use redistrib_resp as resp;
pub use watch::Watch;
