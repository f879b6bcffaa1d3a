//! Connections to Redis and Valkey servers, and the operations on a cluster of them.
//!
//! Everything here acts: what to do is decided by the pure functions of `redistrib_cluster_model`. An
//! operation tells what it does through an [`Observer`], stops when its [`Cancel`] asks for it, and
//! returns typed [`Error`]s; it never prints.

mod add_node;
mod agreement;
mod backup;
pub mod bench;
mod cancel;
mod candidate;
pub mod client;
mod cluster;
mod conn;
mod create;
mod del_node;
mod endpoint;
mod error;
mod everywhere;
mod failover;
mod fix;
pub mod fleet;
mod forget_failed;
mod functions;
mod holders;
mod inspect;
mod join;
pub mod lab;
mod list;
pub mod lock;
mod lost;
mod meet;
pub mod migrate;
mod migrate_slots;
mod observer;
mod quit;
mod rebalance;
mod repair;
mod rescue;
pub mod reshard;
mod served;
pub mod server_info;
mod start;
pub mod transfer;
mod wait;
pub mod words;

pub use add_node::{NewRole, add_node};
pub use backup::{Saved, backup, write_whole};
pub use cancel::{Cancel, Stop};
pub use cluster::{Cluster, Member};
pub use conn::{
    Connection, Credentials, Payload, Secret, Settings, Synchronisation, TlsOptions, TlsSettings,
    without_secrets,
};
pub use create::Candidates;
pub use del_node::Departure;
pub use endpoint::Endpoint;
pub use error::{Error, Result};
pub use everywhere::{LEAST_NODE_TIMEOUT, Which, call, require_timeout, set_node_timeout};
pub use failover::{Failover, FailoverMode};
pub use fix::{fix, fix_migrating, plan_cluster_fix};
pub use forget_failed::forget_failed;
pub use inspect::{NodeReport, Report, inspect};
pub use join::{balanced_by, join_cluster, join_cluster_with, join_no_load, replicate};
pub use list::{ClusterNode, list_masters, list_nodes};
pub use meet::Reunion;
pub use migrate_slots::{migrate_slots, plan_migrate_slots};
pub use observer::{Context, Event, Method, Observer, Pair, Silent, Step};
pub use quit::{plan_drain, quit_cluster, require_end, shutdown_cluster};
pub use rebalance::{By, RebalanceOptions, plan_cluster_rebalance, weighed_replicas};
pub use redistrib_cluster_model as model;
pub use redistrib_cluster_model::plan::fix::{FixOptions, FixPlan};
pub use redistrib_resp as resp;
pub use rescue::{lost_slots, rescue_cluster};
pub use served::{await_all_served, await_served};
pub use start::{each_once, start_cluster, start_cluster_on_multi};
