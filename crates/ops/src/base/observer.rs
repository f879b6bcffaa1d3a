//! What an operation reports while it works. Whoever prints, draws or logs implements [`Observer`].

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;
use redistrib_cluster_model::{NodeId, NodeLabel, SlotSet};
use serde::Serialize;

use crate::Cancel;

/// Takes the events of an operation, from any of its threads.
///
/// ```
/// use redistrib_ops::{Cancel, Context, Event, Observer};
/// use std::sync::Mutex;
///
/// #[derive(Default)]
/// struct Warnings(Mutex<Vec<String>>);
///
/// impl Observer for Warnings {
///     fn event(&self, event: &Event) {
///         if let (Event::Warning { text }, Ok(mut seen)) = (event, self.0.lock()) {
///             seen.push(text.clone());
///         }
///     }
/// }
///
/// let (warnings, cancel) = (Warnings::default(), Cancel::new());
/// Context::new(&warnings, &cancel).warn("a node is slow");
/// assert_eq!(warnings.0.into_inner().unwrap(), ["a node is slow"]);
/// ```
pub trait Observer: Sync {
    /// Something happened.
    fn event(&self, event: &Event);
}

/// An observer that takes no notice.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn event(&self, _event: &Event) {}
}

/// A closure is an observer.
///
/// ```
/// use redistrib_ops::{Context, Event};
/// let observer = |event: &Event| println!("{event:?}");
/// Context::observed(&observer).warn("a node is slow");
/// ```
impl<F: Fn(&Event) + Sync> Observer for F {
    fn event(&self, event: &Event) {
        self(event);
    }
}

/// The token of those who never interrupt.
static NEVER: LazyLock<Cancel> = LazyLock::new(Cancel::new);

/// What an operation gets from its caller beside its arguments. The default reports to nobody and is never interrupted.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Who is notified.
    pub observer: &'a dyn Observer,
    /// Who may interrupt.
    pub cancel: &'a Cancel,
}

impl std::fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("cancel", self.cancel).finish_non_exhaustive()
    }
}

impl Default for Context<'_> {
    fn default() -> Self {
        Self::observed(&Silent)
    }
}

impl<'a> Context<'a> {
    /// Bundles the two.
    pub fn new(observer: &'a dyn Observer, cancel: &'a Cancel) -> Self {
        Self { observer, cancel }
    }

    /// With an observer, and never interrupted.
    pub fn observed(observer: &'a dyn Observer) -> Self {
        Self { observer, cancel: &NEVER }
    }

    /// Hands the event to the observer.
    pub fn tell(&self, event: Event) {
        self.observer.event(&event);
    }

    /// Reports that a step begins.
    pub fn step(&self, step: Step) {
        self.tell(Event::Step { step });
    }

    /// Reports a part of the operation that is no step of its own, in words.
    pub fn note(&self, text: impl Into<String>) {
        self.step(Step::Other { text: text.into() });
    }

    /// Reports what the user should know.
    pub fn warn(&self, text: impl Into<String>) {
        self.tell(Event::Warning { text: text.into() });
    }
}

/// The source and the target of slots on the move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct Pair {
    /// The master that gives.
    pub from: NodeId,
    /// The master that takes.
    pub to: NodeId,
}

/// How slots are moved between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// SETSLOT, GETKEYSINSLOT and MIGRATE, which every server knows.
    Migrate,
    /// `CLUSTER MIGRATESLOTS` of Valkey 9.
    MigrateSlots,
    /// `CLUSTER MIGRATION IMPORT` of Redis 8.4.
    MigrationImport,
}

/// The parts that operations are made of; the CLI prints them as `>>>` lines.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Step {
    /// Slots, epochs and replicas are being written to the nodes of a new cluster.
    AssigningSlots,
    /// Each node of a new cluster gets a config epoch of its own.
    AssigningEpochs,
    /// CLUSTER MEET is being sent.
    Meeting {
        /// The one node that joins a cluster; none where nodes get to know each other.
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
        /// The master whose replica it is to become, if so.
        #[serde(skip_serializing_if = "Option::is_none")]
        master: Option<String>,
    },
    /// Waiting until all nodes know and agree.
    WaitingToJoin {
        /// The one node that joins a cluster; none where nodes get to know each other.
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<String>,
    },
    /// A replica gets another master, since its own leaves.
    Following {
        /// The replica.
        replica: String,
        /// Its new master.
        master: NodeId,
    },
    /// All nodes are told to forget one that leaves.
    Forgetting,
    /// A node that has left is reset.
    Resetting {
        /// Whether it gets another id.
        hard: bool,
    },
    /// The data of a master are being saved.
    SavingData {
        /// The master.
        node: String,
    },
    /// An account of the cluster's shape is being written.
    SavingShape {
        /// Into which file.
        file: String,
    },
    /// Another part of an operation, in words.
    Other {
        /// What begins.
        text: String,
    },
}

