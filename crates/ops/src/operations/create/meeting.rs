//! The nodes of a new cluster are introduced to each other, and waited for.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use redistrib_cluster_model::{Intended, NodeId, SharedTopology, Waits, counted};

use super::Candidates;
use crate::candidate::Candidate;
use crate::cluster::{ViewsAlike, read_topology};
use crate::commands::{self, REPEAT_INTRODUCTION};
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Context, Endpoint};

/// How long the nodes may get no closer to knowing each other at least, and how much longer for each of them.
const LEAST_JOIN_TIME: Duration = Duration::from_secs(20);
const JOIN_TIME_PER_NODE: Duration = Duration::from_millis(500);
/// How many of these times they may take in all: busy machines are slow, and get there.
const LONGEST_JOIN: u32 = 6;

/// What is not as it should be yet.
#[derive(Debug)]
pub(super) struct NotYetMet {
    /// The first of it, in words.
    what: String,
    /// Whom each node is to be introduced to.
    meetings: Vec<Vec<usize>>,
}

impl Candidates {
    /// Waits until `look` finds nothing wrong, for as long as what is wrong gets less. Servers drop a handshake that crosses
    /// another, so the nodes that it names introduce themselves again from time to time.
    pub(super) fn settle(
        &mut self,
        context: Context<'_>,
        mut look: impl FnMut(&mut Self) -> Result<Option<NotYetMet>>,
    ) -> Result<()> {
        let patience = self.join_patience()?;
        let mut introduced = Instant::now();
        let (mut least, mut progress) = (usize::MAX, Instant::now());
        until_settled(LONGEST_JOIN * patience, context.cancel, || {
            let Some(NotYetMet { what, meetings }) = look(self)? else { return Ok(None) };
            let left = meetings.iter().map(Vec::len).sum();
            if left < least {
                (least, progress) = (left, Instant::now());
            } else if progress.elapsed() >= patience {
                return Err(Error::NotSettled { what, after: patience });
            }
            if introduced.elapsed() >= REPEAT_INTRODUCTION {
                self.introduce(|place| meetings[place].iter().copied())?;
                introduced = Instant::now();
            }
            Ok(Some(what))
        })
    }

    /// How long the nodes may get no closer. What an interrupted run has begun may take a node timeout to end.
    fn join_patience(&mut self) -> Result<Duration> {
        let ask = commands::setting("cluster-node-timeout");
        let timeouts = self.each(|_, candidate| {
            // A server that does not know it answers with an error, which has no elements.
            let replies = candidate.connection.pipeline(std::slice::from_ref(&ask))?;
            let value = replies.first().and_then(|it| it.elements().nth(1)?.as_str());
            Ok(value.and_then(|millis| millis.parse().ok()))
        })?;
        let longest = timeouts.into_iter().flatten().map(Duration::from_millis).max();
        let settling = 2 * longest.unwrap_or(Waits::default().node_timeout);
        let nodes = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        Ok(LEAST_JOIN_TIME.max(settling) + JOIN_TIME_PER_NODE.saturating_mul(nodes))
    }

    /// Makes each node shake hands with those at the places that `others` names for it. Servers ignore it while such a handshake is under
    /// way.
    pub(super) fn introduce<Places: Iterator<Item = usize> + Clone>(
        &mut self,
        others: impl Fn(usize) -> Places + Sync,
    ) -> Result<()> {
        let meets = self.nodes.iter().map(Candidate::meet).collect::<Result<Vec<_>>>()?;
        self.each(|place, candidate| {
            let others = others(place).filter(|other| *other != place);
            candidate.connection.tell_all(others.map(|other| &meets[other]))
        })
        .map(drop)
    }

    /// Which nodes do not know which others yet.
    pub(super) fn strangers(&mut self, intended: &Intended) -> Result<Option<NotYetMet>> {
        let views = ViewsAlike::default();
        let meetings = self.each(|_, candidate| {
            let (_, topology) = views.read(&mut candidate.connection)?;
            Ok(intended.unknown_to(&topology))
        })?;
        let first =
            meetings.iter().enumerate().find_map(|(it, missing)| Some((it, *missing.first()?)));
        Ok(first.map(|(node, other)| {
            let endpoint = |place: usize| self.nodes[place].connection.endpoint();
            let what = format!("{} does not know {} yet", endpoint(node), endpoint(other));
            NotYetMet { what, meetings }
        }))
    }

    /// Why the nodes did not meet: what is announced wrongly, which bus port does not answer.
    pub(super) fn why_strangers(&mut self, error: Error) -> Error {
        let Error::NotSettled { mut what, after } = error else { return error };
        for candidate in &mut self.nodes {
            let endpoint = candidate.connection.endpoint().clone();
            let Ok((node, _)) = read_topology(&mut candidate.connection) else { continue };
            let reached = endpoint.resolve().unwrap_or_default();
            let announced = &node.address.host;
            let reaches = |address: &SocketAddr| address.ip().to_string() == *announced;
            if !announced.is_empty() && !reached.iter().any(reaches) {
                what += &format!(
                    "; {endpoint} announces itself as {announced}: see its cluster-announce-ip"
                );
            }
            if let Some(bus) = node.address.bus_port()
                && let Err(refused) = probe(&endpoint, bus)
            {
                what += &format!(
                    "; bus port {bus} of {endpoint} cannot be reached from here either: {refused}"
                );
            }
        }
        what += "; every node must reach every other node's port and bus port: check firewalls";
        Error::NotSettled { what, after }
    }

    /// Which nodes do not see the planned cluster yet. Those that are not seen as they are introduce themselves.
    pub(super) fn unsettled(&mut self, intended: &Intended) -> Result<Option<NotYetMet>> {
        let ids = self.ids();
        let views = ViewsAlike::default();
        let views = self.each(|_, candidate| {
            let (_, topology) = views.read(&mut candidate.connection)?;
            let handshake = topology.iter().find(|other| other.flags.is_handshake());
            let unlike = intended.unlike(&topology);
            let first = unlike.first().map(|other| seen_as(&topology, ids[*other]));
            Ok((unlike, first, handshake.map(|other| other.address.clone())))
        })?;
        let mut meetings = vec![Vec::new(); self.nodes.len()];
        let mut what = None;
        for (place, (unlike, first, handshake)) in views.into_iter().enumerate() {
            let node = self.nodes[place].connection.endpoint();
            if let Some(seen) = first {
                what.get_or_insert(format!("{node} still sees {seen}"));
            }
            if let Some(other) = handshake {
                what.get_or_insert(format!("{node} has not finished its handshake with {other}"));
            }
            unlike.into_iter().for_each(|other| meetings[other].push(place));
        }
        Ok(what.map(|what| NotYetMet { what, meetings }))
    }
}

/// What a node is in a view, in words.
fn seen_as(view: &SharedTopology, id: NodeId) -> String {
    let Some(node) = view.node(id) else { return format!("no node {id}") };
    let slots = counted(node.slots.len(), "slot");
    let role = match node.master {
        Some(master) => format!("a replica of {master}"),
        None => format!("a master with {slots}"),
    };
    format!("node {id} as {role} ({})", node.flags)
}

/// Whether anything listens on a node's bus port, as seen from here.
fn probe(node: &Endpoint, bus_port: u16) -> Result<()> {
    let bus = Endpoint::tcp(node.host(), bus_port);
    let address = bus.resolve()?.into_iter().next();
    let connected =
        address.map(|address| TcpStream::connect_timeout(&address, Duration::from_secs(2)));
    match connected {
        Some(Err(source)) => Err(Error::Connect { node: bus, source }),
        _ => Ok(()),
    }
}
