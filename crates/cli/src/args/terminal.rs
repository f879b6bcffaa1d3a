//! The options of the terminal: those of redis-cli, under names that say what they do.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;
use redistrib_ops::Endpoint;

use super::ConnectArgs;
use super::values::endpoint;
use crate::shell::Peer;

/// How a session connects and prints.
#[derive(Clone, Debug, Args)]
pub struct SessionArgs {
    /// Follow MOVED and ASK; list, sample or insert into all masters
    #[arg(short = 'c', long)]
    pub follow: bool,
    /// Number of the database
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "0")]
    pub db: u32,
    /// What the server calls the connection
    #[arg(long, value_name = "NAME")]
    pub name: Option<OsString>,
    /// Speak RESP2
    #[arg(short = '2', long, conflicts_with = "resp3")]
    pub resp2: bool,
    /// Speak RESP3
    #[arg(short = '3', long)]
    pub resp3: bool,
    /// Execute each command so many times, once unless given; below zero without end
    #[arg(short = 'r', long, value_name = "TIMES", allow_negative_numbers = true)]
    pub repeat: Option<i64>,
    /// Pause between repetitions, samples or rows, in seconds
    #[arg(short = 'i', long, value_name = "SECONDS", value_parser = seconds)]
    pub interval: Option<f64>,
    /// Exit with code 1 where the server answers with an error
    #[arg(short = 'e', long)]
    pub exit_error: bool,
    /// Understand quotes and escapes in the command's words
    #[arg(long)]
    pub quoted_input: bool,
    /// Unix socket to connect to
    #[arg(short = 's', long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// The tool under whose name the program was called
    #[arg(long = "as", hide = true, value_enum, default_value_t = Peer::RedisCli)]
    pub peer: Peer,
    /// How replies look.
    #[command(flatten)]
    pub output: OutputArgs,
    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// The forms of replies: the last one given counts.
const FORMS: [&str; 6] = ["raw", "no_raw", "csv", "json", "plain_json", "quoted_json"];

/// How replies look.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Print the values alone, as is the default where the output is no terminal
    #[arg(long, overrides_with_all = FORMS)]
    pub raw: bool,
    /// Print for people, even where the output is no terminal
    #[arg(long, overrides_with_all = FORMS)]
    pub no_raw: bool,
    /// Print lines with commas
    #[arg(long, overrides_with_all = FORMS)]
    pub csv: bool,
    /// Print JSON that keeps every type apart
    #[arg(long, overrides_with_all = FORMS)]
    pub json: bool,
    /// Print the JSON of redis-cli's --json
    #[arg(long, overrides_with_all = FORMS)]
    pub plain_json: bool,
    /// Print the JSON of redis-cli's --quoted-json, ASCII only
    #[arg(long, overrides_with_all = FORMS)]
    pub quoted_json: bool,
    /// Between the elements of a reply, with --raw
    #[arg(short = 'd', long, value_name = "TEXT", allow_hyphen_values = true)]
    pub element_delimiter: Option<OsString>,
    /// After each reply, with --raw
    #[arg(short = 'D', long, value_name = "TEXT", allow_hyphen_values = true)]
    pub reply_delimiter: Option<OsString>,
    /// Show out-of-band data of RESP3: y or n
    #[arg(long, value_name = "yn", value_parser = yes_or_no)]
    pub show_pushes: Option<bool>,
}

/// `redis-trib shell`.
#[derive(Clone, Debug, Args)]
pub struct ShellArgs {
    /// A server, or any node of a cluster; `HOST PORT` will do as well
    #[arg(value_name = "HOST:PORT", value_parser = endpoint, default_value = "127.0.0.1:6379")]
    pub node: Endpoint,
    /// How to connect and print.
    #[command(flatten)]
    pub session: SessionArgs,
}

/// `redis-trib exec`.
#[derive(Clone, Debug, Args)]
pub struct ExecArgs {
    /// A server, or any node of a cluster; `HOST PORT` will do as well
    #[arg(value_name = "HOST:PORT", value_parser = endpoint)]
    pub node: Endpoint,
    /// The command, or a script's keys, a comma and arguments; options stand before it
    #[arg(value_name = "COMMAND", trailing_var_arg = true, allow_hyphen_values = true)]
    pub command: Vec<OsString>,
    /// On all masters of the cluster, each reply under its node's address
    #[arg(long, conflicts_with = "all_nodes")]
    pub all_masters: bool,
    /// On all nodes of the cluster
    #[arg(long)]
    pub all_nodes: bool,
    /// Take the last argument from standard input
    #[arg(short = 'x', long, conflicts_with = "stdin_tag")]
    pub stdin_last: bool,
    /// Put standard input in the place of the argument TAG
    #[arg(short = 'X', long, value_name = "TAG")]
    pub stdin_tag: Option<OsString>,
    /// What to do instead of a command.
    #[command(flatten)]
    pub mode: ModeArgs,
    /// How to connect and print.
    #[command(flatten)]
    pub session: SessionArgs,
}

