//! The one argument model: what the command line means, whichever dialect it was written in.

mod bench;
mod call;
mod common;
mod connect;
mod create;
mod declared;
mod fix;
mod fleet;
pub mod guide;
mod inspect;
mod lab;
mod members;
mod python;
mod rebalance;
mod reshard;
mod restore;
mod roll;
mod terminal;
mod tools;
mod top;
mod transfer;
mod values;

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

pub use bench::BenchArgs;
pub use call::CallArgs;
pub use common::{ChangeArgs, ClusterArgs, ReportArgs, SeedArgs, WaitArgs, WorkArgs};
pub use connect::{
    ConnectArgs, FROM_PASSWORD_VARIABLE, PASSWORD_VARIABLE, VALKEY_PASSWORD_VARIABLE,
};
pub use create::CreateArgs;
pub use declared::{ApplyArgs, ExportArgs, PlanArgs};
pub use fix::FixArgs;
pub use fleet::{
    FleetArgs, FleetExecArgs, FleetSessionArgs, FleetShellArgs, FromArgs, NodeForArgs,
    ReshardFleetArgs, ShardedArgs, ShardedVerb,
};
pub use inspect::{CheckArgs, InfoArgs, ListArgs, StatusArgs};
pub use lab::{LabAddArgs, LabArgs, LabDirArgs, LabNodesArgs, LabUpArgs, LabVerb};
pub use members::{AddNodeArgs, DelNodeArgs, FailoverArgs, MeetArgs, ReplaceArgs, SetTimeoutArgs};
pub use python::{
    JoinArgs, JoinNoLoadArgs, MigrateSlotsArgs, QuitArgs, ReplicateArgs, ShutdownArgs, StartArgs,
};
pub use rebalance::{RebalanceArgs, Weight};
pub use reshard::{MigrationArgs, ReshardArgs, SourceNames};
pub use restore::{BackupArgs, RestoreArgs};
pub use roll::RollArgs;
pub use terminal::{ExecArgs, KeyslotArgs, ModeArgs, OutputArgs, SessionArgs, ShellArgs};
pub use tools::{CompletionsArgs, ManArgs};
pub use top::TopArgs;
pub use transfer::{CopyArgs, ImportArgs, SourceArgs, TransferArgs};

use crate::dialect::{self, Translated};
use crate::voice;

