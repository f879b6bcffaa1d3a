//! In whose words the verbs speak: our own, or those of the peer under whose name the program was called.
//!
//! Scripts look for a peer's words where it prints them. So under its name complaints of `--cluster` verbs stand on
//! standard output, and Valkey's masters are primaries.

use std::sync::OnceLock;

use redistrib_ops::model::counted;

use crate::dialect;
use crate::shell::Peer;

/// A process speaks one way.
static PEER: OnceLock<Peer> = OnceLock::new();

/// What valkey-cli says for words of ours.
const VALKEY_WORDS: [(&str, &str); 6] = [
    ("master", "primary"),
    ("masters", "primaries"),
    ("masters'", "primaries'"),
    ("slave", "replica"),
    ("slaves", "replicas"),
    ("Master", "Primary"),
];

/// Speaks in this peer's words from now on; the first call counts.
pub fn speak_as(peer: Peer) {
    let _ = PEER.set(peer);
}

/// The peer in whose words we speak; `None` for our own.
pub fn peer() -> Option<Peer> {
    PEER.get().copied()
}

/// A number of slots in words: the peers know no singular.
pub(crate) fn slots(count: usize) -> String {
    if peer().is_some() { format!("{count} slots") } else { counted(count, "slot") }
}

/// Advice that names our verbs and options, as they are written under the name by which we were called.
pub(crate) fn spelt(advice: impl Into<String>) -> String {
    let advice = advice.into();
    match peer() {
        Some(peer) => dialect::advice_under(peer.name(), &advice),
        None => advice,
    }
}

/// A line in the words of whom we speak as.
pub(crate) fn in_words(line: String) -> String {
    match peer() {
        Some(Peer::ValkeyCli) => in_valkeys_words(&line),
        _ => line,
    }
}

/// Words are replaced where they stand alone: a host may be called `redis-master-0`, or `master` for that matter. In
/// the `M:` and `S:` blocks, where a role ends a line about slots, valkey-cli kept the old ones.
fn in_valkeys_words(line: &str) -> String {
    if line.trim_start().starts_with("slots:") {
        return line.to_owned();
    }
    let replaced = |word: &str| {
        let is_letter = |letter: char| letter.is_alphanumeric() || letter == '\'';
        let end = word.find(|letter| !is_letter(letter)).unwrap_or(word.len());
        let (bare, tail) = word.split_at(end);
        let is_alone = tail.is_empty() || tail.starts_with('[') || !tail.contains(is_letter);
        match VALKEY_WORDS.iter().find(|(ours, _)| is_alone && *ours == bare) {
            Some((_, theirs)) => format!("{theirs}{tail}"),
            None => word.to_owned(),
        }
    };
    line.split(' ').map(replaced).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_stand_alone_are_valkeys() {
        for (ours, theirs) in [
            ("[OK] 9 keys in 3 masters.", "[OK] 9 keys in 3 primaries."),
            ("Master[0] -> Slots 0 - 5460", "Primary[0] -> Slots 0 - 5460"),
            (
                "h:1 (ab...) -> 1 keys | 2 slots | 1 slaves.",
                "h:1 (ab...) -> 1 keys | 2 slots | 1 replicas.",
            ),
            (
                "not known or not a master, please retry.",
                "not known or not a primary, please retry.",
            ),
            (
                "Removing redis-master-0:6379 master:6379",
                "Removing redis-master-0:6379 master:6379",
            ),
            ("   slots:[0-5] (6 slots) master", "   slots:[0-5] (6 slots) master"),
        ] {
            assert_eq!(in_valkeys_words(ours), theirs);
        }
    }
}
