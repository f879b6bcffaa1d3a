//! Settings that nodes are to have, members of a cluster or not.

use std::collections::BTreeMap;

use redistrib_resp::Command;

use crate::cluster::in_parallel;
use crate::commands::{rewrite_settings, set_setting};
use crate::error::Result;
use crate::{Connection, Endpoint, Settings};

/// Sets these on all the nodes side by side; with `rewrite` into their own files, too. Settings that were set before one was
/// refused stay.
///
/// # Errors
/// Those of [`Connection::open`] and [`Connection::call`].
pub fn configure(
    nodes: &[Endpoint],
    wanted: &BTreeMap<String, String>,
    rewrite: bool,
    settings: &Settings,
) -> Result<()> {
    // Servers before 7.0 take one at a time.
    let set = |(name, value): (&String, &String)| set_setting(name, value);
    let mut commands: Vec<Command> = wanted.iter().map(set).collect();
    if rewrite {
        commands.push(rewrite_settings());
    }
    let work = |node: &Endpoint| Connection::open(node, settings)?.call_all(&commands).map(drop);
    in_parallel(nodes, work).into_iter().collect()
}
