//! One of the threads that copy: keys in, values from the source, values to the targets.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;

use super::TransferReport;
use super::compare::{describe_missing, difference, same_payload};
use super::fetch::{KeyEntry, Reader};
use super::job::{Chunk, Chunks, TransferJob, next_chunk};
use super::node::Existing;
use super::report::{LeftKey, SkipReason};
use super::write::{KeyOutcome, Writer};
use crate::error::Result;
use redistrib_resp::{Command, Reply};

/// By how much the time of expiry may seem to differ, since it takes time to ask for it.
const EXPIRY_TOLERANCE_MS: i64 = 1000;
/// How often a key is copied again that is changed while it is moved.
const TRIES: usize = 5;

/// A connection to one source with those to the targets, and the keys that go over them.
struct Lane<'a> {
    job: &'a TransferJob<'a>,
    source: usize,
    reader: Reader,
    writer: Writer<'a>,
    counted: TransferReport,
    /// The keys that have arrived since that was reported, and where.
    arrived: Vec<(Bytes, Arc<str>)>,
}

/// Copies what comes through `chunks` until there is no more.
///
/// # Errors
/// Those that end the transfer. The keys that were under way are noted.
pub(super) fn run(job: &TransferJob<'_>, source: usize, chunks: &Chunks) -> Result<()> {
    let mut lane = Lane::open(job, source)?;
    while let Some(chunk) = next_chunk(chunks) {
        let copied = lane.copy(chunk);
        lane.report();
        copied?;
        if job.stops() {
            break;
        }
    }
    Ok(())
}

impl<'a> Lane<'a> {
    fn open(job: &'a TransferJob<'a>, source: usize) -> Result<Self> {
        let options = job.options;
        let reader = Reader::open(&job.ends.sources[source], options.window, options.remove)?;
        let writer = Writer::new(job.ends, source, reader.clock, job.places.clone());
        let (counted, arrived) = (TransferReport::default(), Vec::new());
        Ok(Self { job, source, reader, writer, counted, arrived })
    }

    fn report(&mut self) {
        self.job.count(std::mem::take(&mut self.counted), std::mem::take(&mut self.arrived));
    }

    fn copy(&mut self, mut keys: Chunk) -> Result<()> {
        while !keys.is_empty() && !self.job.stops_now() {
            let fetched = self.reader.fetch(&mut keys, self.job.pace.most_keys())?;
            self.counted.vanished += fetched.vanished;
            for (key, reply) in fetched.unreadable {
                self.leave(key, SkipReason::Unreadable { reply });
            }
            let bytes = fetched.entries.iter().map(|entry| entry.payload.len() as u64).sum();
            let stop = || self.job.stops_now();
            self.job.pace.pass(fetched.entries.len() as u64, bytes, stop);
            match self.deliver(&fetched.entries) {
                Ok(again) => keys.extend(again),
                Err(error) => {
                    for entry in fetched.entries {
                        self.leave(entry.key, SkipReason::Unconfirmed);
                    }
                    return Err(error);
                }
            }
            self.report();
        }
        Ok(())
    }

    /// Writes entries, handles those that the target had already, and removes what has arrived where that
    /// is wanted. Returns the keys that have to be looked at again.
    fn deliver(&mut self, entries: &[KeyEntry]) -> Result<Vec<Bytes>> {
        let options = self.job.options;
        let existing = if options.replace { Existing::Overwritten } else { Existing::Kept };
        let stop = || self.job.stops_now();
        let mut outcomes = self.writer.write(entries, existing, stop)?;
        let check: Vec<usize> = (0..entries.len())
            .filter(|&number| match outcomes[number] {
                KeyOutcome::Busy => true,
                KeyOutcome::Written => options.verify,
                KeyOutcome::Failed(_) => false,
            })
            .collect();
        let differences = self.compare(entries, &check)?;
        let mut equal = vec![false; entries.len()];
        for (number, difference) in check.into_iter().zip(differences) {
            match difference {
                None => equal[number] = true,
                Some(what) => {
                    let target = self.writer.target_of(&entries[number].key).to_string();
                    let busy = outcomes[number] == KeyOutcome::Busy;
                    outcomes[number] = KeyOutcome::Failed(if busy {
                        SkipReason::Busy { target }
                    } else {
                        SkipReason::Differs { target, what }
                    });
                }
            }
        }
        self.settle(entries, outcomes, &equal)
    }

    /// Counts what became of the entries, and removes from the source what the target has. Where a key has
    /// been changed meanwhile nothing is removed: what we have written is copied again, what the target had
    /// already has to be looked at again.
    fn settle(
        &mut self,
        entries: &[KeyEntry],
        outcomes: Vec<KeyOutcome>,
        equal: &[bool],
    ) -> Result<Vec<Bytes>> {
        let (mut written, mut same) = (Vec::new(), Vec::new());
        let mut bytes = 0;
        for ((entry, outcome), &equal) in entries.iter().zip(outcomes).zip(equal) {
            match outcome {
                KeyOutcome::Written => {
                    bytes += entry.payload.len() as u64;
                    self.arrived.push((entry.key.clone(), self.writer.target_of(&entry.key)));
                    written.push(entry.key.clone());
                }
                KeyOutcome::Busy => same.push(entry.key.clone()),
                KeyOutcome::Failed(reason) => self.leave(entry.key.clone(), reason),
            }
            self.counted.verified += u64::from(equal && self.job.options.verify);
        }
        self.counted.copied += written.len() as u64;
        self.counted.bytes += bytes;
        let removed = self.job.options.remove && self.reader.remove(written.iter().chain(&same))?;
        if removed || !self.job.options.remove {
            self.counted.same += same.len() as u64;
            self.counted.removed += if removed { (written.len() + same.len()) as u64 } else { 0 };
            return Ok(Vec::new());
        }
        written.into_iter().try_for_each(|key| self.copy_again(key))?;
        Ok(same)
    }

