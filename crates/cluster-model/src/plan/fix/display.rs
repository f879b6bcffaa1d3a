//! Repairs in words, one line each.

use std::fmt::{self, Display, Formatter};

use super::{Action, Blocked, Repair, RepairReason};

impl Display for Repair {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let noun = if self.slots.len() == 1 { "slot" } else { "slots" };
        write!(f, "{noun} {}: {}", self.slots, self.reason)?;
        let mut mark = ": ";
        for action in &self.actions {
            write!(f, "{mark}{action}")?;
            mark = "; ";
        }
        Ok(())
    }
}

impl Display for RepairReason {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RepairReason::HalfCommitted => {
                "the target owns them already and the source has not heard of it"
            }
            RepairReason::SeveralOwners => "several nodes own them",
            RepairReason::Interrupted => "a migration was interrupted and is finished",
            RepairReason::TargetUnfit => {
                "a migration was interrupted and is undone, since its target cannot take more keys"
            }
            RepairReason::Unstarted => "a migration was prepared and nothing was moved",
            RepairReason::Astray => "keys lie on nodes that do not own them and go back to the owner",
            RepairReason::Leftover => "a flag was left behind",
            RepairReason::TakenBack => "their keys were on their way back, and nobody serves them",
            RepairReason::LostOwner => "nobody owns them, and there are keys",
            RepairReason::Unowned => "nobody owns them, and there are no keys",
            RepairReason::GivenUp => {
                "the owner does not answer and has no replica that does: its keys are lost with it unless it comes back \
                 before"
            }
            RepairReason::SilentMaster => "the owner does not answer and has a replica",
            RepairReason::Unheard => "not all nodes have heard who owns them",
        })
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Action::Close { node } => write!(f, "take the flags off on {node}"),
            Action::Import { node, peer } => write!(f, "let {node} import from {peer}"),
            Action::Export { node, peer } => write!(f, "let {node} send to {peer}"),
            Action::MoveKeys { from, to } => write!(f, "move the keys on {from} to {to}"),
            Action::Finish { from, to } => write!(f, "finish the migration from {from} to {to}"),
            Action::TakeBack { owner, target } => {
                write!(f, "bring the keys on {target} back to {owner}, which keeps the slots")
            }
            Action::Assign { node, owner } if node == owner => write!(f, "make {owner} the owner"),
            Action::Assign { node, owner } => write!(f, "tell {node} that {owner} is the owner"),
            Action::BumpEpoch { node } => write!(f, "raise the config epoch of {node}"),
            Action::Announce { owner } => {
                write!(f, "tell all other masters that {owner} is the owner")
            }
            Action::TakeOver { replica } => write!(f, "let replica {replica} take over"),
        }
    }
}

impl Display for Blocked {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Blocked::OwnerSilent { owner } => {
                write!(
                    f,
                    "their owner {owner} does not answer; start it, or give its slots to others"
                )
            }
            Blocked::TargetSilent { target } => write!(
                f,
                "they were on their way to {target}, which does not answer and may have some of their \
                 keys; start it, or allow them to be given up"
            ),
            Blocked::AwaitsTakeOver { replica } => {
                write!(f, "replica {replica} has to take over first; then fix again")
            }
            Blocked::Unfit { obstacle } => {
                write!(f, "they are on their way, and {obstacle}; then fix again")
            }
            Blocked::NoMaster => f.write_str("no master answers that could own them"),
        }
    }
}
