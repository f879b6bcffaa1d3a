//! The options of redis-cli and valkey-cli: those of the argument model under its names, and the few that are
//! spelt otherwise there, stand for more than an option, or are not to be had.

use clap::{Arg, Command};

use super::MODEL;
use super::model::{self, Arity, Opt};
use super::nearest::nearest;
use crate::args::UsageError;

/// The verb of the terminal.
pub(super) const EXEC: &str = "exec";

/// What an option of theirs does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Sets an option of the model.
    Sets(Opt),
    /// The host, or the path of a Unix socket.
    Host,
    Port,
    /// Host, port, user, password, database and TLS in one.
    Uri,
    Help,
    Version,
    /// Taken as there, and without effect here.
    Nothing(Arity),
    /// Not to be had here.
    Missing(Missing),
}

/// An option that is not to be had here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing {
    /// The tool that has it.
    tool: &'static str,
    /// What to do here.
    instead: &'static str,
}

impl Missing {
    pub(super) fn refuse(self, name: &str) -> UsageError {
        UsageError::missing(self.tool, name, self.instead)
    }
}

/// The refusal of an option that is theirs, and not to be had here.
pub(super) fn refusal(name: &str) -> Option<UsageError> {
    OWN.iter().find_map(|(own, meaning)| match meaning {
        Meaning::Missing(missing) if *own == name => Some(missing.refuse(name)),
        _ => None,
    })
}

/// What the model does not know under their name.
pub(super) fn own() -> impl Iterator<Item = (&'static str, &'static Meaning)> {
    OWN.iter().map(|(name, meaning)| (*name, meaning))
}

const RECALL: Meaning = Meaning::Missing(Missing { tool: "redis-cli", instead: "send VSIM" });
const TRANSPORT: Meaning = Meaning::Missing(Missing {
    tool: "valkey-cli",
    instead: "leave it out, connections are plain TCP",
});

impl Meaning {
    /// How many values the option takes. One that is not to be had is refused before its values are looked at.
    pub(super) fn arity(&self) -> Arity {
        match self {
            Self::Sets(option) => option.arity,
            Self::Nothing(arity) => *arity,
            Self::Host | Self::Port | Self::Uri => Arity::One,
            Self::Help | Self::Version | Self::Missing(_) => Arity::None,
        }
    }
}

/// What they have under a name that the model does not know, or knows for something else. TLS ciphers are rustls's to
/// choose, names are resolved to whatever address answers, and errors are reported in full anyway.
static OWN: [(&str, Meaning); 18] = [
    ("-h", Meaning::Host),
    ("-p", Meaning::Port),
    ("-u", Meaning::Uri),
    ("--help", Meaning::Help),
    ("-v", Meaning::Version),
    ("--version", Meaning::Version),
    ("-4", Meaning::Nothing(Arity::None)),
    ("-6", Meaning::Nothing(Arity::None)),
    ("--mono", Meaning::Nothing(Arity::None)),
    ("--verbose", Meaning::Nothing(Arity::None)),
    ("--tls-ciphers", Meaning::Nothing(Arity::One)),
    ("--tls-ciphersuites", Meaning::Nothing(Arity::One)),
    ("--vset-recall", RECALL),
    ("--vset-recall-ele", RECALL),
    ("--vset-recall-count", RECALL),
    ("--vset-recall-ef", RECALL),
    ("--mptcp", TRANSPORT),
    ("--rdma", TRANSPORT),
];

/// Their spellings of options of `exec` that are called otherwise here.
const RENAMED: [(&str, &str); 6] = [
    ("--json", "plain-json"),
    ("-t", "connect-timeout"),
    ("--replica", "as-replica"),
    ("--slave", "as-replica"),
    ("--test_hint", "test-hint"),
    ("--test_hint_file", "test-hint-file"),
];

