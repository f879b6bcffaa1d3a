//! The name that the program was called by, and what it says of itself under that name.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ValueEnum};

use super::spelling::{advice_under, respelt};
use super::theirs::{KnownOptions, is_shared};
use crate::shell::Peer;

/// A name of the program, which decides its dialect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// Its own.
    #[default]
    RedisTrib,
    /// redis-cli's.
    RedisCli,
    /// valkey-cli's.
    ValkeyCli,
}

/// Where an option's explanation begins, as in redis-cli's help.
const COLUMN: usize = 21;

/// What the model has not as options, or in another unit, with what it means.
const OWN: [(&str, &str); 4] = [
    ("-h <hostname>", "The server's host (default: 127.0.0.1)"),
    ("-p <port>", "The server's port (default: 6379)"),
    ("-u <uri>", "The server as redis://user:password@host:port/db, or rediss:// for TLS"),
    ("-t <seconds>", "How long a server may take to accept a connection; decimals are allowed"),
];

impl Program {
    pub(super) fn of(path: &OsStr) -> Self {
        match Path::new(path).file_stem().and_then(OsStr::to_str) {
            Some("redis-cli") => Self::RedisCli,
            Some("valkey-cli") => Self::ValkeyCli,
            _ => Self::RedisTrib,
        }
    }

    /// The name itself.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RedisTrib => "redis-trib",
            Self::RedisCli => "redis-cli",
            Self::ValkeyCli => "valkey-cli",
        }
    }

    /// Whose words are spoken under this name.
    pub(super) fn peer(self) -> Option<Peer> {
        match self {
            Self::RedisTrib => None,
            Self::RedisCli => Some(Peer::RedisCli),
            Self::ValkeyCli => Some(Peer::ValkeyCli),
        }
    }

    /// One line, the version as its second word.
    pub(super) fn version(self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match self {
            Self::RedisTrib => format!("redis-trib {version}\n"),
            _ => format!("{} {version} (redis-trib)\n", self.name()),
        }
    }

    /// The options of the terminal, in the form of redis-cli's help.
    pub(super) fn help(self, known: KnownOptions<'_>) -> String {
        let name = self.name();
        let mut text =
            format!("{}\nUsage: {name} [OPTIONS] [cmd [arg [arg ...]]]\n", self.version());
        for (option, meaning) in OWN {
            explain(&mut text, option, meaning);
        }
        for arg in known.exec.get_opts().filter(|arg| !arg.is_hide_set()) {
            let Some(option) = known.spelling(arg) else { continue };
            if OWN.iter().any(|(own, _)| own.split(' ').next() == Some(&option)) {
                continue;
            }
            let value = value_of(arg).map(|value| format!(" <{value}>")).unwrap_or_default();
            let meaning = arg.get_help().map(ToString::to_string).unwrap_or_default();
            explain(&mut text, &format!("{option}{value}"), &meaning);
        }
        explain(&mut text, "--cluster <verb>", "Do something with a cluster: see --cluster help");
        explain(&mut text, "--help", "Print this");
        explain(&mut text, "--version", "Print the version");
        let _ = writeln!(
            text,
            "\nWithout a command {name} opens a prompt. Exit codes: 0 done, 1 failed, 2 wrong usage."
        );
        text
    }

    /// The name of an option; valkey-cli has primaries where ours has masters.
    fn in_words(self, long: &str) -> String {
        match self {
            Self::ValkeyCli => long.replace("masters", "primaries").replace("master", "primary"),
            _ => long.to_owned(),
        }
    }

    /// The help of a verb behind `--cluster`, its options under their names there.
    pub(super) fn verb_help(self, known: KnownOptions<'_>) -> String {
        let name = format!("{} --cluster {}", self.name(), known.verb.get_name());
        let help = known.verb.clone().bin_name(name).render_long_help().to_string();
        respelt(&advice_under(self.name(), &help), |option| Some(self.in_words(option)))
    }

    /// The verbs behind `--cluster` with their options, in the form of redis-cli's help.
    pub(super) fn cluster_help(self, known: KnownOptions<'_>) -> String {
        let mut text = String::from("Cluster Manager Commands:\n");
        let verbs =
            known.root.get_subcommands().filter(|verb| !NOT_OF_CLUSTERS.contains(&verb.get_name()));
        for verb in verbs {
            let words: Vec<String> = verb.get_positionals().map(positional).collect();
            let _ = writeln!(text, "  {:<14} {}", verb.get_name(), words.join(" ").to_lowercase());
            for arg in verb.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set())
            {
                let Some(long) = arg.get_long().filter(|long| !is_shared(long)) else { continue };
                let long = self.in_words(long);
                let value = value_of(arg).map(|_| " <arg>").unwrap_or_default();
                let _ = writeln!(text, "{:17}--cluster-{long}{value}", "");
            }
        }
        text += "\nOf every verb but create and add-node the host and port are those of any working node of the cluster.\n";
        text += "\nCluster Manager Options:\n  --cluster-yes  Automatic yes to cluster commands prompts\n\n";
        text
    }
}

/// Verbs that need no cluster behind them.
pub(super) const NOT_OF_CLUSTERS: [&str; 10] = [
    "shell",
    "exec",
    "keyslot",
    "lab",
    "completions",
    "man",
    "bench",
    "sharded",
    "reshard-fleet",
    "copy",
];

fn positional(arg: &Arg) -> String {
    let name = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    let several =
        if arg.get_num_args().is_some_and(|range| range.max_values() > 1) { " ..." } else { "" };
    format!("{}{several}", name.unwrap_or_default())
}

fn value_of(arg: &Arg) -> Option<String> {
    if !arg.get_action().takes_values() {
        return None;
    }
    Some(arg.get_value_names()?.first()?.to_lowercase())
}

fn explain(text: &mut String, option: &str, meaning: &str) {
    let head = format!("  {option} ");
    if head.len() > COLUMN {
        let _ = writeln!(text, "{head}\n{:COLUMN$}{meaning}", "");
    } else {
        let _ = writeln!(text, "{head:COLUMN$}{meaning}");
    }
}
