//! Going through all the keys of a source.

use bytes::Bytes;
use redistrib_resp::{Command, Reply};

use super::TransferReport;
use super::job::{Chunk, Sender, TransferJob};
use super::report::{LeftKey, SkipReason};
use crate::Connection;
use crate::error::Result;

/// How many keys SCAN looks at in one go.
const COUNT: usize = 1000;
/// How many keys are handed on together at least.
const CHUNK: usize = 512;

/// Scans the source with this number, and hands on the keys that are to be copied.
///
/// # Errors
/// Those of connections and of SCAN.
pub(super) fn scan(job: &TransferJob<'_>, source: usize, out: &Sender) -> Result<()> {
    let mut pages = Pages::open(job, source)?;
    let mut chunk = Chunk::new();
    while let Some(keys) = pages.next()? {
        let mut counted = TransferReport::default();
        for key in keys {
            sort(job, source, key, &mut chunk, &mut counted);
        }
        job.count(counted, Vec::new());
        if chunk.len() >= CHUNK && out.send(std::mem::take(&mut chunk)).is_err() || job.stops() {
            return Ok(());
        }
    }
    if !chunk.is_empty() {
        // Nobody there to take it means that the transfer has failed, and that is noted where it has.
        let _ = out.send(chunk);
    }
    Ok(())
}

/// Counts a key and puts it with those to be copied if it is one of them.
fn sort(
    job: &TransferJob<'_>,
    source: usize,
    key: Bytes,
    chunk: &mut Chunk,
    counted: &mut TransferReport,
) {
    counted.seen += 1;
    if job.places.is_fleet() && key.contains(&b'{') {
        counted.braced += 1;
    }
    let verdict = job.places.verdict(source, &key);
    if verdict.stray {
        let server = job.ends.sources[source].server.to_string();
        counted.strays.note(LeftKey {
            key: key.clone(),
            source: server,
            reason: SkipReason::Stray,
        });
    }
    if verdict.take {
        chunk.push_back(key);
    } else {
        counted.stayed += 1;
    }
}

/// The pages of a SCAN.
pub(super) struct Pages {
    connection: Connection,
    matching: Option<Vec<u8>>,
    /// `None` after the last page.
    cursor: Option<Bytes>,
}

impl Pages {
    pub(super) fn open(job: &TransferJob<'_>, source: usize) -> Result<Self> {
        let connection = job.ends.sources[source].server.connect()?;
        let matching = job.options.matching.clone();
        Ok(Self { connection, matching, cursor: Some(Bytes::from_static(b"0")) })
    }

    /// The keys of the next page, which may be none.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Bytes>>> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let mut command = Command::new("SCAN").arg(cursor).arg("COUNT").arg(COUNT);
        if let Some(pattern) = &self.matching {
            command = command.arg("MATCH").arg(pattern);
        }
        let reply = self.connection.call(&command)?;
        let page = read_page(&reply);
        let (next, keys) =
            page.ok_or_else(|| self.connection.unexpected(&command, "no cursor with keys"))?;
        self.cursor = (next[..] != b"0"[..]).then_some(next);
        Ok(Some(keys))
    }
}

/// The cursor and the keys of a reply to SCAN.
fn read_page(reply: &Reply) -> Option<(Bytes, Vec<Bytes>)> {
    let mut parts = reply.view().elements();
    let cursor = Bytes::copy_from_slice(parts.next()?.as_bytes()?);
    let keys = parts.next()?;
    Some((cursor, keys.elements().map(|key| reply.bytes_of(key)).collect()))
}
