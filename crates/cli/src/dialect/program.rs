//! The name that the program was called by, and what it says of itself under that name.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, ValueEnum};

use super::theirs::Known;

/// A name of the program, which decides its dialect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Program {
    /// Its own.
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

    /// One line, the version as its second word.
    pub(super) fn version(self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        match self {
            Self::RedisTrib => format!("redis-trib {version}\n"),
            _ => format!("{} {version} (redis-trib)\n", self.name()),
        }
    }

    /// The options of the terminal, in the form of redis-cli's help.
    pub(super) fn help(self, known: Known<'_>) -> String {
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
