//! Progress as lines, for logs and pipes.

use std::collections::HashMap;
use std::str::Utf8Chunk;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use redistrib_ops::model::{NodeId, counted};
use redistrib_ops::{Event, Pair};

use super::large_key;
use crate::output::Output;
use crate::render::bytes;
use crate::shell::Peer;
use crate::voice;

/// No pair reports its progress more often than this.
const BETWEEN_LINES: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Lines {
    state: Mutex<LinesState>,
}

#[derive(Debug, Default)]
struct LinesState {
    manner: Manner,
    names: HashMap<NodeId, String>,
    pairs: HashMap<Pair, PairProgress>,
    transfer: Option<CopyProgress>,
}

/// How far a copying of keys is.
#[derive(Debug)]
struct CopyProgress {
    expected: u64,
    seen: u64,
    copied: u64,
    printed: Instant,
}

/// How far a pair is.
#[derive(Debug)]
struct PairProgress {
    slots: usize,
    moved: usize,
    keys: u64,
    bytes: u64,
    printed: Instant,
}

/// How moves are reported.
#[derive(Clone, Copy, Debug, Default)]
enum Manner {
    /// How far each pair of nodes is.
    #[default]
    Own,
    /// As a peer's `reshard`: each slot, with this behind it.
    Slots(&'static str),
    /// As a peer's other verbs: each pair, and a mark for each of its slots.
    Marks,
    /// As a peer's `import`: each key.
    Keys,
}

impl Lines {
    pub(super) fn speak_as(&mut self, peer: Peer, verb: &str) {
        let manner = match (verb, peer) {
            ("reshard", Peer::RedisCli) => Manner::Slots(": "),
            ("reshard", Peer::ValkeyCli) => Manner::Slots(""),
            ("import", _) => Manner::Keys,
            ("copy" | "reshard-fleet", _) => Manner::Own,
            _ => Manner::Marks,
        };
        if let Ok(state) = self.state.get_mut() {
            state.manner = manner;
        }
    }

    pub(super) fn learn_names(&self, names: impl Iterator<Item = (NodeId, String)>) {
        if let Ok(mut state) = self.state.lock() {
            state.names.extend(names);
        }
    }

    pub(super) fn event(&self, event: &Event, output: &Output) {
        let Ok(mut state) = self.state.lock() else { return };
        match (state.manner, event) {
            (Manner::Own, _) => output.lines(state.take(event)),
            (Manner::Keys, Event::KeysTransferred { arrived, .. }) => {
                for (key, server) in arrived {
                    output.well(format_args!("Migrating {} to {server}: ", text(key)), "OK");
                }
            }
            (manner, event) => output.lines(state.take_as_peer(manner, event)),
        }
    }
}

impl LinesState {
    /// The line to print for an event, if it is time for one.
    fn take(&mut self, event: &Event) -> Option<String> {
        match event {
            Event::PairStarted { pair, slots, .. } => {
                let printed = Instant::now();
                let tally = PairProgress { slots: *slots, moved: 0, keys: 0, bytes: 0, printed };
                self.pairs.insert(*pair, tally);
                Some(format!("Moving {} {}", voice::slots(*slots), self.route(pair)))
            }
            Event::KeysMoved { pair, keys, bytes, .. } => {
                let tally = self.pairs.get_mut(pair)?;
                tally.keys = tally.keys.saturating_add(*keys);
                tally.bytes = tally.bytes.saturating_add(*bytes);
                self.progress(pair)
            }
            Event::LargeKey { pair, key, bytes: size, expected, elapsed } => {
                Some(format!("{} {}", large_key(key, *size, *expected, *elapsed), self.route(pair)))
            }
            Event::SlotsMoved { pair, slots } => {
                self.pairs.get_mut(pair)?.moved += slots.len();
                self.progress(pair)
            }
            Event::PairFinished { pair } => {
                let tally = self.pairs.remove(pair)?;
                Some(format!("Moved {} {}", tally.summary(), self.route(pair)))
            }
            Event::TransferStarted { keys } => {
                let printed = Instant::now();
                self.transfer = Some(CopyProgress { expected: *keys, seen: 0, copied: 0, printed });
                None
            }
            Event::KeysTransferred { keys, copied, .. } => {
                let transfer = self.transfer.as_mut()?;
                transfer.seen = transfer.seen.saturating_add(*keys);
                transfer.copied = transfer.copied.saturating_add(*copied);
                transfer.progress()
            }
            _ => None,
        }
    }