    /// Copies and removes one key that may have been changed since it was copied. What the target has under
    /// its name came from us.
    fn copy_again(&mut self, key: Bytes) -> Result<()> {
        for _ in 0..TRIES {
            let fetched = self.reader.fetch(&mut Chunk::from([key.clone()]), 1)?;
            if let Some((key, reply)) = fetched.unreadable.into_iter().next() {
                self.reader.remove(std::iter::empty())?;
                self.leave(key, SkipReason::Unreadable { reply });
                return Ok(());
            }
            let Some(entry) = fetched.entries.first() else {
                self.reader.remove(std::iter::empty())?;
                self.writer.ask(&key, &crate::commands::delete(&key))?;
                self.counted.vanished += 1;
                return Ok(());
            };
            let stop = || self.job.stops_now();
            let entry = std::slice::from_ref(entry);
            let outcomes = self.writer.write(entry, Existing::Overwritten, stop)?;
            if let Some(KeyOutcome::Failed(reason)) = outcomes.into_iter().next() {
                self.reader.remove(std::iter::empty())?;
                self.leave(key, reason);
                return Ok(());
            }
            if self.reader.remove(std::iter::once(&key))? {
                self.counted.removed += 1;
                return Ok(());
            }
        }
        self.leave(key, SkipReason::Changing);
        Ok(())
    }

    /// In what each of some entries differs from what its target has; `None` where it does not.
    fn compare(&mut self, entries: &[KeyEntry], which: &[usize]) -> Result<Vec<Option<String>>> {
        let mut seen = Vec::with_capacity(which.len());
        let asked = Instant::now();
        self.writer.read_back(entries, which, |number, dump, ttl| {
            seen.push((number, EntryAnswer::of(&entries[number], dump, ttl)));
        })?;
        seen.sort_unstable_by_key(|(number, _)| *number);
        let judge = |(number, seen)| self.judge(&entries[number], seen, asked);
        seen.into_iter().map(judge).collect()
    }

    /// What is wrong with what the target says of an entry, asked at this time or later.
    fn judge(
        &mut self,
        entry: &KeyEntry,
        mut seen: EntryAnswer,
        asked: Instant,
    ) -> Result<Option<String>> {
        // How long it lives was read before now, on a busy machine a good while.
        let since = i64::try_from(asked.elapsed().as_millis()).unwrap_or(i64::MAX);
        let tolerance = EXPIRY_TOLERANCE_MS.saturating_add(since);
        let expires_in = match entry.expires {
            Some(time) => Some(self.writer.left(&entry.key, time)?),
            None => None,
        };
        if expires_in.is_some_and(|left| left <= EXPIRY_TOLERANCE_MS) {
            return Ok(None);
        }
        if seen.is_refused {
            // Its slot is on the move: asked alone it is followed.
            let mut ask = |name| self.writer.ask(&entry.key, &Command::new(name).arg(&entry.key));
            seen = EntryAnswer::of(entry, &ask("DUMP")?, &ask("PTTL")?);
        }
        if !seen.same_payload {
            let writer = &mut self.writer;
            let ask = &mut |command: &Command| writer.ask(&entry.key, command);
            let found = difference(&entry.key, &mut self.reader.connection, ask)?;
            if found.is_some() {
                return Ok(seen.missing.or(found));
            }
        }
        let same_expiry = match (expires_in, seen.expires_in) {
            (None, None) => true,
            (Some(one), Some(other)) => one.saturating_sub(other).saturating_abs() <= tolerance,
            _ => false,
        };
        Ok((!same_expiry).then(|| "its time of expiry".to_owned()))
    }

    fn leave(&mut self, key: Bytes, reason: SkipReason) {
        let source = self.job.ends.sources[self.source].server.to_string();
        self.counted.left.note(LeftKey { key, source, reason });
    }
}

/// What the target says of an entry.
struct EntryAnswer {
    /// Whether it says anything, instead of sending us elsewhere.
    is_refused: bool,
    same_payload: bool,
    missing: Option<String>,
    expires_in: Option<i64>,
}

impl EntryAnswer {
    fn of(entry: &KeyEntry, dump: &Reply, ttl: &Reply) -> Self {
        let theirs = dump.view().as_bytes();
        Self {
            is_refused: [dump, ttl].iter().any(|reply| reply.view().as_error().is_some()),
            same_payload: theirs.is_some_and(|theirs| same_payload(&entry.payload, theirs)),
            missing: describe_missing(dump),
            expires_in: ttl.view().as_int().filter(|&left| left >= 0),
        }
    }
}
