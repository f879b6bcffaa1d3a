//! The sample that the last answers make.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redistrib_cluster_model::findings::replication_lag;
use redistrib_cluster_model::sample::{Figures, LockHolder, NodeSample, NodeState, Sample};
use redistrib_cluster_model::{
    Finding, Node, NodeId, NodeView, Reported, ServerInfo, SlotJob, Snapshot,
};

use super::doubt::Doubts;
use super::field::{LastAnswer, TurnAnswer};
use crate::Endpoint;

/// How long nodes may disagree while a tool moves slots.
const PATIENCE_AT_WORK: Duration = Duration::from_secs(5);

/// What is known from the samples before.
#[derive(Debug, Default)]
pub(super) struct EarlierSamples {
    doubts: Doubts,
    /// The nodes: where none answers any more, they have not left.
    nodes: Vec<Node>,
}

pub(super) fn sample(
    (seed, seen): (Endpoint, Vec<LastAnswer>),
    began: Instant,
    memory: &mut EarlierSamples,
) -> Sample {
    let snapshot = Snapshot { views: seen.iter().map(view).collect() };
    let infos: Vec<Option<ServerInfo>> =
        seen.iter().map(|seat| seat.answer.as_ref()?.info.clone().ok()).collect();
    let (jobs, failures) = (jobs(&seen), failures(&seen));
    let reported =
        Reported { servers: &infos, jobs: &jobs, failures: &failures, ..Reported::default() };
    let asked = seen.iter().filter_map(|seat| seat.answer.as_ref()).filter(|it| it.view.is_ok());
    let (oldest, newest) = asked.fold((None, None), |(old, new): (Option<Instant>, _), it| {
        let old = old.map_or(it.begun, |old| old.min(it.begun));
        (Some(old), new.max(Some(it.at)))
    });
    let oldest = oldest.unwrap_or(began);
    let spread = newest.map_or(Duration::ZERO, |newest| newest.saturating_duration_since(oldest));
    let holder = holder(&seen);
    // While a tool is at work, nodes learn of its moves one after the other.
    let patience = if holder.is_some() { PATIENCE_AT_WORK } else { Duration::ZERO };
    let since = oldest.checked_sub(patience).unwrap_or(began);
    let diagnosis = without_unasked(snapshot.diagnosis(reported), &seen);
    let mut findings = memory.doubts.settle(diagnosis, since, spread);
    if holder.is_some() {
        // Open slots of a tool at work are no fault; those that it leaves are reported when it is gone.
        findings.retain(|finding| !matches!(finding, Finding::OpenSlots(_)));
    }
    let seats: HashMap<NodeId, &LastAnswer> = seen.iter().map(|seat| (seat.id, seat)).collect();
    let known = snapshot.nodes();
    if !known.is_empty() {
        memory.nodes = known.into_iter().cloned().collect();
    }
    let nodes = memory.nodes.iter().map(|node| node_sample(node, &seats, &findings));
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Sample {
        at_ms: millis(since_1970),
        elapsed_ms: millis(began.elapsed()),
        seed: seed.to_string(),
        nodes: nodes.collect(),
        jobs,
        holder,
        findings,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Who answers and does not say how it is, and why.
fn failures(seen: &[LastAnswer]) -> Vec<(NodeId, String)> {
    let asked = seen.iter().filter_map(|seat| Some((seat.id, seat.answer.as_ref()?)));
    let silent = asked.filter(|(_, answer)| answer.view.is_ok());
    silent.filter_map(|(id, answer)| Some((id, answer.info.clone().err()?))).collect()
}

/// A node that has not been asked yet has said nothing; what the model makes of that is taken out of its findings.
fn view(seat: &LastAnswer) -> NodeView {
    let asked = seat.endpoint.address();
    match seat.answer.as_ref().map(|answer| &answer.view) {
        Some(Ok(topology)) => NodeView::answered(asked, topology.clone()),
        Some(Err(reason)) => NodeView::unreachable(Some(seat.id), asked, reason),
        None => NodeView::unreachable(Some(seat.id), asked, "not asked yet"),
    }
}

/// Whoever has not been asked yet is not silent.
fn without_unasked(mut findings: Vec<Finding>, seen: &[LastAnswer]) -> Vec<Finding> {
    let unasked = seen.iter().filter(|seat| seat.answer.is_none()).map(|seat| seat.id);
    let unasked: HashSet<NodeId> = unasked.collect();
    findings.retain(|finding| match finding {
        Finding::Unreachable { id: Some(id), .. } => !unasked.contains(id),
        Finding::Unserved { owner, .. } => !unasked.contains(&owner.id),
        Finding::OpenSlots(open) => !open.state.silent.iter().any(|it| unasked.contains(&it.id)),
        _ => true,
    });
    findings
}

fn node_sample(
    node: &Node,
    seats: &HashMap<NodeId, &LastAnswer>,
    findings: &[Finding],
) -> NodeSample {
    let seat = seats.get(&node.id);
    let answer = seat.and_then(|seat| seat.answer.as_ref());
    let info = answer.and_then(|answer| answer.info.as_ref().ok());
    let failure = match answer.map(|answer| &answer.view) {
        Some(Ok(_)) => None,
        Some(Err(reason)) => Some(reason.clone()),
        None if seat.is_some() => None,
        None => Some("its address is not known".into()),
    };
    let mut figures = info.map(Figures::of).unwrap_or_default();
    if let (Some(answer), Some(info)) = (answer, info) {
        add_times(&mut figures, answer);
        let master = node.master.and_then(|id| seats.get(&id)?.answer.as_ref()?.info.as_ref().ok());
        let lag = master.map(|master| replication_lag(node, info, master)).unwrap_or_default();
        (figures.lag_bytes, figures.lag_seconds) = (lag.bytes, lag.seconds);
    }
    NodeSample {
        node: node.clone(),
        address: seat.map_or_else(|| node.address.to_string(), |seat| seat.endpoint.to_string()),
        state: if answer.is_none() && failure.is_none() {
            NodeState::Unasked
        } else {
            NodeState::of(node.id, failure.is_some(), info, findings)
        },
        failure,
        detail: answer.map(|answer| answer.detail.clone()).unwrap_or_default(),
        age_ms: answer.map_or(0, |answer| millis(answer.at.elapsed())),
        figures,
    }
}

fn add_times(figures: &mut Figures, answer: &TurnAnswer) {
    let micros = |time: Duration| u64::try_from(time.as_micros()).ok();
    figures.ping_us = micros(answer.ping);
    figures.asking_us = micros(answer.asking);
}

/// Each once, though both its nodes report it.
fn jobs(seen: &[LastAnswer]) -> Vec<SlotJob> {
    let answers = seen.iter().filter_map(|seat| seat.answer.as_ref());
    let open = answers.flat_map(|answer| &answer.jobs).filter(|job| job.is_open());
    let once: BTreeMap<&str, &SlotJob> = open.map(|job| (job.id.as_str(), job)).collect();
    once.into_values().cloned().collect()
}

fn holder(seen: &[LastAnswer]) -> Option<LockHolder> {
    let answers = seen.iter().filter_map(|seat| seat.answer.as_ref());
    let listed = answers.flat_map(|answer| &answer.holders).next()?;
    let holder = &listed.holder;
    Some(LockHolder {
        verb: holder.verb.clone(),
        host: holder.host.clone(),
        pid: holder.pid,
        seconds: listed.age.as_secs(),
    })
}