/// Creates, inspects, reshapes and repairs Redis and Valkey clusters.
#[derive(Debug, Parser)]
#[command(
    name = "redis-trib",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    args_override_self = true,
    after_help = "Speaks redis-trib.rb, redis-trib.py and, as `redis-trib --cluster …` or under the name \
                  redis-cli or valkey-cli, `redis-cli --cluster`. Exit codes: 0 done, 1 failed or unhealthy, \
                  2 wrong usage."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// The verbs that work.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Form a cluster of empty nodes
    Create(CreateArgs),
    /// Ask every node how the cluster is, and report what is wrong with it
    Check(CheckArgs),
    /// Show keys, slots and replicas of each master
    Info(InfoArgs),
    /// Show the tree of masters and replicas with slots, keys and memory
    List(ListArgs),
    /// Show the cluster in one screen: a line a node, and one for the whole
    Status(StatusArgs),
    /// Look at the cluster as it is and changes: slot map, nodes, and what is under way
    Top(TopArgs),
    /// Mend open, lost and disputed slots
    Fix(FixArgs),
    /// Move slots to a master
    Reshard(ReshardArgs),
    /// Share the slots among the masters by weight
    Rebalance(RebalanceArgs),
    /// Move these very slots from one master to another
    #[command(visible_alias = "migrate")]
    MigrateSlots(MigrateSlotsArgs),
    /// Bring a new node into the cluster, as an empty master or as a replica
    AddNode(AddNodeArgs),
    /// Take a node out of the cluster
    DelNode(DelNodeArgs),
    /// Put a new node in the place of an old one, at the speed of replication
    Replace(ReplaceArgs),
    /// Let a replica take the place of its master
    Failover(FailoverArgs),
    /// Restart, upgrade or reconfigure node by node, by a command of yours, while replicas serve
    Roll(RollArgs),
    /// Take the dead nodes that nobody would miss out of the cluster, all at once
    ForgetFailed(ClusterArgs),
    /// Introduce the members of a cluster to each other again after their addresses have changed
    Meet(MeetArgs),
    /// Set the node timeout on every node
    SetTimeout(SetTimeoutArgs),
    /// Send a command to all nodes
    #[command(visible_alias = "execute")]
    Call(CallArgs),
    /// Write the file that declares a cluster as it is
    Export(ExportArgs),
    /// Show what would make a cluster what a file declares
    Plan(PlanArgs),
    /// Make a cluster what a file declares
    Apply(Box<ApplyArgs>),
    /// Save the data of every master and the shape of the cluster into a folder
    Backup(BackupArgs),
    /// Bring back what `backup` has saved, into a cluster of any shape or into a server
    Restore(RestoreArgs),
    /// Measure how fast slots move and how long that holds servers up
    Bench(BenchArgs),
    /// Bring the keys of a server into the cluster
    Import(ImportArgs),
    /// Copy the keys of one server to another
    Copy(CopyArgs),
    /// Move keys to where they belong in a sharded fleet, from servers or from a fleet of another size
    ReshardFleet(ReshardFleetArgs),
    /// Use plain servers over which clients shard their keys as one
    Sharded(ShardedArgs),
    /// Form a cluster of a single node
    Start(StartArgs),
    /// Form a cluster of masters alone, as few as there are
    StartMulti(StartArgs),
    /// Bring a new master into the cluster and give it its part of the slots
    Join(JoinArgs),
    /// Bring a new master into the cluster, without slots
    JoinNoLoad(JoinNoLoadArgs),
    /// Bring a new replica of a master into the cluster
    Replicate(ReplicateArgs),
    /// Move a node's slots away and take it out of the cluster
    Quit(QuitArgs),
    /// End a cluster of one node without keys
    Shutdown(ShutdownArgs),
    /// Let a spare node take over the slots of lost masters
    Rescue(JoinArgs),
    /// Open a prompt for commands to a server or cluster
    Shell(ShellArgs),
    /// Send a command, or do one of redis-cli's other jobs
    Exec(Box<ExecArgs>),
    /// Tell which slot keys belong to
    Keyslot(KeyslotArgs),
    /// Run servers on this machine, to try things out
    Lab(LabArgs),
    /// Print the completions of a shell
    Completions(CompletionsArgs),
    /// Print the man page, or that of a verb
    Man(ManArgs),
}

/// A command line that asks for something the tool does not do, or only for its help.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError {
    text: String,
    wanted: bool,
}

impl UsageError {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self { text: format!("error: {}\n", text.into()), wanted: false }
    }

    /// A complaint in a peer's own words, which scripts may look for.
    pub(crate) fn in_peers_words(text: impl std::fmt::Display) -> Self {
        Self { text: format!("{text}\n"), wanted: false }
    }

    pub(crate) fn without_value(name: &str) -> Self {
        let name = if name.starts_with('-') { name.to_owned() } else { format!("--{name}") };
        Self::new(format!("option {name} needs a value"))
    }

    /// An answer that was asked for.
    pub(crate) fn wanted(text: String) -> Self {
        Self { text, wanted: true }
    }

    /// redis-cli's words for an option that it does not take as it stands, and what is wrong with it.
    pub(crate) fn bad_option(name: &str, why: &str) -> Self {
        Self::in_peers_words(format_args!(
            "Unrecognized option or bad number of args for: '{name}'; {why}"
        ))
    }

    /// An option that the tool of this name has, and what to do here instead.
    pub(crate) fn missing(tool: &str, name: &str, instead: &str) -> Self {
        Self::new(format!("{tool}'s {name} is not to be had here: {instead}"))
    }

    /// What stands in the option's own word as its value may be a password, and stays out.
    pub(crate) fn unknown_option(word: &str, verb: &str, hint: Option<String>) -> Self {
        let word = if word.starts_with("-a") { "-a" } else { word };
        let word = word.split('=').next().unwrap_or(word);
        let verb = if verb.is_empty() { String::new() } else { format!(" for {verb}") };
        let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
        Self::new(format!("unknown option {word}{verb}{hint}"))
    }

    /// What to print: a complaint, or the help that was asked for.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether help or the version was asked for, so that this is an answer and not an error.
    pub fn was_asked_for(&self) -> bool {
        self.wanted
    }

    /// 0 for help that was asked for, 2 for wrong usage. Under a peer's name it is 1, as there.
    pub fn exit_code(&self) -> u8 {
        if self.wanted { 0 } else { 2 }
    }
}