/// What to do instead of one command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Instead of a command")]
pub struct ModeArgs {
    /// Execute the Lua script in a file
    #[arg(long, value_name = "FILE")]
    pub eval: Option<PathBuf>,
    /// Debug the script of --eval on a copy of the server
    #[arg(long)]
    pub ldb: bool,
    /// Debug it on the server itself, which waits and keeps what the script changes
    #[arg(long)]
    pub ldb_sync_mode: bool,
    /// Print the hint behind a line
    #[arg(long, value_name = "LINE", hide = true)]
    pub test_hint: Option<String>,
    /// Compare hints with those of a file
    #[arg(long, value_name = "FILE", hide = true)]
    pub test_hint_file: Option<PathBuf>,
    /// Send the commands on standard input, in the Redis protocol or one a line; with -c each to its owner
    #[arg(long)]
    pub pipe: bool,
    /// How long --pipe waits for the last replies, in seconds; 0: for ever
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub pipe_timeout: u64,
    /// List the keys
    #[arg(long)]
    pub scan: bool,
    /// Find the keys with the most elements
    #[arg(long)]
    pub bigkeys: bool,
    /// Find the keys that take the most memory
    #[arg(long)]
    pub memkeys: bool,
    /// How many elements of a value --memkeys looks at
    #[arg(long, value_name = "NUMBER")]
    pub memkeys_samples: Option<u64>,
    /// Find the largest keys by memory and by elements, and how sizes are distributed
    #[arg(long)]
    pub keystats: bool,
    /// How many elements of a value --keystats looks at
    #[arg(long, value_name = "NUMBER")]
    pub keystats_samples: Option<u64>,
    /// How many of the largest keys --keystats lists
    #[arg(long, value_name = "NUMBER", default_value_t = 10, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub top: u32,
    /// Where --keystats begins: the cursor at which it was interrupted
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub cursor: u64,
    /// Find the keys that are used most
    #[arg(long)]
    pub hotkeys: bool,
    /// How many keys --hotkeys finds (16)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub hotkeys_count: Option<u32>,
    /// Only keys of this pattern
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub pattern: Option<OsString>,
    /// The same with quotes and escapes
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub quoted_pattern: Option<OsString>,
    /// COUNT of each SCAN
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
    /// Save the data set in an RDB file, or on standard output for -
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub rdb: Option<PathBuf>,
    /// Save the functions alone in an RDB file
    #[arg(long, value_name = "FILE", allow_hyphen_values = true)]
    pub functions_rdb: Option<PathBuf>,
    /// Show the commands that a server sends its replicas
    #[arg(long)]
    pub as_replica: bool,
    /// Measure round trips
    #[arg(long)]
    pub latency: bool,
    /// Measure round trips, a row for each interval (15 s)
    #[arg(long)]
    pub latency_history: bool,
    /// Show how round trips are distributed, in colours, a line for each interval (1 s)
    #[arg(long)]
    pub latency_dist: bool,
    /// Measure for so many seconds how long the system keeps a program from running; asks no server
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub intrinsic_latency: Option<u32>,
    /// Write and read out of so many keys, and report how often one was there
    #[arg(long, value_name = "KEYS", value_parser = clap::value_parser!(u64).range(1..=1 << 50))]
    pub lru_test: Option<u64>,
    /// Print a row of figures now and then
    #[arg(long)]
    pub stat: bool,
}

/// `redis-trib keyslot`.
#[derive(Clone, Debug, Args)]
pub struct KeyslotArgs {
    /// The keys
    #[arg(value_name = "KEY", required = true, allow_hyphen_values = true)]
    pub keys: Vec<OsString>,
    /// Print a JSON object a key
    #[arg(long)]
    pub json: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| "give a number of seconds".to_owned())?;
    if (0.0..=1e9).contains(&seconds) {
        Ok(seconds)
    } else {
        Err("give a number of seconds".into())
    }
}

fn yes_or_no(text: &str) -> Result<bool, String> {
    match text.to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(true),
        "n" | "no" => Ok(false),
        _ => Err("give y or n".into()),
    }
}