/// Options that exclude each other.
pub(super) const EXCLUSIVE: [(&str, &str); 4] =
    [("-c", "-s"), ("-2", "-3"), ("-x", "-X"), ("-4", "-6")];

/// The options that hold on a line: those of a verb, and those that redis-cli takes whatever it does.
#[derive(Clone, Copy)]
pub(super) struct KnownOptions<'a> {
    pub(super) root: &'a Command,
    /// The verb `exec`, which has the options of the terminal.
    pub(super) exec: &'a Command,
    /// The verb behind `--cluster`; `exec` where there is none.
    pub(super) verb: &'a Command,
}

impl KnownOptions<'_> {
    /// What an option does, by its name as it is written, hyphens included.
    pub(super) fn meaning(&self, name: &str) -> Option<Meaning> {
        if name == "-s" && !self.is_terminal() {
            return Some(Meaning::Host);
        }
        if let Some(option) = self.of_verb(name) {
            return Some(Meaning::Sets(option));
        }
        if let Some((_, meaning)) = OWN.iter().find(|(own, _)| *own == name) {
            return Some(meaning.clone());
        }
        // redis-cli takes an option of one verb on every other, and makes nothing of it.
        let bare = name.strip_prefix("--cluster-");
        let option = self.of_exec(name).or_else(|| model::long_anywhere(self.root, bare?));
        option.map(|option| Meaning::Nothing(option.arity))
    }

    /// Whether this is the terminal, without `--cluster`.
    pub(super) fn is_terminal(&self) -> bool {
        self.verb.get_name() == self.exec.get_name()
    }

    fn of_verb(&self, name: &str) -> Option<Opt> {
        if self.is_terminal() {
            return self.of_exec(name);
        }
        match name.strip_prefix("--cluster-") {
            Some(bare) => model::long(self.verb, bare),
            None => spelt(self.verb, name),
        }
    }

    fn of_exec(&self, name: &str) -> Option<Opt> {
        match RENAMED.iter().find(|(theirs, _)| *theirs == name) {
            Some((_, ours)) => model::long(self.exec, ours),
            None => spelt(self.exec, name),
        }
    }

    /// How an option of the terminal is written: by its letter, if it has one, and under their name.
    pub(super) fn spelling(&self, arg: &Arg) -> Option<String> {
        let long = arg.get_long()?;
        if let Some((theirs, _)) = RENAMED.iter().find(|(_, ours)| *ours == long) {
            return Some((*theirs).to_owned());
        }
        // Theirs has another meaning under the name of ours.
        let is_taken = RENAMED.iter().any(|(theirs, _)| theirs.strip_prefix("--") == Some(long));
        let letter = arg.get_short().map(|letter| format!("-{letter}"));
        (!is_taken).then(|| letter.unwrap_or_else(|| format!("--{long}")))
    }

    /// The option of the verb that was most likely meant, spelt as this one is: with `cluster-` before it or without.
    pub(super) fn nearest(&self, name: &str) -> Option<String> {
        let bare = name.trim_start_matches('-');
        let (bare, prefix) = match bare.strip_prefix("cluster-") {
            Some(bare) => (bare, "cluster-"),
            None => (bare, ""),
        };
        let found = nearest(bare, model::long_names(self.verb))?;
        Some(if is_shared(&found) { found } else { format!("{prefix}{found}") })
    }
}

/// Whether an option is spelt without `cluster-` behind `--cluster`, too: redis-cli has it for everything.
pub(super) fn is_shared(name: &str) -> bool {
    name == "help"
        || model::verb(&MODEL, EXEC).is_some_and(|exec| model::long(exec, name).is_some())
}

/// The option that is written so: `-x` or `--name`.
fn spelt(command: &Command, name: &str) -> Option<Opt> {
    if let Some(long) = name.strip_prefix("--") {
        return model::long(command, long);
    }
    let mut letters = name.chars().skip(1);
    let letter = letters.next()?;
    letters.next().is_none().then(|| model::short(command, letter)).flatten()
}
