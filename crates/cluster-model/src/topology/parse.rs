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
use smol_str::SmolStr;

use super::{Field, ParseError, Problem, Topology};
use crate::number::parse_number;
use crate::slot::parse_slot;
use crate::text::{FieldEnds, find};
use crate::{Address, Aux, Flags, Node, NodeId, Slot, SlotRange, SlotSet};

/// Whether a line that starts with `vars` is the epochs of nodes.conf or an error.
#[derive(Clone, Copy)]
pub(super) enum Vars {
    Allowed,
    Refused,
}

/// A field that is wrong, before the line's number is known.
type Wrong = (Field, Problem);

pub(super) fn topology(text: &[u8], vars: Vars) -> Result<Topology, ParseError> {
    let mut topology = Topology::default();
    let lines = memchr_iter(b'\n', text).count() + 1;
    // The shortest line of a node takes over 60 bytes, so this stays in proportion to the text.
    topology.nodes.reserve_exact(lines.min(text.len() / 60 + 1));
    let mut fields = Fields::of(text);
    for line in 1..=lines {
        read_line(&mut fields, vars, &mut topology).map_err(|(field, problem)| ParseError {
            line,
            field,
            problem,
        })?;
    }
    Ok(topology)
}

#[inline]
fn read_line(fields: &mut Fields<'_>, vars: Vars, topology: &mut Topology) -> Result<(), Wrong> {
    fields.next_line();
    match fields.text() {
        None => Ok(()),
        Some(b"vars") => match vars {
            Vars::Allowed => read_vars(fields, topology),
            Vars::Refused => Err((Field::Vars, Problem::OfNodesConf)),
        },
        Some(id) => read_node(id, fields, push_blank(&mut topology.nodes)),
    }
}

/// The fields of a text, line by line.
struct Fields<'a> {
    text: &'a [u8],
    ends: FieldEnds<'a>,
    /// Where the next field begins.
    from: usize,
    /// Whether the line has no more of them.
    ended: bool,
}

impl<'a> Fields<'a> {
    fn of(text: &'a [u8]) -> Fields<'a> {
        Fields { text, ends: FieldEnds::of(text), from: 0, ended: true }
    }

    fn next_line(&mut self) {
        self.ended = false;
    }

    /// The next field of the line.
    #[inline]
    fn text(&mut self) -> Option<&'a [u8]> {
        while !self.ended {
            let text = self.up_to_blank();
            if !text.is_empty() {
                return Some(text);
            }
        }
        None
    }

