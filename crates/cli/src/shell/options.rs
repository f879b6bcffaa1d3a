//! What a session is asked for, whichever command line said it.

use std::path::PathBuf;
use std::time::Duration;

use redistrib_ops::words::Closing;
use redistrib_ops::{Endpoint, Settings};

use super::format::{Delimiters, ReplyForm};

/// Everything a session needs to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The server, or any node of the cluster.
    pub endpoint: Endpoint,
    /// Credentials, TLS, patience. Replies are waited for as long as they take.
    pub settings: Settings,
    /// RESP2 or RESP3 asked for by HELLO; nothing is said where `None`.
    pub protocol: Option<Protocol>,
    /// The database to select.
    pub database: u32,
    /// The name that the connection is given at the server.
    pub name: Option<Vec<u8>>,
    /// Follow MOVED and ASK.
    pub cluster: bool,
    /// Whose words to use.
    pub peer: Peer,
    /// How replies look.
    pub output: OutputOptions,
    /// How often a command is executed.
    pub repeat: Repeat,
    /// End with exit code 1 where the server answers with an error.
    pub exit_on_error: bool,
    /// What to do.
    pub mode: Mode,
}

/// The tool whose words are used where the two differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Peer {
    /// redis-cli 8.6.
    #[default]
    RedisCli,
    /// valkey-cli 9.1.
    ValkeyCli,
}

impl Peer {
    /// As it stands in the names of files.
    pub(super) fn short_name(self) -> &'static str {
        match self {
            Self::RedisCli => "rediscli",
            Self::ValkeyCli => "valkeycli",
        }
    }

    /// As it is called.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::RedisCli => "redis-cli",
            Self::ValkeyCli => "valkey-cli",
        }
    }

    /// What a closing quote means at its prompt.
    pub(super) fn closing(self) -> Closing {
        match self {
            Self::RedisCli => Closing::Ends,
            Self::ValkeyCli => Closing::Joins,
        }
    }

    /// What it calls its server.
    pub(super) fn server(self) -> &'static str {
        match self {
            Self::RedisCli => "Redis",
            Self::ValkeyCli => "Valkey",
        }
    }

    /// The file that the environment names for a purpose: `HISTFILE` or `RCFILE`. valkey-cli's users may have
    /// kept redis-cli's variables.
    pub(super) fn dotfile(self, purpose: &str) -> Option<PathBuf> {
        let variable = |tool: &str| std::env::var_os(format!("{tool}_{purpose}"));
        let named = match self {
            Self::RedisCli => variable("REDISCLI"),
            Self::ValkeyCli => variable("VALKEYCLI").or_else(|| variable("REDISCLI")),
        };
        named.map(PathBuf::from)
    }
}

/// The protocol version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RESP2.
    Two,
    /// RESP3.
    Three,
}

/// How replies look.
#[derive(Clone, Debug, Default)]
pub struct OutputOptions {
    /// `None`: for people on a terminal, raw elsewhere.
    pub form: Option<ReplyForm>,
    /// Of the raw form.
    pub delimiters: Delimiters,
    /// Whether out-of-band data is shown; by default on a terminal.
    pub pushes: Option<bool>,
}

/// How often a command is executed (`-r`, `-i`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// `None`: for ever.
    pub times: Option<u64>,
    /// The pause between two times.
    pub interval: Duration,
}

impl Default for Repeat {
    fn default() -> Self {
        Self { times: Some(1), interval: Duration::ZERO }
    }
}

/// What a session does.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Commands typed at a prompt, or read from standard input where that is no terminal.
    Prompt,
    /// One command.
    Command(Vec<Vec<u8>>),
    /// One command on several nodes of a cluster.
    Everywhere {
        /// On masters alone, or on replicas too.
        which: redistrib_ops::Which,
        /// The command.
        words: Vec<Vec<u8>>,
    },
    /// A Lua script with keys and arguments.
    Eval {
        /// The script.
        file: PathBuf,
        /// Keys, `,`, arguments.
        words: Vec<Vec<u8>>,
    },
    /// The same, line by line: at a prompt of the server's debugger.
    Debug {
        /// The script.
        file: PathBuf,
        /// Keys, `,`, arguments.
        words: Vec<Vec<u8>>,
        /// Whether the server itself runs it, rather than a copy whose changes are taken back.
        sync: bool,
    },
    /// The hint behind a line that is typed.
    Hint(String),
    /// Whether hints are those that a file expects.
    HintSuite(PathBuf),
    /// Mass insertion from standard input.
    Pipe {
        /// How long to wait for a reply after all is sent; `None`: for ever.
        patience: Option<Duration>,
    },
    /// All keys, by SCAN.
    Scan(Scan),
    /// The biggest keys of each type by number of elements.
    BigKeys(Scan),
    /// The biggest keys of each type by memory.
    MemKeys(Scan, Option<u64>),
    /// The largest keys and how sizes are distributed: so many elements of each value looked at, so many keys listed.
    KeyStats(Scan, Option<u64>, u32),
    /// So many of the keys that are used most.
    HotKeys(Scan, u32),
    /// The data set in a file, as a replica gets it.
    Rdb {
        /// Where to; `-` is standard output.
        file: PathBuf,
        /// Without the keys.
        functions_only: bool,
    },
    /// The commands that a server sends its replicas.
    Replica,
    /// Round trips, measured without end or for an interval.
    Latency {
        /// How long each row of the history takes; `None`: one row only.
        history: Option<Duration>,
        /// How long to measure where the output is no terminal.
        interval: Duration,
    },
    /// How round trips are distributed, a line of colours for each interval.
    LatencyDist {
        /// How long an interval is.
        interval: Duration,
    },
    /// How long the system keeps this program from running.
    IntrinsicLatency {
        /// How long it is watched.
        duration: Duration,
    },
    /// How often a server used as a cache has what it is asked for.
    LruTest {
        /// How many keys are asked for.
        keys: u64,
    },
    /// A row of figures about the server now and then.
    Stat {
        /// The pause between rows.
        interval: Duration,
        /// How many; `None`: for ever.
        rows: Option<u64>,
    },
}

/// Which keys are looked at, and how fast.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Only keys of this pattern.
    pub pattern: Option<Vec<u8>>,
    /// COUNT of each SCAN.
    pub count: Option<u64>,
    /// The cursor to begin with.
    pub cursor: u64,
    /// A pause every hundred SCANs, or after each where keys are listed.
    pub interval: Duration,
}
