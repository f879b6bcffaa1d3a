//! What one write to the source carries, and what comes back for it.

use std::time::Instant;

use bytes::Bytes;
use redistrib_cluster_model::Slot;
use redistrib_resp::{Command, Reply};

use super::link::Link;
use crate::error::Result;

/// One command of a burst.
#[derive(Debug)]
pub(super) enum Item {
    /// GETKEYSINSLOT: which keys are (still) there, of about how many.
    List { slot: Slot, expected: usize },
    /// MEMORY USAGE of a key that stands for all of the MIGRATE that follows.
    Sample,
    /// MEMORY USAGE of a key that may be large.
    Weigh { slot: Slot, key: Bytes },
    /// MIGRATE.
    Move { slot: Slot, keys: Vec<Bytes> },
}

/// Commands that go to the source in one write and, with luck, are served in one go.
#[derive(Debug, Default)]
pub(super) struct CommandBurst {
    pub(super) items: Vec<Item>,
    commands: Vec<Command>,
    /// How many keys its MIGRATEs name.
    pub(super) keys: usize,
}

/// A burst that waits for its replies.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) burst: CommandBurst,
    pub(super) at: Instant,
}

impl CommandBurst {
    pub(super) fn push(&mut self, item: Item, command: Command) {
        if let Item::Move { keys, .. } = &item {
            self.keys += keys.len();
        }
        self.items.push(item);
        self.commands.push(command);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(super) fn send(self, link: &mut Link<'_>) -> Result<Sent> {
        link.send(&self.commands)?;
        Ok(Sent { burst: self, at: Instant::now() })
    }
}

impl Sent {
    /// Waits for all replies: they stand in the order of the items.
    pub(super) fn receive(&self, link: &mut Link<'_>) -> Result<Vec<Reply>> {
        self.burst.commands.iter().map(|command| link.receive(command)).collect()
    }

    /// The command of the item at this place.
    pub(super) fn command(&self, place: usize) -> Option<&Command> {
        self.burst.commands.get(place)
    }
}
