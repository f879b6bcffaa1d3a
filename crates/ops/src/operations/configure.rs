//! Settings that nodes are to have, members of a cluster or not.

use std::collections::BTreeMap;

use redistrib_cluster_model::declare::is_same;
use redistrib_resp::Command;

use crate::cluster::in_parallel;
use crate::commands::{rewrite_settings, set_setting};
use crate::error::Result;
use crate::server_info::ask_one;
use crate::{ApplyError, Connection, Endpoint, Settings};

/// Sets these on all the nodes side by side, with `rewrite` into their own files, too, and reads them back. Settings that were set
/// before one was refused stay.
///
/// # Errors
/// Those of [`Connection::open`] and [`Connection::call`]; [`ApplyError::OtherWords`] for a value that a node reports in other
/// words.
pub(crate) fn configure(
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
    let work = |node: &Endpoint| {
        let mut connection = Connection::open(node, settings)?;
        connection.call_all(&commands)?;
        read_back(&mut connection, wanted)
    };
    in_parallel(nodes, work).into_iter().collect()
}

/// Servers write some values in words of their own, which would look like another value for ever.
fn read_back(node: &mut Connection, wanted: &BTreeMap<String, String>) -> Result<()> {
    let names: Vec<&str> = wanted.keys().map(String::as_str).collect();
    let told = ask_one(node, &names)?;
    for (name, value) in wanted {
        let has = told.setting(name).unwrap_or_default();
        if !is_same(has, value) {
            let (node, name) = (node.endpoint().clone(), name.clone());
            let (told, has) = (value.clone(), has.to_owned());
            return Err(ApplyError::OtherWords { node, name, told, has }.into());
        }
    }
    Ok(())
}