    /// What stands before the next blank, which may be nothing.
    #[inline(always)]
    fn up_to_blank(&mut self) -> &'a [u8] {
        let end = self.ends.next().unwrap_or(self.text.len());
        let text = &self.text[self.from..end];
        self.from = end + 1;
        if self.text.get(end) == Some(&b' ') {
            return text;
        }
        self.ended = true;
        text.strip_suffix(b"\r").unwrap_or(text)
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

/// A node of which nothing is known yet. It is filled in where it stands: moving what has just been
/// written costs more than finding it does.
const BLANK: Node = Node {
    id: NodeId::from_bytes([0; 20]),
    address: Address { host: SmolStr::new_inline(""), port: 0, bus_port: None, hostname: None },
    aux: Vec::new(),
    flags: Flags::NONE,
    master: None,
    ping_sent: 0,
    pong_received: 0,
    config_epoch: 0,
    link_connected: false,
    slots: SlotSet::new(),
    migrating: Vec::new(),
    importing: Vec::new(),
};

fn push_blank(nodes: &mut Vec<Node>) -> &mut Node {
    let at = nodes.len();
    nodes.push(BLANK);
    &mut nodes[at]
}

/// Reads what a line says of the node of this id.
#[inline]
fn read_node(id: &[u8], fields: &mut Fields<'_>, node: &mut Node) -> Result<(), Wrong> {
    node.id = node_id(id).ok_or_else(|| (Field::Id, Problem::malformed(id)))?;
    fields.next(Field::Address, |text| read_address(text, node))?;
    fields.next(Field::Flags, |text| node.flags.read(text))?;
    node.master = fields.next(Field::Master, master)?;
    node.ping_sent = fields.next(Field::PingSent, time)?;
    node.pong_received = fields.next(Field::PongReceived, time)?;
    node.config_epoch = fields.next(Field::ConfigEpoch, parse_number)?;
    node.link_connected = fields.next(Field::Link, link)?;
    read_slots(fields, node)
}

fn read_slots(fields: &mut Fields<'_>, node: &mut Node) -> Result<(), Wrong> {
    while let Some(text) = fields.text() {
        let read = if text.starts_with(b"[") {
            read_open_slot(text, node).ok_or(Field::OpenSlot)
        } else {
            SlotRange::parse(text).map(|range| node.slots.insert_range(range)).ok_or(Field::Slots)
        };
        read.map_err(|field| (field, Problem::malformed(text)))?;
    }
    // Servers print them in this order; a text by other hands may not.
    node.migrating.sort_unstable();
    node.importing.sort_unstable();
    Ok(())
}

#[inline(always)]
fn node_id(text: &[u8]) -> Option<NodeId> {
    NodeId::from_hex(text).ok()
}

#[inline(always)]
fn master(text: &[u8]) -> Option<Option<NodeId>> {
    if text == b"-" { Some(None) } else { node_id(text).map(Some) }
}

/// `host:port[@bus][,hostname[,name=value]*]`. The host may be empty, and its colons may be
/// those of an IPv6 address.
#[inline]
fn read_address(text: &[u8], node: &mut Node) -> Option<()> {
    let Some(comma) = find(text, b',') else { return read_place(text, &mut node.address) };
    read_place(&text[..comma], &mut node.address)?;
    let mut names = text[comma + 1..].split(|byte| *byte == b',');
    if let Some(name) = names.next().filter(|name| !name.is_empty()) {
        node.address.hostname = Some(str::from_utf8(name).ok()?.into());
    }
    node.aux = names.map(aux).collect::<Option<_>>()?;
    Some(())
}

/// `host:port[@bus]`, from its end: the host may hold any of these bytes.
#[inline]
fn read_place(text: &[u8], address: &mut Address) -> Option<()> {
    let (mut rest, mut port) = last_port(text)?;
    if let Some(before) = rest.strip_suffix(b"@") {
        address.bus_port = Some(port);
        (rest, port) = last_port(before)?;
    }
    address.port = port;
    address.host = str::from_utf8(rest.strip_suffix(b":")?).ok()?.into();
    Some(())
}

/// The port that a text ends with, and what stands before it.
#[inline(always)]
fn last_port(text: &[u8]) -> Option<(&[u8], u16)> {
    let (mut rest, mut port, mut scale) = (text, 0u32, 1u32);
    while let Some((digit @ b'0'..=b'9', before)) = rest.split_last() {
        port = port.wrapping_add(scale.wrapping_mul(u32::from(digit - b'0')));
        (rest, scale) = (before, scale.wrapping_mul(10));
    }
    let is_port = (1..=5).contains(&(text.len() - rest.len()));
    is_port.then_some((rest, port.try_into().ok()?))
}

fn aux(text: &[u8]) -> Option<Aux> {
    let text = str::from_utf8(text).ok()?;
    Some(match text.split_once('=') {
        Some((name, value)) => Aux { name: name.to_owned(), value: Some(value.to_owned()) },
        None => Aux { name: text.to_owned(), value: None },
    })
}

/// Milliseconds since 1970. Servers hold them as signed numbers.
fn time(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(parse_number(digits)?),
        None => parse_number(text)?.try_into().ok(),
    }
}

fn link(text: &[u8]) -> Option<bool> {
    match text {
        b"connected" => Some(true),
        b"disconnected" => Some(false),
        _ => None,
    }
}

/// `[slot->-id]` or `[slot-<-id]`.
fn read_open_slot(text: &[u8], node: &mut Node) -> Option<()> {
    let inner = text.strip_prefix(b"[")?.strip_suffix(b"]")?;
    let (digits, rest) = inner.split_at(find(inner, b'-')?);
    let (arrow, peer) = rest.split_at_checked(3)?;
    let open: (Slot, NodeId) = (parse_slot(digits)?, node_id(peer)?);
    match arrow {
        b"->-" => node.migrating.push(open),
        b"-<-" => node.importing.push(open),
        _ => return None,
    }
    Some(())
}

/// `currentEpoch 6 lastVoteEpoch 0`. Variables that are not known are passed over, as servers do.
fn read_vars(fields: &mut Fields<'_>, topology: &mut Topology) -> Result<(), Wrong> {
    while let Some(name) = fields.text() {
        let variable = match name {
            b"currentEpoch" => &mut topology.current_epoch,
            b"lastVoteEpoch" => &mut topology.last_vote_epoch,
            _ => {
                fields.next(Field::Vars, Some)?;
                continue;
            }
        };
        *variable = Some(fields.next(Field::Vars, parse_number)?);
    }
    Ok(())
}