/// One thing that an operation reports.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Event {
    /// A step begins.
    Step {
        /// Which.
        step: Step,
    },
    /// A migration begins.
    MigrationStarted {
        /// How many slots it moves in all.
        slots: usize,
        /// Between how many pairs.
        pairs: usize,
    },
    /// The first slots of a pair begin to move.
    PairStarted {
        /// Which pair.
        pair: Pair,
        /// How many slots it moves in all.
        slots: usize,
        /// Which; not in JSON, where `slots-moved` does.
        #[serde(skip)]
        which: SlotSet,
        /// How.
        method: Method,
    },
    /// Keys have arrived at the target.
    KeysMoved {
        /// Of which pair.
        pair: Pair,
        /// How many since the last such event.
        keys: u64,
        /// About what they took in the source's memory, in bytes; with the atomic methods what the servers say they have sent; 0
        /// where neither is known.
        bytes: u64,
        /// How long the servers were held up by it; zero with the atomic methods, where nobody measures it.
        #[serde(rename = "hold_up_us", serialize_with = "as_micros")]
        hold_up: Duration,
    },
    /// A key is on its way that is so large that its source serves nobody until it has gone over: reported before it is sent, and
    /// again each second.
    LargeKey {
        /// Of which pair.
        pair: Pair,
        /// Its name, quoted, with what is not printable escaped, and cut short where it is long.
        key: String,
        /// What it takes in the source's memory.
        bytes: u64,
        /// How long it will take, about.
        #[serde(rename = "expected_us", serialize_with = "as_micros")]
        expected: Duration,
        /// How long it has taken so far.
        #[serde(rename = "elapsed_us", serialize_with = "as_micros")]
        elapsed: Duration,
    },
    /// Slots have a new owner.
    SlotsMoved {
        /// Of which pair.
        pair: Pair,
        /// Which.
        slots: SlotSet,
    },
    /// All slots of a pair have moved.
    PairFinished {
        /// Which pair.
        pair: Pair,
    },
    /// Copying keys between servers begins.
    TransferStarted {
        /// How many keys the sources hold, roughly.
        keys: u64,
    },
    /// Keys have been looked at and, where they were to be, copied.
    KeysTransferred {
        /// How many were looked at since the last such event.
        keys: u64,
        /// How many of them were copied.
        copied: u64,
        /// The bytes of their payloads.
        bytes: u64,
        /// Those that were copied, each with the server that has it now; not in JSON, which would have a line of its own for each key.
        #[serde(skip)]
        arrived: Vec<(Bytes, Arc<str>)>,
    },
    /// A node's turn has come, in a roll.
    NodeBegun {
        /// The node.
        node: NodeLabel,
        /// Its place among the turns, from 1 on.
        place: usize,
        /// How many turns there are.
        of: usize,
    },
    /// The command that is run for a node has printed a line, or the part of one.
    NodeOutput {
        /// The node.
        node: NodeLabel,
        /// What it has printed. May carry anything.
        text: String,
    },
    /// A node is back, and healthy.
    NodeDone {
        /// The node.
        node: NodeLabel,
        /// Whether its process is another one than before.
        restarted: bool,
        /// What its server was before; none where it was down.
        before: Option<String>,
        /// What it is now.
        after: Option<String>,
        /// How long that took, from the start of the command.
        #[serde(rename = "took_us", serialize_with = "as_micros")]
        took: Duration,
    },
    /// A node that leaves cannot be reached, and so still takes itself for a member; in JSON a warning.
    #[serde(rename = "warning")]
    NotReset {
        /// The node.
        #[serde(skip)]
        node: String,
        /// What that means, and what to do.
        text: String,
    },
    /// Something the user should know that does not stop the operation.
    Warning {
        /// In words. May carry text that a server sent.
        text: String,
    },
    /// The operation is done.
    Finished,
}

pub(crate) fn as_micros<S: serde::Serializer>(
    duration: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}
