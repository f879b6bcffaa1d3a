//! How a target takes slots.

use redistrib_cluster_model::{NodeId, SlotSet};
use redistrib_resp::Command;

use super::commands;
use super::link::Link;
use crate::error::{Error, Result};

/// What a target is sent for a number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// A SETSLOT for each.
    OneByOne,
    /// A SETSLOT for each, for which the server waits until its replicas have it. It tells the other nodes of
    /// many at once.
    Replicated,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Taken {
    /// The slots that the target has accepted.
    pub(super) slots: SlotSet,
    /// The first refusal.
    pub(super) refusal: Option<Error>,
}

impl Taking {
    /// Asks a server for the way that it can take.
    ///
    /// Since version 8 Valkey's masters block each SETSLOT until their replicas have it. What tells these servers
    /// is the time limit for that wait, which the command's own documentation names.
    pub(super) fn ask(target: &mut Link<'_>) -> Result<Self> {
        let docs = Command::new("COMMAND").arg("DOCS").arg("cluster|setslot");
        let replies = target.pipeline(&[docs])?;
        let docs = replies.first().map(|reply| reply.view().wire()).unwrap_or_default();
        let waits = docs.windows(b"timeout".len()).any(|at| at.eq_ignore_ascii_case(b"timeout"));
        Ok(if waits { Self::Replicated } else { Self::OneByOne })
    }
}

/// Tells the target that it owns the slots.
///
/// # Errors
/// Where it is not known whether it has heard.
pub(super) fn take(target: &mut Link<'_>, slots: &SlotSet, owner: NodeId) -> Result<Taken> {
    let assign: Vec<Command> = slots.iter().map(|slot| commands::assign(slot, owner)).collect();
    let replies = target.set_each(&assign)?;
    let mut taken = Taken { slots: slots.clone(), refusal: None };
    for ((slot, command), reply) in slots.iter().zip(&assign).zip(replies) {
        if let Err(error) = target.accept(command, reply) {
            taken.slots.remove(slot);
            taken.refusal.get_or_insert(error);
        }
    }
    Ok(taken)
}
