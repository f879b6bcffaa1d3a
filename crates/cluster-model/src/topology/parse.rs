//! The reader of `CLUSTER NODES` and nodes.conf.
//!
//! A line is
//!
//! ```text
//! id host:port[@bus][,hostname[,name=value]*] flags master|- ping pong epoch link [slots]*
//! ```
//!
//! where slots are `5`, `0-5460`, `[93-<-id]` or `[77->-id]`. Source: the `CLUSTER NODES` page and
//! the text of servers from 3.0 to Redis 8 and Valkey 9.

use memchr::memchr_iter;

use super::{Field, ParseError, Problem, Topology};
use crate::slot::parse_slot;
use crate::text::find;
use crate::{Address, Aux, Flags, Node, NodeId, Slot, SlotRange, SlotSet};

/// Whether a line that starts with `vars` is the epochs of nodes.conf or an error.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Vars {
    Allowed,
    Refused,
}

/// A field that is wrong, before the line's number is known.
type Wrong = (Field, Problem);

pub(super) fn topology(text: &[u8], vars: Vars) -> Result<Topology, ParseError> {
    let mut topology = Topology::default();
    // The shortest line of a node takes over 60 bytes, so this stays in proportion to the text.
    topology.nodes.reserve_exact(memchr_iter(b'\n', text).count().min(text.len() / 60) + 1);
    for (index, line) in Split::new(text, b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            continue;
        }
        let read = match line.strip_prefix(b"vars ") {
            Some(rest) if vars == Vars::Allowed => read_vars(rest, &mut topology),
            _ => read_node(line, &mut topology.nodes),
        };
        read.map_err(|(field, problem)| ParseError { line: index + 1, field, problem })?;
    }
    Ok(topology)
}

/// Pieces of a text between one byte and the next of its kind.
struct Split<'a> {
    rest: Option<&'a [u8]>,
    at: u8,
}

impl<'a> Split<'a> {
    fn new(text: &'a [u8], at: u8) -> Split<'a> {
        Split { rest: Some(text), at }
    }
}

impl<'a> Iterator for Split<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let (piece, rest) = match find(rest, self.at) {
            Some(at) => (&rest[..at], Some(&rest[at + 1..])),
            None => (rest, None),
        };
        self.rest = rest;
        Some(piece)
    }
}

/// The fields of one line.
struct Fields<'a>(Split<'a>);

impl<'a> Fields<'a> {
    fn of(line: &'a [u8]) -> Fields<'a> {
        Fields(Split::new(line, b' '))
    }

    /// The next field.
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        loop {
            let text = self.0.next()?;
            if !text.is_empty() {
                return Some(text);
            }
        }
    }

