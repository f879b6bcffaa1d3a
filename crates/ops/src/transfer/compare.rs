//! Whether a key is the same on both sides.

use redistrib_resp::{Command, Reply, View};

use super::redirect::error_text;
use crate::Connection;
use crate::error::Result;

/// The RDB version and the checksum at a payload's end.
const TRAILER: usize = 10;
/// How many elements of a large value are looked at together.
const PAGE: usize = 1000;

/// Whether two payloads of DUMP hold the same bytes. The version of the format, two bytes, and the checksum
/// may differ: two servers of different versions mostly write the same value in the same way.
pub(super) fn same_payload(one: &[u8], other: &[u8]) -> bool {
    match (one.len().checked_sub(TRAILER), other.len().checked_sub(TRAILER)) {
        (Some(end), Some(same)) if end == same => one[..end] == other[..end],
        _ => false,
    }
}

/// Compares the values of a key element by element, since two servers may hold the same value in
/// another encoding or, for sets and hashes, in another order. Returns in what the two differ, or
/// `None` where they are the same.
///
/// # Errors
/// Those of the connections.
pub(super) fn difference(
    key: &[u8],
    source: &mut Connection,
    target: &mut dyn FnMut(&Command) -> Result<Reply>,
) -> Result<Option<String>> {
    let mut sides = Holders { key, source, target };
    let (ours, theirs) = sides.both(Command::new("TYPE").arg(key))?;
    let kind = ours.view().as_str().unwrap_or_default().to_owned();
    if ours.view().as_str() != theirs.view().as_str() {
        return Ok(Some("its type".into()));
    }
    let same = match kind.as_str() {
        "string" => sides.agree(Command::new("GET").arg(key))?,
        "list" => sides.same_pages(Sequence::List)?,
        "zset" => sides.same_pages(Sequence::SortedSet)?,
        "set" => {
            sides.agree(Command::new("SCARD").arg(key))? && sides.same_members(Unordered::Set)?
        }
        "hash" => {
            sides.agree(Command::new("HLEN").arg(key))? && sides.same_members(Unordered::Hash)?
        }
        "stream" => sides.same_stream()?,
        _ => return Ok(Some(format!("its payload, of the type {kind}"))),
    };
    Ok((!same).then(|| "its value".to_owned()))
}

/// Values whose elements have an order.
#[derive(Clone, Copy)]
enum Sequence {
    List,
    SortedSet,
}

/// Values whose elements have none.
#[derive(Clone, Copy)]
enum Unordered {
    Set,
    Hash,
}

/// The two holders of a key.
struct Holders<'a> {
    key: &'a [u8],
    source: &'a mut Connection,
    target: &'a mut dyn FnMut(&Command) -> Result<Reply>,
}

