//! Whether a node runs the commands that moving slots needs, asked before the first slot opens: a user's ACL may forbid one
//! of them, or the node's configuration have it renamed, and half-way that would leave slots open.
//!
//! Each is sent in a form that a server refuses for what it says, once it has looked whether the user may send it, or that
//! changes nothing.

use redistrib_resp::{Command, Reply};

use super::commands;
use super::link::Link;
use crate::error::Result;
use crate::{MoveError, Refusal};

/// No slot has this number.
const NO_SLOT: u16 = 16384;

/// For a source.
pub(super) fn of_source() -> Vec<Command> {
    let mut trials = of_target();
    trials.push(Command::from_args(["CLUSTER", "GETKEYSINSLOT"]).arg(NO_SLOT).arg(1));
    // No key, and no number for its timeout.
    trials.push(Command::from_args(["MIGRATE", "none", "0", "", "0", "none", "KEYS"]));
    trials.extend(commands::transaction([Command::new("ROLE")]));
    trials
}

/// For a target.
pub(super) fn of_target() -> Vec<Command> {
    vec![
        Command::from_args(["CLUSTER", "SETSLOT"]).arg(NO_SLOT).arg("STABLE"),
        Command::from_args(["CLUSTER", "COUNTKEYSINSLOT"]).arg(NO_SLOT),
        commands::info_of("keyspace"),
        commands::select(0),
    ]
}

/// Sends questions and, behind them in one pipeline, trials. Returns the replies to the questions.
///
/// # Errors
/// [`MoveError::NotRun`]; those of [`Link::pipeline_when_ready`].
pub(super) fn ask(
    node: &mut Link<'_>,
    questions: Vec<Command>,
    trials: Vec<Command>,
) -> Result<Vec<Reply>> {
    let asked = questions.len();
    let all = [questions, trials].concat();
    let mut replies = node.pipeline_when_ready(&all)?;
    let tried = replies.split_off(asked.min(replies.len()));
    judge(node, &all[asked..], &tried)?;
    Ok(replies)
}

/// Fails for the first of them that the node does not run. A transaction that may not begin is done without.
fn judge(node: &Link<'_>, trials: &[Command], replies: &[Reply]) -> Result<()> {
    let mut answered = trials.iter().zip(replies);
    let refused = answered.find_map(|(command, reply)| {
        let text = reply.view().as_error().filter(|_| command.name() != b"MULTI")?;
        is_not_run(text).then(|| String::from_utf8_lossy(text).into_owned())
    });
    let node = node.endpoint().clone();
    refused.map_or(Ok(()), |reply| Err(MoveError::NotRun { node, reply }.into()))
}

/// Whether it is the command that is refused. That a user may not touch a key, or may not do so by that name, says
/// nothing of others.
fn is_not_run(text: &[u8]) -> bool {
    match Refusal::of(text) {
        Refusal::UnknownCommand => true,
        Refusal::NotPermitted => String::from_utf8_lossy(text).contains("to run the '"),
        _ => false,
    }
}
