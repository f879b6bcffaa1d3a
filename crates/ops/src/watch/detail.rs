//! What is asked of a node that somebody looks at.

use redistrib_cluster_model::sample::{LatencyPeak, SlowCommand};
use redistrib_resp::{Command, Reply, View};

use crate::commands::replies::count_of;

/// How many slow commands are asked for.
const MOST_SLOW: usize = 10;
/// How much of a slow command is kept, in characters.
const MOST_WORDS: usize = 80;
/// How many events are kept.
const MOST_LATENCY: usize = 64;

/// The questions for its slow commands, and its latency monitor.
pub(super) fn questions() -> [Command; 2] {
    let slow = Command::new("SLOWLOG").arg("GET").arg(MOST_SLOW);
    [slow, Command::new("LATENCY").arg("LATEST")]
}

/// The answers to [`questions`]; what a server refuses to report is left out.
pub(super) fn read(replies: &[Reply]) -> (Vec<SlowCommand>, Vec<LatencyPeak>) {
    let entries = |place: usize| replies.get(place).into_iter().flat_map(|it| it.view().elements());
    (
        entries(0).filter_map(slow).take(MOST_SLOW).collect(),
        entries(1).filter_map(latency).take(MOST_LATENCY).collect(),
    )
}

/// `[id, seconds since 1970, microseconds, [word, …], …]`
fn slow(entry: View<'_>) -> Option<SlowCommand> {
    let mut fields = entry.elements().skip(1);
    let (at, micros) = (count_of(fields.next()?)?, count_of(fields.next()?)?);
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
    let mut next = || count_of(fields.next()?);
    let (at, last_ms, worst_ms) = (next()?, next()?, next()?);
    Some(LatencyPeak { event, at_ms: at.saturating_mul(1000), last_ms, worst_ms })
}
