//! What a node is, as the third field of a `CLUSTER NODES` line says it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Whether a node serves slots or copies a node that does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves slots, or could.
    Master,
    /// Copies a master.
    Replica,
}

/// The flags of a node. Flags that this program does not know are kept, for printing.
///
/// ```
/// use redistrib_cluster_model::{Flags, Role};
///
/// let flags = Flags::parse("myself,slave,nofailover");
/// assert_eq!(flags.role(), Some(Role::Replica));
/// assert!(flags.is_myself() && !flags.is_failed());
/// assert_eq!(flags.to_string(), "myself,slave,nofailover");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Flags {
    known: u8,
    /// Comma-separated; almost always absent.
    unknown: Option<Box<str>>,
}

/// Their words, in the order in which servers print them; the bit of each is its place here.
const WORDS: [&str; 8] =
    ["myself", "master", "slave", "fail?", "fail", "handshake", "noaddr", "nofailover"];

const MYSELF: u8 = 1;
const MASTER: u8 = 1 << 1;
const REPLICA: u8 = 1 << 2;
const SUSPECTED: u8 = 1 << 3;
const FAILED: u8 = 1 << 4;
const HANDSHAKE: u8 = 1 << 5;
const NO_ADDRESS: u8 = 1 << 6;
const NO_FAILOVER: u8 = 1 << 7;

/// The flag that a word stands for.
fn known(word: &[u8]) -> Option<u8> {
    Some(match word {
        b"myself" => MYSELF,
        b"master" => MASTER,
        b"slave" => REPLICA,
        b"fail?" => SUSPECTED,
        b"fail" => FAILED,
        b"handshake" => HANDSHAKE,
        b"noaddr" => NO_ADDRESS,
        b"nofailover" => NO_FAILOVER,
        _ => return None,
    })
}

impl Flags {
    pub(crate) const NONE: Flags = Flags { known: 0, unknown: None };

    /// The flags named in a comma-separated list; `noflags` and the empty text mean none.
    pub fn parse(text: &str) -> Flags {
        let mut flags = Flags::NONE;
        flags.extend(text);
        flags
    }

    /// Adds the flags named in a comma-separated list; none if the text is not UTF-8.
    #[inline]
    pub(crate) fn read(&mut self, text: &[u8]) -> Option<()> {
        match known(text) {
            Some(flag) => self.known |= flag,
            None => self.extend(str::from_utf8(text).ok()?),
        }
        Some(())
    }

    fn extend(&mut self, text: &str) {
        for word in text.split(',').filter(|word| !word.is_empty() && *word != "noflags") {
            match known(word.as_bytes()) {
                Some(flag) => self.known |= flag,
                None => self.keep_unknown(word),
            }
        }
    }

    fn keep_unknown(&mut self, word: &str) {
        let mut words = self.unknown.take().map(String::from).unwrap_or_default();
        if !words.is_empty() {
            words.push(',');
        }
        words.push_str(word);
        self.unknown = Some(words.into_boxed_str());
    }

    fn has(&self, flag: u8) -> bool {
        self.known & flag != 0
    }

    /// Master or replica; none while the node is in handshake, when its role is not known yet.
    pub fn role(&self) -> Option<Role> {
        match (self.has(MASTER), self.has(REPLICA)) {
            (_, true) => Some(Role::Replica),
            (true, false) => Some(Role::Master),
            (false, false) => None,
        }
    }

    /// The line is about the node that printed it.
    pub fn is_myself(&self) -> bool {
        self.has(MYSELF)
    }

    /// The node that printed the line cannot reach this one (`fail?`).
    pub fn is_suspected(&self) -> bool {
        self.has(SUSPECTED)
    }

    /// A majority of the masters could not reach this node (`fail`).
    pub fn is_failed(&self) -> bool {
        self.has(FAILED)
    }

    /// The node has failed, or is suspected to have.
    pub fn is_failed_or_suspected(&self) -> bool {
        self.has(FAILED | SUSPECTED)
    }

    /// The node has been met but has not answered yet; its id is a placeholder until it does.
    pub fn is_handshake(&self) -> bool {
        self.has(HANDSHAKE)
    }

    /// No address is known for the node.
    pub fn is_without_address(&self) -> bool {
        self.has(NO_ADDRESS)
    }

    /// The replica is configured never to take over from its master.
    pub fn is_without_failover(&self) -> bool {
        self.has(NO_FAILOVER)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        for (bit, word) in WORDS.iter().enumerate() {
            if self.has(1 << bit) {
                write!(f, "{comma}{word}")?;
                comma = ",";
            }
        }
        match &self.unknown {
            Some(words) => write!(f, "{comma}{words}"),
            None if comma.is_empty() => f.write_str("noflags"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Flags({self})")
    }
}

impl From<String> for Flags {
    fn from(text: String) -> Flags {
        Flags::parse(&text)
    }
}

impl From<Flags> for String {
    fn from(flags: Flags) -> String {
        flags.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_what_servers_print() {
        for text in
            ["noflags", "handshake", "master,fail?", "slave,fail", "myself,master,shiny,new"]
        {
            assert_eq!(Flags::parse(text).to_string(), text);
        }
        assert_eq!(Flags::parse("").to_string(), "noflags");
        assert_eq!(Flags::parse("handshake").role(), None);
    }

    #[test]
    fn every_word_is_known() {
        for (bit, word) in WORDS.iter().enumerate() {
            assert_eq!(known(word.as_bytes()), Some(1 << bit), "{word}");
        }
    }

    #[test]
    fn a_suspected_node_is_not_a_failed_one() {
        let flags = Flags::parse("master,fail?");
        assert!(flags.is_suspected() && !flags.is_failed());
    }
}
