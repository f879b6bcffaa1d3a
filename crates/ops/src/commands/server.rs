//! One server and one connection to it.

use redistrib_resp::{Arg, Command};

/// `PING`.
pub(crate) fn ping() -> Command {
    Command::new("PING")
}

/// `INFO`: the usual sections.
pub(crate) fn info() -> Command {
    Command::new("INFO")
}

/// `INFO section`.
pub(crate) fn info_of(section: &str) -> Command {
    info().arg(section)
}

/// `CONFIG GET name`. Servers before 7.0 take one name at a time.
pub(crate) fn setting(name: &str) -> Command {
    Command::new("CONFIG").arg("GET").arg(name)
}

/// `CONFIG GET name …`, for servers since 7.0. Names that a server does not know are left out of its answer.
pub(crate) fn settings(names: &[&str]) -> Command {
    Command::new("CONFIG").arg("GET").args_from(names.iter().copied())
}

/// `CONFIG SET name value`.
pub(crate) fn set_setting(name: &str, value: impl Arg) -> Command {
    Command::new("CONFIG").arg("SET").arg(name).arg(value)
}

/// `CONFIG REWRITE`: the server writes its settings into its own file.
pub(crate) fn rewrite_settings() -> Command {
    Command::new("CONFIG").arg("REWRITE")
}

/// `CLIENT LIST TYPE master`: a replica's connection to its master.
pub(crate) fn links_to_master() -> Command {
    Command::from_args(["CLIENT", "LIST", "TYPE", "master"])
}

/// `CLIENT UNPAUSE`: serves writes that wait.
pub(crate) fn unpause() -> Command {
    Command::from_args(["CLIENT", "UNPAUSE"])
}

/// `SELECT database`, for the commands that follow.
pub(crate) fn select(database: u32) -> Command {
    Command::new("SELECT").arg(database)
}

/// `MULTI`, the commands, `EXEC`: all at one moment, or none.
pub(crate) fn transaction(commands: impl IntoIterator<Item = Command>) -> Vec<Command> {
    let (multi, exec) = (Command::new("MULTI"), Command::new("EXEC"));
    [multi].into_iter().chain(commands).chain([exec]).collect()
}

/// `ASKING`: the next command may be for a slot that the node imports.
pub(crate) fn asking() -> Command {
    Command::new("ASKING")
}

/// `COMMAND INFO name`, with a bar between a command and its subcommand.
pub(crate) fn about_command(name: impl Arg) -> Command {
    Command::new("COMMAND").arg("INFO").arg(name)
}

/// `COMMAND INFO name …`.
pub(crate) fn about_commands<A: Arg>(names: impl IntoIterator<Item = A>) -> Command {
    Command::new("COMMAND").arg("INFO").args_from(names)
}

/// `COMMAND GETKEYS command …`: the keys in it.
pub(crate) fn keys_in<A: Arg>(command: impl IntoIterator<Item = A>) -> Command {
    Command::new("COMMAND").arg("GETKEYS").args_from(command)
}

/// `FUNCTION DUMP`: all its functions as a payload for FUNCTION RESTORE.
pub(crate) fn dump_functions() -> Command {
    Command::new("FUNCTION").arg("DUMP")
}

/// `FUNCTION RESTORE payload REPLACE`.
pub(crate) fn restore_functions(payload: &[u8]) -> Command {
    Command::new("FUNCTION").arg("RESTORE").arg(payload).arg("REPLACE")
}

/// `FUNCTION LIST WITHCODE`: the names and the code of its libraries.
pub(crate) fn list_functions() -> Command {
    Command::new("FUNCTION").arg("LIST").arg("WITHCODE")
}

/// `FUNCTION LOAD REPLACE code`.
pub(crate) fn load_functions(code: &[u8]) -> Command {
    Command::new("FUNCTION").arg("LOAD").arg("REPLACE").arg(code)
}

/// `EVAL` of a script that executes other commands one after the other and returns their replies in one array: a server
/// that is out of memory takes no transaction. Servers of Valkey that have replicas crash over a SETSLOT in it.
pub(crate) fn at_once(steps: &[Command]) -> Command {
    const SCRIPT: &str = "local replies, at = {}, 1 \
        while ARGV[at] do local last = at + tonumber(ARGV[at]) \
        replies[#replies + 1] = redis.call(unpack(ARGV, at + 1, last)) at = last + 1 end \
        return replies";
    let script = Command::new("EVAL").arg(SCRIPT).arg(0);
    steps.iter().fold(script, |script, step| script.arg(step.args().count()).args_from(step.args()))
}