    /// The next field, read by `read`; an error that names it if it is missing or `read` refuses it.
    #[inline(always)]
    fn next<T>(
        &mut self,
        field: Field,
        read: impl FnOnce(&'a [u8]) -> Option<T>,
    ) -> Result<T, Wrong> {
        let Some(text) = self.text() else { return Err((field, Problem::Missing)) };
        match read(text) {
            Some(value) => Ok(value),
            None => Err((field, Problem::malformed(text))),
        }
    }
}

/// Reads a line and adds the node that it describes.
fn read_node(line: &[u8], nodes: &mut Vec<Node>) -> Result<(), Wrong> {
    let mut fields = Fields::of(line);
    let id = fields.next(Field::Id, node_id)?;
    let (address, aux) = fields.next(Field::Address, address)?;
    let flags = fields.next(Field::Flags, Flags::parse_bytes)?;
    let master = fields.next(Field::Master, master)?;
    let ping_sent = fields.next(Field::PingSent, time)?;
    let pong_received = fields.next(Field::PongReceived, time)?;
    let config_epoch = fields.next(Field::ConfigEpoch, number)?;
    let link_connected = fields.next(Field::Link, link)?;
    let Slots { owned: slots, migrating, importing } = read_slots(fields)?;
    nodes.push(Node {
        id,
        address,
        aux,
        flags,
        master,
        ping_sent,
        pong_received,
        config_epoch,
        link_connected,
        slots,
        migrating,
        importing,
    });
    Ok(())
}

/// What the end of a line says of slots.
#[derive(Default)]
struct Slots {
    owned: SlotSet,
    migrating: Vec<(Slot, NodeId)>,
    importing: Vec<(Slot, NodeId)>,
}

fn read_slots(mut fields: Fields<'_>) -> Result<Slots, Wrong> {
    let mut slots = Slots::default();
    while let Some(text) = fields.text() {
        let read = if text.starts_with(b"[") {
            open_slot(text, &mut slots).ok_or(Field::OpenSlot)
        } else {
            SlotRange::parse(text).map(|range| slots.owned.insert_range(range)).ok_or(Field::Slots)
        };
        read.map_err(|field| (field, Problem::malformed(text)))?;
    }
    // Servers print them in this order; a text by other hands may not.
    slots.migrating.sort_unstable();
    slots.importing.sort_unstable();
    Ok(slots)
}

fn node_id(text: &[u8]) -> Option<NodeId> {
    NodeId::from_hex(text).ok()
}

fn master(text: &[u8]) -> Option<Option<NodeId>> {
    if text == b"-" { Some(None) } else { node_id(text).map(Some) }
}

/// `host:port[@bus][,hostname[,name=value]*]`. The host may be empty, and its colons may be
/// those of an IPv6 address.
#[inline]
fn address(text: &[u8]) -> Option<(Address, Vec<Aux>)> {
    let mut parts = Split::new(text, b',');
    let first = parts.next()?;
    let (place, bus_port) = match first.iter().rposition(|byte| *byte == b'@') {
        Some(at) => (&first[..at], Some(port(&first[at + 1..])?)),
        None => (first, None),
    };
    let colon = place.iter().rposition(|byte| *byte == b':')?;
    let host = str::from_utf8(&place[..colon]).ok()?.to_owned();
    let hostname = match parts.next() {
        None | Some(b"") => None,
        Some(name) => Some(str::from_utf8(name).ok()?.to_owned()),
    };
    let mut further = Vec::new();
    for part in parts {
        further.push(aux(part)?);
    }
    Some((Address { host, port: port(&place[colon + 1..])?, bus_port, hostname }, further))
}

fn aux(text: &[u8]) -> Option<Aux> {
    let text = str::from_utf8(text).ok()?;
    Some(match text.split_once('=') {
        Some((name, value)) => Aux { name: name.to_owned(), value: Some(value.to_owned()) },
        None => Aux { name: text.to_owned(), value: None },
    })
}

fn port(digits: &[u8]) -> Option<u16> {
    number(digits)?.try_into().ok()
}

/// Milliseconds since 1970. Servers hold them as signed numbers.
fn time(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(number(digits)?),
        None => number(text)?.try_into().ok(),
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    // Nineteen digits always fit.
    if !(1..20).contains(&digits.len()) {
        return long_number(digits);
    }
    let (mut number, mut wrong) = (0, false);
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        wrong |= digit > 9;
        number = u64::wrapping_add(u64::wrapping_mul(number, 10), digit.into());
    }
    (!wrong).then_some(number)
}

#[cold]
fn long_number(digits: &[u8]) -> Option<u64> {
    let all_digits = digits.iter().all(u8::is_ascii_digit);
    str::from_utf8(digits).ok().filter(|_| all_digits)?.parse().ok()
}

fn link(text: &[u8]) -> Option<bool> {
    match text {
        b"connected" => Some(true),
        b"disconnected" => Some(false),
        _ => None,
    }
}

/// `[slot->-id]` or `[slot-<-id]`.
fn open_slot(text: &[u8], slots: &mut Slots) -> Option<()> {
    let inner = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (digits, rest) = inner.split_at(find(inner, b'-')?);
    let (arrow, peer) = rest.split_at_checked(3)?;
    let open: (Slot, NodeId) = (parse_slot(digits)?, node_id(peer)?);
    match arrow {
        b"->-" => slots.migrating.push(open),
        b"-<-" => slots.importing.push(open),
        _ => return None,
    }
    Some(())
}

/// `currentEpoch 6 lastVoteEpoch 0`. Variables that are not known are passed over, as servers do.
fn read_vars(text: &[u8], topology: &mut Topology) -> Result<(), Wrong> {
    let mut fields = Fields::of(text);
    while let Some(name) = fields.text() {
        let variable = match name {
            b"currentEpoch" => &mut topology.current_epoch,
            b"lastVoteEpoch" => &mut topology.last_vote_epoch,
            _ => {
                fields.next(Field::Vars, Some)?;
                continue;
            }
        };
        *variable = Some(fields.next(Field::Vars, number)?);
    }
    Ok(())
}
