//! The tools that are compared, and how each is asked to do the same thing.

use std::path::{Path, PathBuf};
use std::process::Command;

use redistrib_ops::lab::TestServer;

/// A tool and how it is run.
#[derive(Clone, Debug)]
pub(crate) struct Tool {
    /// What the tables call it.
    pub(crate) name: String,
    dialect: Dialect,
    /// Options of ours alone.
    extra: Vec<String>,
}

#[derive(Clone, Debug)]
enum Dialect {
    /// redis-cli's, which valkey-cli shares.
    Cli(PathBuf),
    /// The server's own command for atomic migration, sent by redis-cli: all that valkey-cli 9 does.
    Bare(PathBuf),
    Ours(PathBuf),
}

/// What is to be done.
#[derive(Clone, Debug)]
pub(crate) enum Task {
    /// Move this many slots from one master to another, given by their ids.
    Reshard { from: String, to: String, slots: usize },
    /// Spread the slots over all masters, those without slots too.
    Rebalance,
    /// Copy the keys of a server that is in no cluster, given by its address.
    Import { from: String },
}

impl Tool {
    /// The peers that are here: those that came with the test servers, else of the PATH. Beside a server of a version of
    /// one's choice it is redis-cli of 8.6, or of 7.0 where that is the version.
    pub(crate) fn peers(server: Option<&str>) -> Vec<Self> {
        let known = match server {
            None => vec![("redis-cli", "redis-7.0"), ("valkey-cli", "valkey-8.1")],
            Some("redis-7.0") => vec![("redis-cli", "redis-7.0")],
            Some(_) => vec![("redis-cli", "redis-8.6")],
        };
        let found = known.iter().filter_map(|(program, server)| {
            let test_server = TestServer::named(server).ok();
            let own = test_server.and_then(|server| server.tool(program));
            let path = own.or_else(|| on_path(program))?;
            let name = version(&path).unwrap_or_else(|| (*program).to_owned());
            Some(Self { name, dialect: Dialect::Cli(path), extra: Vec::new() })
        });
        found.collect()
    }

    /// The atomic migration that the servers themselves do, without a tool around it.
    pub(crate) fn bare() -> Option<Self> {
        let cli = TestServer::named("redis-7.0").ok()?.tool("redis-cli")?;
        let name = "bare CLUSTER MIGRATESLOTS".to_owned();
        Some(Self { name, dialect: Dialect::Bare(cli), extra: Vec::new() })
    }

    /// Ours, with options beyond the defaults.
    pub(crate) fn ours(program: &Path, extra: &[&str]) -> Self {
        let name = [&["redis-trib"], extra].concat().join(" ");
        let extra = extra.iter().map(|word| (*word).to_owned()).collect();
        Self { name, dialect: Dialect::Ours(program.to_owned()), extra }
    }

    /// The same under another name.
    pub(crate) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.dialect, Dialect::Ours(_))
    }

    /// The command line for a task on the cluster that has a node at `seed`.
    pub(crate) fn command(&self, task: &Task, seed: &str) -> Command {
        let (program, words) = match &self.dialect {
            Dialect::Cli(program) => (program, cli_words(task, seed)),
            Dialect::Ours(program) => (program, our_words(task, seed)),
            Dialect::Bare(program) => return bare_command(program, task, seed),
        };
        let mut command = Command::new(program);
        command.args(words).args(&self.extra);
        command
    }
}

fn cli_words(task: &Task, seed: &str) -> Vec<String> {
    let line = match task {
        Task::Reshard { from, to, slots } => format!(
            "--cluster reshard {seed} --cluster-from {from} --cluster-to {to} --cluster-slots {slots} --cluster-yes"
        ),
        Task::Rebalance => format!("--cluster rebalance {seed} --cluster-use-empty-masters"),
        Task::Import { from } => {
            format!("--cluster import {seed} --cluster-from {from} --cluster-copy")
        }
    };
    line.split(' ').map(str::to_owned).collect()
}

/// Moves slots by the server's command and waits until the server says that it has; one pair after another, as
/// valkey-cli does.
fn bare_command(program: &Path, task: &Task, seed: &str) -> Command {
    const MOVE: &str = r#"
        move() {
            "$cli" -p "$1" CLUSTER MIGRATESLOTS SLOTSRANGE "$2" "$3" NODE "$4" | grep -q OK || exit 1
            until "$cli" -p "$1" CLUSTER GETSLOTMIGRATIONS | grep -q success; do sleep 0.01; done
        }
        cli=$1 port=${2#*:}
    "#;
    const FIRST_SLOTS: &str = r#"move "$port" 0 "$4" "$3""#;
    // Each master with slots gives the upper half of them to one without.
    const HALVES: &str = r#"
        "$cli" -p "$port" CLUSTER NODES | awk '
            { split($2, address, /[:@]/) }
            NF > 8 { split($9, range, "-"); owner[++owners] = address[2]; first[owners] = range[1]; last[owners] = range[2] }
            NF == 8 { empty[++empties] = $1 }
            END { for (i = 1; i <= owners; i++) print owner[i], int((first[i] + last[i] + 1) / 2), last[i], empty[i] }
        ' | while read -r owner first last empty; do move "$owner" "$first" "$last" "$empty" </dev/null; done
    "#;
    let what = if matches!(task, Task::Rebalance) { HALVES } else { FIRST_SLOTS };
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{MOVE}{what}"), "sh"]).arg(program).arg(seed);
    if let Task::Reshard { to, slots, .. } = task {
        command.arg(to).arg(slots.saturating_sub(1).to_string());
    }
    command
}

fn our_words(task: &Task, seed: &str) -> Vec<String> {
    let line = match task {
        Task::Reshard { from, to, slots } => {
            format!("reshard {seed} --from {from} --to {to} --slots {slots} --yes")
        }
        Task::Rebalance => format!("rebalance {seed} --use-empty-masters --yes"),
        Task::Import { from } => format!("import {seed} --from {from} --copy --yes"),
    };
    line.split(' ').map(str::to_owned).collect()
}

fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// `redis-cli 7.0.15`, as the program says it.
fn version(program: &Path) -> Option<String> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.split_whitespace().take(2).collect::<Vec<_>>().join(" "))
}
