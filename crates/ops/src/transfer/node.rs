//! One target of a transfer, with its connection once it is needed.

use std::sync::Arc;

use redistrib_resp::Pipeline;

use super::ends::{Ends, ServerEnd};
use super::fetch::KeyEntry;
use super::server::{Facts, Server, clock_offset, unix_time_ms};
use crate::Connection;
use crate::error::Result;

/// Clocks that differ by less are the same clock, read over a network.
const SAME_CLOCK_MS: i64 = 100;
/// A pipeline's buffer that has grown beyond this is not kept.
const KEPT_BUFFER: usize = 8 << 20;

/// A target and what is under way to it.
#[derive(Debug)]
pub(super) struct TargetNode {
    pub(super) server: Server,
    /// What the server is called, once for all keys that are said to be there.
    pub(super) name: Arc<str>,
    facts: Option<Facts>,
    link: Option<TargetLink>,
    /// What is to be sent, and for it how many replies.
    pub(super) out: Pipeline,
    pub(super) sent: Vec<Attempt>,
}

/// What becomes of a key that the target has already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Existing {
    Kept,
    Overwritten,
}

/// A try to write one entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt {
    /// Its place in the batch.
    pub(super) entry: usize,
    /// The number of the target.
    pub(super) node: usize,
    /// Whether ASKING goes before it.
    pub(super) asking: bool,
}

/// A connection to a target.
#[derive(Debug)]
pub(super) struct TargetLink {
    pub(super) connection: Connection,
    /// By how much the target's clock is ahead of ours.
    clock: i64,
    /// What to add to a time by the source's clock to have it by the target's.
    skew: i64,
    takes_expiry_time: bool,
}

impl TargetNode {
    /// A target for the keys of a source.
    pub(super) fn new(end: &ServerEnd, ends: &Ends, source: usize) -> Self {
        let server = ends.target_for(source, &end.server);
        Self { facts: Some(end.facts.clone()), ..Self::unknown(server) }
    }

    /// A target that a redirection has named.
    pub(super) fn unknown(server: Server) -> Self {
        let name = server.to_string().into();
        Self { server, name, facts: None, link: None, out: Pipeline::new(), sent: Vec::new() }
    }

    /// The server's version, as far as it has been asked.
    pub(super) fn version(&self) -> &str {
        self.facts.as_ref().map_or("of unknown version", |facts| &facts.version)
    }

    /// The connection, made when first asked for.
    pub(super) fn link(&mut self, source_clock: i64) -> Result<&mut TargetLink> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.connect(source_clock)?,
        };
        Ok(self.link.insert(link))
    }

    fn connect(&mut self, source_clock: i64) -> Result<TargetLink> {
        let facts = match self.facts.take() {
            Some(facts) => facts,
            None => self.server.facts()?,
        };
        let takes_expiry_time = self.facts.insert(facts).takes_expiry_time();
        let mut connection = self.server.connect()?;
        let clock = clock_offset(&mut connection)?;
        let skew = clock.saturating_sub(source_clock);
        let skew = if skew.saturating_abs() < SAME_CLOCK_MS { 0 } else { skew };
        Ok(TargetLink { connection, clock, skew, takes_expiry_time })
    }

    /// Begins a new round of sending.
    pub(super) fn clear(&mut self) {
        self.sent.clear();
        if self.out.as_bytes().len() > KEPT_BUFFER {
            self.out = Pipeline::new();
        }
        self.out.clear();
    }

    /// Adds the RESTORE of an entry to what is to be sent.
    pub(super) fn push(
        &mut self,
        attempt: Attempt,
        entry: &KeyEntry,
        existing: Existing,
        source_clock: i64,
    ) -> Result<()> {
        let link = self.link(source_clock)?;
        let (ttl, absolute) = link.expiry(entry.expires);
        if attempt.asking {
            self.out.command(&[b"ASKING"]);
        }
        let all: [&[u8]; 6] =
            [b"RESTORE", &entry.key, ttl.as_bytes(), &entry.payload, b"REPLACE", b"ABSTTL"];
        match (existing, absolute) {
            (Existing::Overwritten, true) => self.out.command(&all),
            (Existing::Overwritten, false) => self.out.command(&all[..5]),
            (Existing::Kept, true) => {
                self.out.command(&[all[0], all[1], all[2], all[3], all[5]]);
            }
            (Existing::Kept, false) => self.out.command(&all[..4]),
        }
        self.sent.push(attempt);
        Ok(())
    }
}

impl TargetLink {
    /// The time argument of RESTORE, and whether it is a point in time.
    fn expiry(&self, expires: Option<i64>) -> (String, bool) {
        match expires {
            None => ("0".to_owned(), false),
            // 0 would mean never. Somebody may mean that by the last moment there is.
            Some(time) if self.takes_expiry_time => {
                (time.saturating_add(self.skew).max(1).to_string(), true)
            }
            Some(time) => (self.left(time).max(1).to_string(), false),
        }
    }

    /// How many milliseconds are left until a time by the source's clock.
    pub(super) fn left(&self, time: i64) -> i64 {
        let now = unix_time_ms().saturating_add(self.clock);
        time.saturating_add(self.skew).saturating_sub(now)
    }
}
