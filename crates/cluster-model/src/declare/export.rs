//! The file of a running cluster.

use std::fmt::Write;

use super::{DeclareError, Observed, ObservedNode, plan};
use crate::Address;

/// Writes the file that declares the cluster as it is: nodes in their shards, by weight where the slots are not even, and
/// these settings.
///
/// # Errors
/// [`DeclareError::Silent`] and [`DeclareError::Uncovered`] for a cluster that cannot be declared.
pub fn export(observed: &Observed) -> Result<String, DeclareError> {
    let even = write(observed, Weights::OfOthersThanOwners);
    let is_even = plan(&even.parse()?, observed, &[])?.steps.is_empty();
    Ok(if is_even { even } else { write(observed, Weights::OfAll) })
}

/// Which masters are written with a weight.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weights {
    OfAll,
    OfOthersThanOwners,
}

fn write(observed: &Observed, weights: Weights) -> String {
    let mut masters: Vec<&ObservedNode> =
        observed.members().filter(|seen| seen.master.is_none()).collect();
    masters
        .sort_by_key(|seen| (seen.slots.first().is_none(), seen.slots.first(), address(&seen.at)));
    let owners = masters.iter().filter(|seen| seen.is_owner());
    let replicas = owners.map(|seen| observed.good_replicas(&seen.at)).min().unwrap_or(0);
    let mut text = format!("replicas = {replicas}\n");
    let mut settings = common_settings(observed).peekable();
    if settings.peek().is_some() {
        text += "\n[settings]\n";
    }
    for (name, value) in settings {
        // A text takes whatever is written to it.
        let _ = writeln!(text, "{} = {}", quoted(name), quoted(value));
    }
    text += "\n[nodes]\n";
    for (number, master) in masters.iter().enumerate() {
        let follows = |seen: &&ObservedNode| seen.master.as_ref() == Some(&master.at);
        let mut shard: Vec<&ObservedNode> = observed.members().filter(follows).collect();
        shard.sort_by_key(|seen| address(&seen.at));
        shard.insert(0, master);
        for seen in shard {
            let mut fields = vec![format!("shard = \"{}\"", number + 1)];
            if weights == Weights::OfAll || !master.is_owner() {
                fields.push(format!("weight = {}", master.slots.len()));
            }
            let _ = writeln!(text, "{} = {{ {} }}", quoted(&seen.at), fields.join(", "));
        }
    }
    text
}

/// The settings that all members have alike, with their values.
pub fn common_settings(observed: &Observed) -> impl Iterator<Item = (&String, &String)> {
    let first = observed.members().next().into_iter().flat_map(|seen| &seen.settings);
    let is_common = |(name, value): &(&String, &String)| {
        observed.members().all(|seen| seen.settings.get(*name) == Some(value))
    };
    first.filter(is_common)
}

/// Ports in the order of numbers.
fn address(at: &str) -> Option<Address> {
    at.parse().ok()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}