/// Reads a command line, the program's name first, in any of the dialects. Pure: no environment, no files.
///
/// ```
/// use redistrib_cli::args::{Verb, parse};
/// let line = ["redis-cli", "--cluster", "check", "127.0.0.1", "7000"];
/// let cli = parse(line.map(Into::into).to_vec())?;
/// assert!(matches!(cli.verb, Verb::Check(args) if args.seed.node.to_string() == "127.0.0.1:7000"));
/// # Ok::<(), redistrib_cli::args::UsageError>(())
/// ```
///
/// # Errors
/// [`UsageError`], also where help or the version is asked for.
pub fn parse(argv: Vec<OsString>) -> Result<Cli, UsageError> {
    parse_translated(&dialect::translate(argv)?)
}

/// The second half of [`parse`], for callers that look at the translated line first.
///
/// # Errors
/// [`UsageError`].
pub fn parse_translated(line: &Translated) -> Result<Cli, UsageError> {
    let matches = command_for(line).try_get_matches_from(line.argv());
    matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(|error| {
        let wanted = error.exit_code() == 0;
        let text = error.render().to_string();
        if wanted {
            return UsageError { text, wanted };
        }
        let verb = line.verb().filter(|_| line.is_prefixed());
        let sentence = verb.and_then(|verb| sentence_of_peers(&error, verb)).unwrap_or_default();
        if voice::peer().is_some() && !sentence.is_empty() {
            return UsageError { text: sentence.into(), wanted };
        }
        UsageError { text: sentence.to_owned() + &line.as_spelt(&text), wanted }
    })
}

/// The model as it names itself to whoever wrote the line.
fn command_for(line: &Translated) -> clap::Command {
    let command = command().bin_name(line.called());
    if !line.is_peers() {
        return command;
    }
    let usage = format!("{} [OPTIONS] [cmd [arg [arg ...]]]", line.called());
    command.mut_subcommand("exec", |exec| exec.override_usage(usage))
}

/// The line with which redis-cli answers what clap has found wrong, if it has one.
fn sentence_of_peers(error: &clap::Error, verb: &str) -> Option<&'static str> {
    let names = match error.get(ContextKind::InvalidArg)? {
        ContextValue::Strings(names) => names.join(" "),
        other => other.to_string(),
    };
    let is_address = names.starts_with("<HOST:PORT>") || names.starts_with("<NEW-HOST:PORT>");
    match error.kind() {
        ErrorKind::MissingRequiredArgument if verb == "import" && names.contains("--from ") => {
            Some("[ERR] Option '--cluster-from' is required for subcommand 'import'.\n")
        }
        ErrorKind::MissingRequiredArgument => {
            Some("[ERR] Wrong number of arguments for specified --cluster sub command\n")
        }
        ErrorKind::ValueValidation if is_address => Some(
            "[ERR] Invalid arguments: you need to pass either a valid address (ie. 120.0.0.1:7000) or space separated IP and port (ie. 120.0.0.1 7000)\n",
        ),
        ErrorKind::ValueValidation if verb == "set-timeout" && names == "<MILLISECONDS>" => {
            Some("Setting a node timeout of less than 100 milliseconds is a bad idea.\n")
        }
        _ => None,
    }
}

/// The model as clap's own description: for completions, the man page and the dialects.
pub fn command() -> clap::Command {
    guide::add_to(Cli::command())
}
