//! The file of a running cluster.

use std::fmt::Write;

use super::{DeclareError, Observed, Seen, plan};
use crate::Address;

/// Writes the file that declares the cluster as it is: nodes in their shards, by weight where the slots are not even, and
/// these settings.
///
/// # Errors
/// [`DeclareError::Cluster`] for a cluster that cannot be declared: slots without an owner, nodes that do not answer.
pub fn export(observed: &Observed, hosts: &[(String, String)]) -> Result<String, DeclareError> {
    let even = write(observed, hosts, false);
    let is_even = plan(&even.parse()?, observed, &[])?.steps.is_empty();
    Ok(if is_even { even } else { write(observed, hosts, true) })
}

fn write(observed: &Observed, hosts: &[(String, String)], weighed: bool) -> String {
    let mut masters: Vec<&Seen> = observed.members().filter(|seen| seen.master.is_none()).collect();
    masters
        .sort_by_key(|seen| (seen.slots.first().is_none(), seen.slots.first(), address(&seen.at)));
    let owners = masters.iter().filter(|seen| seen.is_owner());
    let replicas = owners.map(|seen| observed.good_replicas(&seen.at)).min().unwrap_or(0);
    let mut text = format!("replicas = {replicas}\n\n[nodes]\n");
    for (number, master) in masters.iter().enumerate() {
        let follows = |seen: &&Seen| seen.master.as_ref() == Some(&master.at);
        let mut shard: Vec<&Seen> = observed.members().filter(follows).collect();
        shard.sort_by_key(|seen| address(&seen.at));
        shard.insert(0, master);
        for seen in shard {
            let mut fields = vec![format!("shard = \"{}\"", number + 1)];
            if let Some((_, host)) = hosts.iter().find(|(at, _)| *at == seen.at) {
                fields.push(format!("host = {}", quoted(host)));
            }
            if weighed || !master.is_owner() {
                fields.push(format!("weight = {}", master.slots.len()));
            }
            // A text takes whatever is written to it.
            let _ = writeln!(text, "{} = {{ {} }}", quoted(&seen.at), fields.join(", "));
        }
    }
    text
}

/// Ports in the order of numbers.
fn address(at: &str) -> Option<Address> {
    at.parse().ok()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
