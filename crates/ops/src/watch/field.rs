//! The nodes that are watched, with the last answer of each.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use redistrib_cluster_model::sample::{Detail, Focus};
use redistrib_cluster_model::{
    Node, NodeId, ServerInfo, SharedNodes, SharedTopology, Slot, SlotJob,
};

use super::pace::pause;
use super::slots::{SlotQuestions, next_slots};
use super::turn::{Questions, TurnReport, WatchLink};
use redistrib_resp::Reply;

use crate::cluster::{parse_view, reachable_nodes};
use crate::error::Result;
use crate::lock::Listed;
use crate::{Endpoint, Settings, commands};

/// The node that is asked who holds the lock is asked that in one of so many turns.
const TURNS_WITH_HOLDERS: u32 = 3;
/// For so many turns after a node was seen to give slots away it still counts as one that does: tools that move one slot at a
/// time have none open in between.
const TURNS_GIVING: u32 = 10;
/// Where there are more clients, their list would take too long.
const MOST_CLIENTS_LISTED: u64 = 2000;

/// All nodes.
#[derive(Debug)]
pub(super) struct WatchedNodes {
    seed: Endpoint,
    seats: Vec<WatchedNode>,
    /// What the views say alike is kept once.
    known: SharedNodes,
    pub(super) threads: usize,
    pub(super) is_over: bool,
    pub(super) focus: Focus,
}

/// A node and what it said last.
#[derive(Debug)]
struct WatchedNode {
    endpoint: Endpoint,
    id: NodeId,
    /// Away while the node is asked.
    link: Option<WatchLink>,
    is_asked: bool,
    due: Instant,
    turns: u32,
    failures: u32,
    answer: Option<TurnAnswer>,
    /// The last slot that it was asked about when all are.
    last_slot: Option<Slot>,
    /// For how many more turns it is asked about MIGRATE.
    giving: u32,
}

/// What came of a turn.
#[derive(Clone, Debug)]
pub(super) struct TurnAnswer {
    /// When it was asked, and when it had answered.
    pub(super) begun: Instant,
    pub(super) at: Instant,
    pub(super) view: Result<SharedTopology, String>,
    /// What it said of itself, or why it did not.
    pub(super) info: Result<ServerInfo, String>,
    pub(super) jobs: Vec<SlotJob>,
    pub(super) detail: Detail,
    pub(super) holders: Vec<Listed>,
    pub(super) ping: Duration,
    pub(super) asking: Duration,
}

/// A node with its last answer, as a sample is made of it.
#[derive(Debug)]
pub(super) struct LastAnswer {
    pub(super) endpoint: Endpoint,
    pub(super) id: NodeId,
    pub(super) answer: Option<TurnAnswer>,
}

/// A node that a thread has been given to ask.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) endpoint: Endpoint,
    pub(super) link: Option<WatchLink>,
    pub(super) questions: Questions,
    begun: Instant,
}

impl WatchedNode {
    fn new(endpoint: Endpoint, id: NodeId, due: Instant) -> Self {
        Self {
            endpoint,
            id,
            link: None,
            is_asked: false,
            due,
            turns: 0,
            failures: 0,
            answer: None,
            last_slot: None,
            giving: 0,
        }
    }

    fn view(&self) -> Option<&SharedTopology> {
        self.answer.as_ref()?.view.as_ref().ok()
    }

    /// What it is to be asked about the slots that it said last are its own.
    fn slot_questions(&mut self, focus: Focus) -> SlotQuestions {
        let own = self.answer.as_ref().and_then(|it| it.view.as_ref().ok()?.myself());
        let (Some(own), Some(link)) = (own, &self.link) else { return SlotQuestions::default() };
        let has_stats = link.has_stats();
        let mut questions = SlotQuestions { has_stats, ..SlotQuestions::default() };
        questions.one = focus.slot.filter(|slot| own.slots.contains(*slot));
        questions.ask_open(own.migrating.iter().map(|(slot, _)| *slot));
        self.giving =
            if questions.open.is_empty() { self.giving.saturating_sub(1) } else { TURNS_GIVING };
        questions.is_giving = self.giving > 0;
        if focus.all_slots {
            questions.some = next_slots(&own.slots, self.last_slot, has_stats);
            self.last_slot = questions.some.iter().next_back();
        }
        questions
    }

    fn is_master(&self) -> bool {
        self.view().and_then(|view| view.myself()).is_some_and(Node::is_master)
    }
}

impl WatchedNodes {
    pub(super) fn new(seed: Endpoint, nodes: Vec<(NodeId, Endpoint)>) -> Self {
        let now = Instant::now();
        let seats = nodes.into_iter().map(|(id, endpoint)| WatchedNode::new(endpoint, id, now));
        Self {
            seed,
            seats: seats.collect(),
            known: SharedNodes::default(),
            threads: 0,
            is_over: false,
            focus: Focus::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.seats.len()
    }

    /// Whether every node has been asked once.
    pub(super) fn is_complete(&self) -> bool {
        self.seats.iter().all(|seat| seat.answer.is_some())
    }

    /// When the next node is due that nobody is asking.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.seats.iter().filter(|seat| !seat.is_asked).map(|seat| seat.due).min()
    }

