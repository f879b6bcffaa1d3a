//! The options of redis-cli and valkey-cli as a description for clap, from which their completions are made.

use std::collections::BTreeMap;

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command};

use super::redis_cli::terminal;
use super::theirs::{self, Meaning};
use super::{MODEL, Program};

/// The command line under the name of redis-cli or valkey-cli: the options of the terminal, the verbs as values of
/// `--cluster`, and the options of all verbs with `--cluster-` before them.
/// Nothing if the argument model had no terminal.
pub fn peers_model(peer: Program) -> Option<Command> {
    let known = terminal(&MODEL).ok()?;
    let verbs = || MODEL.get_subcommands().filter(|verb| !verb.has_subcommands());
    let mut options = BTreeMap::new();
    for (spelling, meaning) in theirs::own() {
        if !matches!(meaning, Meaning::Missing(_)) {
            options.insert(spelling.to_owned(), option(spelling, takes_value(meaning)));
        }
    }
    for arg in known.exec.get_opts().filter(|arg| !arg.is_hide_set()) {
        if let Some(spelling) = known.spelling(arg) {
            options.entry(spelling.clone()).or_insert_with(|| alike(&spelling, arg));
        }
    }
    let cluster = Arg::new("cluster").long("cluster").value_name("VERB");
    let names: Vec<String> = verbs().map(|verb| verb.get_name().to_owned()).collect();
    options.insert("--cluster".into(), cluster.value_parser(PossibleValuesParser::new(names)));
    for arg in verbs().flat_map(Command::get_opts).filter(|arg| !arg.is_hide_set()) {
        let Some(long) = arg.get_long().filter(|long| !theirs::is_shared(long)) else { continue };
        let spelling = format!("--cluster-{long}");
        options.entry(spelling.clone()).or_insert_with(|| alike(&spelling, arg));
    }
    Some(Command::new(peer.name()).disable_help_flag(true).args(options.into_values()))
}

fn takes_value(meaning: &Meaning) -> bool {
    meaning.arity() != super::model::Arity::None
}

/// The option of the model under the name it has there.
fn alike(spelling: &str, arg: &Arg) -> Arg {
    let mut twin = option(spelling, arg.get_action().takes_values());
    if let Some(help) = arg.get_help() {
        twin = twin.help(help.clone());
    }
    let values = arg.get_possible_values();
    if !values.is_empty() && arg.get_action().takes_values() {
        twin = twin.value_parser(PossibleValuesParser::new(values));
    }
    twin.value_hint(arg.get_value_hint())
}

/// An option by its letter or its long name, hyphens included.
fn option(spelling: &str, takes_value: bool) -> Arg {
    let action = if takes_value { ArgAction::Set } else { ArgAction::SetTrue };
    let arg = Arg::new(spelling.to_owned()).action(action);
    match spelling.strip_prefix("--") {
        Some(long) => arg.long(long.to_owned()),
        None => arg.short(spelling.chars().nth(1)),
    }
}
