//! What the dialects ask of the argument model.

use clap::{Arg, ArgAction, Command};

use super::hyphenated;

/// How many values an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arity {
    /// A flag.
    None,
    /// One value.
    One,
    /// One value, or several of the form `a=b` one after the other.
    Pairs,
}

/// An option of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opt {
    /// Its present long name, without hyphens before it.
    pub(super) name: String,
    pub(super) arity: Arity,
}

impl Opt {
    fn of(arg: &Arg) -> Option<Self> {
        let arity = match arg.get_action() {
            ArgAction::Set => Arity::One,
            ArgAction::Append => Arity::Pairs,
            _ => Arity::None,
        };
        Some(Self { name: arg.get_long()?.to_owned(), arity })
    }
}

/// The option that a command knows under this long name or alias.
pub(super) fn long(command: &Command, name: &str) -> Option<Opt> {
    let name = hyphenated(name);
    let named = |arg: &&Arg| {
        arg.get_long() == Some(&name) || arg.get_all_aliases().unwrap_or_default().contains(&&*name)
    };
    command.get_opts().chain(flags(command)).find(named).and_then(Opt::of)
}

/// The option that a command knows under this letter.
pub(super) fn short(command: &Command, letter: char) -> Option<Opt> {
    command.get_arguments().find(|arg| arg.get_short() == Some(letter)).and_then(Opt::of)
}

/// The same among all verbs.
pub(super) fn long_anywhere(root: &Command, name: &str) -> Option<Opt> {
    verbs(root).find_map(|verb| long(verb, name))
}

/// The same among all verbs.
pub(super) fn short_anywhere(root: &Command, letter: char) -> Option<Opt> {
    verbs(root).find_map(|verb| short(verb, letter))
}

/// The long names of all options that a command shows.
pub(super) fn long_names(command: &Command) -> impl Iterator<Item = String> {
    let shown = command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set());
    shown.filter_map(|arg| arg.get_long().map(str::to_owned))
}

/// The verb of this name or alias.
pub(super) fn verb<'a>(command: &'a Command, name: &str) -> Option<&'a Command> {
    command.find_subcommand(hyphenated(name))
}

/// Whether everything after the other positionals is a command for a server.
pub(super) fn is_trailing(command: &Command) -> bool {
    command.get_positionals().any(Arg::is_trailing_var_arg_set)
}

/// All commands below one that have no verbs of their own.
fn verbs(root: &Command) -> Box<dyn Iterator<Item = &Command> + '_> {
    Box::new(root.get_subcommands().flat_map(|verb| {
        let leaf = (!verb.has_subcommands()).then_some(verb);
        leaf.into_iter().chain(verbs(verb))
    }))
}

fn flags(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| !arg.is_positional() && !arg.get_action().takes_values())
}