    /// The node that has been due the longest.
    pub(super) fn take(&mut self, now: Instant) -> Option<Task> {
        let (names_holder, focus) = (self.names_holder(), self.focus);
        let free = self.seats.iter_mut().filter(|seat| !seat.is_asked && seat.due <= now);
        let seat = free.min_by_key(|seat| seat.due)?;
        seat.is_asked = true;
        let questions = Questions {
            log: focus.node == Some(seat.id),
            holders: Some(seat.id) == names_holder && seat.turns.is_multiple_of(TURNS_WITH_HOLDERS),
            slots: seat.slot_questions(focus),
        };
        seat.turns = seat.turns.wrapping_add(1);
        let (endpoint, link) = (seat.endpoint.clone(), seat.link.take());
        Some(Task { endpoint, link, questions, begun: now })
    }

    /// The master on which every tool takes the lock first, unless it has too many clients to look through.
    fn names_holder(&self) -> Option<NodeId> {
        let master =
            self.seats.iter().filter(|seat| seat.is_master()).min_by_key(|seat| seat.id)?;
        let clients = master.answer.as_ref()?.info.as_ref().ok()?.number("connected_clients");
        Some(master.id).filter(|_| clients.is_some_and(|clients| clients <= MOST_CLIENTS_LISTED))
    }

    /// Notes what came of a turn, and when the next one is.
    pub(super) fn take_back(&mut self, task: Task, report: Result<TurnReport>, interval: Duration) {
        let (nodes, names_holder) = (self.seats.len(), self.names_holder());
        // It may have left the cluster meanwhile.
        let Some(seat) = self.seats.iter_mut().find(|seat| seat.endpoint == task.endpoint) else {
            return;
        };
        let (begun, at) = (task.begun, Instant::now());
        seat.is_asked = false;
        seat.link = task.link;
        seat.failures = if report.is_ok() { 0 } else { seat.failures.saturating_add(1) };
        let asking = report.as_ref().map_or(Duration::ZERO, |report| report.asking);
        seat.due = at + pause(interval, asking, nodes, seat.failures);
        // What another node says of the lock than the one that is asked for it is of former times.
        let before = seat.answer.take().filter(|_| Some(seat.id) == names_holder);
        let before = before.map(|answer| answer.holders).unwrap_or_default();
        seat.answer = Some(match report {
            Ok(report) => {
                let view = read_view(seat, &report.view, &mut self.known);
                let TurnReport { info, jobs, detail, ping, asking, .. } = report;
                let holders = report.holders.unwrap_or(before);
                let info = info.map_err(|error| error.to_string());
                TurnAnswer { begun, at, view, info, jobs, detail, holders, ping, asking }
            }
            Err(error) => TurnAnswer {
                begun,
                at,
                view: Err(error.to_string()),
                info: Err(error.to_string()),
                jobs: Vec::new(),
                detail: Detail::default(),
                holders: Vec::new(),
                ping: Duration::ZERO,
                asking: Duration::ZERO,
            },
        });
    }

    /// Takes up nodes that others name, and lets go of those that nobody else does. Returns whether there are new ones.
    pub(super) fn follow(&mut self, settings: &Settings) -> bool {
        // A generation of views shares what it says alike; what former ones said is not needed any more.
        self.known = SharedNodes::default();
        let mut named: HashSet<NodeId> = HashSet::new();
        let mut new = Vec::new();
        for seat in &self.seats {
            let Some(view) = seat.view() else { continue };
            for (node, endpoint) in reachable_nodes(view, &seat.endpoint, settings) {
                if named.insert(node.id) && !self.seats.iter().any(|it| it.id == node.id) {
                    new.push(WatchedNode::new(endpoint, node.id, Instant::now()));
                }
            }
        }
        // Whoever is named by nobody has been forgotten, unless nobody names anybody.
        if !named.is_empty() {
            self.seats.retain(|seat| named.contains(&seat.id));
        }
        let is_larger = !new.is_empty();
        self.seats.extend(new);
        is_larger
    }

    /// What is known now.
    pub(super) fn seen(&self) -> (Endpoint, Vec<LastAnswer>) {
        let seen = |seat: &WatchedNode| LastAnswer {
            endpoint: seat.endpoint.clone(),
            id: seat.id,
            answer: seat.answer.clone(),
        };
        (self.seed.clone(), self.seats.iter().map(seen).collect())
    }
}

/// What a node says of the cluster; one that is not the node that should be there says nothing.
fn read_view(
    seat: &WatchedNode,
    reply: &Reply,
    known: &mut SharedNodes,
) -> Result<SharedTopology, String> {
    let parsed = parse_view(&seat.endpoint, &commands::cluster_nodes(), reply, known);
    let (node, view) = parsed.map_err(|error| error.to_string())?;
    if node.id == seat.id {
        return Ok(view);
    }
    Err(format!("node {} was expected there, and {} answers", seat.id, node.id))
}