impl Holders<'_> {
    fn both(&mut self, command: Command) -> Result<(Reply, Reply)> {
        Ok((self.source.request(&command)?, (self.target)(&command)?))
    }

    /// Whether both give the same answer, which is no error.
    fn agree(&mut self, command: Command) -> Result<bool> {
        let (ours, theirs) = self.both(command)?;
        Ok(ours.view().as_error().is_none() && ours.wire() == theirs.wire())
    }

    /// Whether both give the same elements in the same order.
    fn same_pages(&mut self, kind: Sequence) -> Result<bool> {
        let (name, scores) = match kind {
            Sequence::List => ("LRANGE", None),
            Sequence::SortedSet => ("ZRANGE", Some("WITHSCORES")),
        };
        let mut from = 0;
        loop {
            let command = Command::new(name).arg(self.key).arg(from).arg(from + PAGE - 1);
            let (ours, theirs) = self.both(command.args_from(scores))?;
            let same = match kind {
                Sequence::List => ours.wire() == theirs.wire(),
                Sequence::SortedSet => same_scores(ours.view(), theirs.view()),
            };
            if ours.view().as_error().is_some() || !same {
                return Ok(false);
            }
            if ours.view().is_empty() {
                return Ok(true);
            }
            from += PAGE;
        }
    }

    /// Whether all members of the source's set, or fields of its hash, are the target's too. With equal
    /// numbers of them that is all there is to know.
    fn same_members(&mut self, kind: Unordered) -> Result<bool> {
        let scan = match kind {
            Unordered::Set => "SSCAN",
            Unordered::Hash => "HSCAN",
        };
        let mut cursor = b"0".to_vec();
        loop {
            let command = Command::new(scan).arg(self.key).arg(&cursor).arg("COUNT").arg(PAGE);
            let page = self.source.call(&command)?;
            let mut parts = page.view().elements();
            let (Some(next), Some(found)) = (parts.next(), parts.next()) else { return Ok(false) };
            cursor = next.as_bytes().unwrap_or(b"0").to_vec();
            if !found.is_empty() && !self.has_all(found, kind)? {
                return Ok(false);
            }
            if cursor == b"0" {
                return Ok(true);
            }
        }
    }

    fn has_all(&mut self, found: View<'_>, kind: Unordered) -> Result<bool> {
        match kind {
            Unordered::Set => self.has_all_members(found),
            Unordered::Hash => Ok(self.has_all_fields(found)? && self.same_field_expiry(found)?),
        }
    }

    fn has_all_fields(&mut self, found: View<'_>) -> Result<bool> {
        let fields = found.pairs().filter_map(|(field, _)| field.as_bytes());
        let theirs = (self.target)(&Command::new("HMGET").arg(self.key).args_from(fields))?;
        let values = found.pairs().map(|(_, value)| value.as_bytes());
        Ok(theirs.view().elements().map(|value| value.as_bytes()).eq(values))
    }

    fn has_all_members(&mut self, found: View<'_>) -> Result<bool> {
        for member in found.elements().filter_map(|member| member.as_bytes()) {
            let theirs = (self.target)(&Command::new("SISMEMBER").arg(self.key).arg(member))?;
            if theirs.view().as_int() != Some(1) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Since Redis 7.4 and Valkey 9 fields of a hash expire, too; older sources have none that do.
    fn same_field_expiry(&mut self, found: View<'_>) -> Result<bool> {
        let fields: Vec<&[u8]> = found.pairs().filter_map(|(field, _)| field.as_bytes()).collect();
        let command = Command::new("HPEXPIRETIME").arg(self.key).arg("FIELDS").arg(fields.len());
        let (ours, theirs) = self.both(command.args_from(fields))?;
        Ok(ours.view().as_error().is_some() || ours.wire() == theirs.wire())
    }

    fn same_stream(&mut self) -> Result<bool> {
        let mut from = b"-".to_vec();
        loop {
            let command =
                Command::new("XRANGE").arg(self.key).arg(&from).arg("+").arg("COUNT").arg(PAGE);
            let (ours, theirs) = self.both(command)?;
            if ours.view().as_error().is_some() || ours.wire() != theirs.wire() {
                return Ok(false);
            }
            let last = ours.view().elements().last().and_then(|entry| entry.elements().next());
            match last.and_then(|id| id.as_bytes()) {
                // The page begins again with the last entry of the one before.
                Some(id) if ours.view().len() > 1 => from = id.to_vec(),
                _ => break,
            }
        }
        let (ours, theirs) = self.both(Command::new("XINFO").arg("GROUPS").arg(self.key))?;
        Ok(groups(&ours) == groups(&theirs))
    }
}

/// Versions write the same score with more or fewer digits.
fn same_scores(ours: View<'_>, theirs: View<'_>) -> bool {
    let read = |(member, score): (View<'_>, View<'_>)| {
        let number = score.as_str().and_then(|text| text.parse::<f64>().ok());
        (member.as_bytes().map(<[u8]>::to_vec), number)
    };
    ours.pairs().map(read).eq(theirs.pairs().map(read))
}

/// What counts of the consumer groups: versions report more or less beside it.
fn groups(reply: &Reply) -> Option<Vec<[Vec<u8>; 3]>> {
    if reply.view().as_error().is_some() {
        return None;
    }
    let known = |group: View<'_>| {
        [&b"name"[..], b"pending", b"last-delivered-id"]
            .map(|field| group.get(field).map(|value| value.wire().to_vec()).unwrap_or_default())
    };
    Some(reply.view().elements().map(known).collect())
}

/// What is wrong with the answer to the DUMP of a key, if anything is.
pub(super) fn describe_missing(dump: &Reply) -> Option<String> {
    if dump.view().is_null() {
        return Some("being there at all".into());
    }
    dump.view().as_error().map(|_| error_text(dump))
}

#[cfg(test)]
mod tests {
    use super::same_payload;

    #[test]
    fn version_and_checksum_of_a_payload_do_not_count() {
        assert!(same_payload(b"\x00\x01a\x09\x0012345678", b"\x00\x01a\x0b\x0087654321"));
        assert!(!same_payload(b"\x00\x01a\x09\x0012345678", b"\x00\x01b\x09\x0012345678"));
        assert!(!same_payload(b"short", b"short"));
    }
}
