//! What is asked of a node that somebody looks at.

use redistrib_cluster_model::Slot;
use redistrib_cluster_model::sample::{Detail, LatencyPeak, SlowCommand};
use redistrib_resp::{Command, Reply, View};

use crate::commands;

/// How many slow commands are asked for.
const MOST_SLOW: usize = 10;
/// How much of a slow command is kept, in characters.
const MOST_WORDS: usize = 80;

/// What is to be asked of one node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Questions {
    /// For its slow commands, and its latency monitor.
    pub(super) log: bool,
    /// How many keys there are in this slot.
    pub(super) slot: Option<Slot>,
}

impl Questions {
    pub(super) fn commands(self) -> Vec<Command> {
        let slow = Command::new("SLOWLOG").arg("GET").arg(MOST_SLOW);
        let log = [slow, Command::new("LATENCY").arg("LATEST")];
        let mut all: Vec<Command> = log.into_iter().filter(|_| self.log).collect();
        all.extend(self.slot.map(commands::count_keys));
        all
    }

    /// The answers; what a server refuses to tell is left out.
    pub(super) fn read(self, replies: &[Reply]) -> Detail {
        let (log, rest) = replies.split_at(if self.log { 2.min(replies.len()) } else { 0 });
        let entries = |place: usize| log.get(place).into_iter().flat_map(|it| it.view().elements());
        let count = rest.first().and_then(|reply| number(reply.view()));
        Detail {
            slow: entries(0).filter_map(slow).take(MOST_SLOW).collect(),
            latency: entries(1).filter_map(latency).take(64).collect(),
            keys_in_slot: self.slot.zip(count),
        }
    }
}

fn number(view: View<'_>) -> Option<u64> {
    view.as_int().and_then(|it| u64::try_from(it).ok())
}

/// `[id, seconds since 1970, microseconds, [word, …], …]`
fn slow(entry: View<'_>) -> Option<SlowCommand> {
    let mut fields = entry.elements().skip(1);
    let (at, micros) = (number(fields.next()?)?, number(fields.next()?)?);
    let words = fields.next()?.elements().take(2).filter_map(|word| word.as_bytes());
    let words: Vec<_> = words.map(String::from_utf8_lossy).collect();
    let command = words.join(" ").chars().take(MOST_WORDS).collect();
    Some(SlowCommand { at_ms: at.saturating_mul(1000), micros, command })
}

/// `[event, seconds since 1970, milliseconds, milliseconds at worst]`
fn latency(entry: View<'_>) -> Option<LatencyPeak> {
    let mut fields = entry.elements();
    let event = String::from_utf8_lossy(fields.next()?.as_bytes()?);
    let event = event.chars().take(MOST_WORDS).collect();
    let mut next = || number(fields.next()?);
    let (at, last_ms, worst_ms) = (next()?, next()?, next()?);
    Some(LatencyPeak { event, at_ms: at.saturating_mul(1000), last_ms, worst_ms })
}