    /// The same in the manner of a peer, which reports nothing in between.
    fn take_as_peer(&mut self, manner: Manner, event: &Event) -> Vec<String> {
        match (manner, event) {
            (Manner::Slots(end), Event::SlotsMoved { pair, slots }) => {
                let route = self.route(pair);
                slots.iter().map(|slot| format!("Moving slot {slot} {route}{end}")).collect()
            }
            (Manner::Marks, Event::PairStarted { .. }) => self.take(event).into_iter().collect(),
            (Manner::Marks, Event::PairFinished { pair }) => {
                let moved = self.pairs.remove(pair).map(|tally| "#".repeat(tally.moved));
                moved.into_iter().collect()
            }
            (Manner::Marks, Event::SlotsMoved { pair, slots }) => {
                self.pairs.get_mut(pair).into_iter().for_each(|tally| tally.moved += slots.len());
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    fn progress(&mut self, pair: &Pair) -> Option<String> {
        let route = self.route(pair);
        let tally = self.pairs.get_mut(pair)?;
        if tally.printed.elapsed() < BETWEEN_LINES {
            return None;
        }
        tally.printed = Instant::now();
        Some(format!("Moved {} {route} so far", tally.summary()))
    }

    fn route(&self, pair: &Pair) -> String {
        let name = |id: &NodeId| self.names.get(id).cloned().unwrap_or_else(|| id.to_string());
        format!("from {} to {}", name(&pair.from), name(&pair.to))
    }
}

/// A key as it is, but for bytes that are no text.
fn text(key: &[u8]) -> String {
    let piece =
        |chunk: Utf8Chunk<'_>| format!("{}{}", chunk.valid(), chunk.invalid().escape_ascii());
    key.utf8_chunks().map(piece).collect()
}

impl CopyProgress {
    fn progress(&mut self) -> Option<String> {
        if self.printed.elapsed() < BETWEEN_LINES {
            return None;
        }
        self.printed = Instant::now();
        let Self { expected, seen, copied, .. } = self;
        Some(format!("Copied {}, {seen} of about {expected} looked at", counted(*copied, "key")))
    }
}

impl PairProgress {
    fn summary(&self) -> String {
        let size = if self.bytes > 0 { format!(", {}", bytes(self.bytes)) } else { String::new() };
        format!(
            "{}/{} ({}{size})",
            self.moved,
            counted(self.slots, "slot"),
            counted(self.keys, "key")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use redistrib_ops::Method;

    #[test]
    fn a_pair_tells_of_its_start_and_its_end() {
        let [from, to] = ['a', 'b'].map(|c| c.to_string().repeat(40).parse().unwrap());
        let pair = Pair { from, to };
        let mut state = LinesState::default();
        state.names.insert(from, "h:1".into());
        let which = "0-2".parse().unwrap();
        let started = Event::PairStarted { pair, slots: 3, which, method: Method::Migrate };
        let expected = format!("Moving 3 slots from h:1 to {to}");
        assert_eq!(state.take(&started).unwrap(), expected);
        let keys = Event::KeysMoved { pair, keys: 7, bytes: 2048, hold_up: Duration::ZERO };
        assert_eq!(state.take(&keys), None);
        let slots = Event::SlotsMoved { pair, slots: "0-2".parse().unwrap() };
        assert_eq!(state.take(&slots), None);
        let finished = state.take(&Event::PairFinished { pair }).unwrap();
        assert_eq!(finished, format!("Moved 3/3 slots (7 keys, 2.0 KiB) from h:1 to {to}"));
        assert_eq!(state.take(&keys), None, "a pair that nobody knows is let pass");
    }
}
