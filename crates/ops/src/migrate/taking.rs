//! How a target takes slots.
//!
//! For each slot that it imports and is given, a server of Redis sends its whole slot map to every node, and
//! each node compares that with its own: a thousand slots hold all nodes up for some 100 ms. It does so only for
//! slots that are importing. So all but the last are closed before they are given, in one transaction, so that
//! nobody ever sees them closed and not given, or learns of some of them alone. The last raises the config epoch under
//! which all of them are claimed, and tells of all.

use redistrib_cluster_model::{NodeId, Slot, SlotSet};
use redistrib_resp::{Command, View};

use super::commands;
use super::link::Link;
use super::trials;
use crate::error::{Error, Result};

/// What a target is sent for a number of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taking {
    /// One transaction.
    Together,
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
    /// Since version 8 Valkey's masters block each SETSLOT until their replicas have it, and in a transaction
    /// they crash over that (seen on 8.1 and 9.1). What shows these servers is the time limit for that wait,
    /// which the command's own documentation names. Servers before Redis 7.0 know no documentation, nor anything of
    /// subcommands. Whoever says nothing of that kind is sent nothing but plain SETSLOTs.
    pub(super) fn ask(target: &mut Link<'_>) -> Result<Self> {
        let about = |what: &str| Command::new("COMMAND").arg(what).arg("cluster|setslot");
        let mut questions = vec![about("INFO"), about("DOCS")];
        questions.extend(commands::transaction([]));
        let replies = trials::ask(target, questions, trials::of_target())?;
        let Some([info, docs, _, exec]) = replies.first_chunk() else { return Ok(Self::OneByOne) };
        let is_old = info.view().elements().next().is_some_and(|about| about.is_null());
        let docs = docs.view().wire();
        let has = |word: &[u8]| docs.windows(word.len()).any(|at| at.eq_ignore_ascii_case(word));
        let has_transactions = exec.view().as_error().is_none();
        Ok(match (has(b"importing"), has(b"timeout")) {
            (true, true) => Self::Replicated,
            (documented, false) if (documented || is_old) && has_transactions => Self::Together,
            _ => Self::OneByOne,
        })
    }

    /// Makes the target the owner of the slots.
    ///
    /// # Errors
    /// Where it is not known whether it has heard.
    pub(super) fn take(
        self,
        target: &mut Link<'_>,
        slots: &SlotSet,
        owner: NodeId,
    ) -> Result<Taken> {
        match self {
            Self::Together => together(target, slots, owner),
            Self::OneByOne | Self::Replicated => one_by_one(target, slots, owner),
        }
    }
}

fn together(target: &mut Link<'_>, slots: &SlotSet, owner: NodeId) -> Result<Taken> {
    let steps = steps(slots, owner);
    let transaction = commands::transaction(steps.iter().map(|(_, command)| command.clone()));
    let replies = target.pipeline_when_ready(&transaction)?;
    // What was refused before EXEC says more than EXEC's own refusal.
    let mut answered = transaction.iter().zip(&replies);
    let refusal = answered.find_map(|(command, reply)| target.refusal(command, reply.view()));
    if refusal.is_some() {
        return Ok(Taken { slots: SlotSet::new(), refusal });
    }
    let outcome: Vec<View<'_>> =
        replies.last().into_iter().flat_map(|reply| reply.view().elements()).collect();
    if outcome.len() != steps.len() {
        return Err(target.unexpected(&Command::new("EXEC"), "not one reply for each command"));
    }
    Ok(Taken::of(target, slots, steps.iter().zip(outcome)))
}

/// All but the last slot are closed and given, then the last is given.
fn steps(slots: &SlotSet, owner: NodeId) -> Vec<(Slot, Command)> {
    let last = slots.iter().next_back();
    let mut steps = Vec::with_capacity(2 * slots.len());
    for slot in slots.iter() {
        if Some(slot) != last {
            steps.push((slot, commands::stable(slot)));
        }
        steps.push((slot, commands::assign(slot, owner)));
    }
    steps
}

fn one_by_one(target: &mut Link<'_>, slots: &SlotSet, owner: NodeId) -> Result<Taken> {
    let assign: Vec<Command> = slots.iter().map(|slot| commands::assign(slot, owner)).collect();
    let replies = target.set_each(&assign)?;
    let steps: Vec<(Slot, Command)> = slots.iter().zip(assign).collect();
    let outcome = replies.iter().map(|reply| reply.view());
    Ok(Taken::of(target, slots, steps.iter().zip(outcome)))
}

impl Taken {
    /// Those of the slots for which nothing was refused.
    fn of<'a>(
        target: &Link<'_>,
        slots: &SlotSet,
        answered: impl Iterator<Item = (&'a (Slot, Command), View<'a>)>,
    ) -> Self {
        let mut taken = Self { slots: slots.clone(), refusal: None };
        for ((slot, command), reply) in answered {
            if let Some(error) = target.refusal(command, reply) {
                taken.slots.remove(*slot);
                taken.refusal.get_or_insert(error);
            }
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_slot_is_given_while_it_is_open() {
        let owner = NodeId::from_bytes([1; 20]);
        let sent = |slots: &str| {
            let steps = steps(&slots.parse().unwrap_or_default(), owner);
            let words = steps.iter().map(|(slot, command)| {
                let what = command.args().nth(3).map(|word| word.escape_ascii().to_string());
                format!("{slot} {}", what.unwrap_or_default())
            });
            words.collect::<Vec<_>>().join(", ")
        };
        assert_eq!(sent("7"), "7 NODE");
        assert_eq!(sent("1 5-6"), "1 STABLE, 1 NODE, 5 STABLE, 5 NODE, 6 NODE");
    }
}
