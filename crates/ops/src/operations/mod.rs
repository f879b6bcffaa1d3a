//! What is done to a whole cluster, a file for each verb.

pub(crate) mod add_node;
pub(crate) mod backup;
pub(crate) mod configure;
pub(crate) mod create;
pub(crate) mod declared;
pub(crate) mod del_node;
pub(crate) mod everywhere;
pub(crate) mod failover;
pub(crate) mod fix;
pub(crate) mod follow;
pub(crate) mod forget_failed;
pub(crate) mod functions;
pub(crate) mod holders;
pub(crate) mod inspect;
pub(crate) mod join;
pub(crate) mod list;
pub(crate) mod meet;
pub(crate) mod migrate_slots;
pub(crate) mod quit;
pub(crate) mod rebalance;
pub(crate) mod repair;
pub(crate) mod replace;
pub(crate) mod rescue;
pub mod reshard;
pub(crate) mod start;
pub(crate) mod votes;
