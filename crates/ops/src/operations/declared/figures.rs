//! What the costs of steps are reckoned from.

use std::collections::BTreeMap;
use std::sync::Arc;

use redistrib_cluster_model::declare::{CostFigures, Holdings, KeySpeed, Observed, Plan};
use redistrib_cluster_model::{NodeId, ServerInfo, Slot, SlotCounts, SlotSet};
use redistrib_resp::Command;

use crate::commands;
use crate::commands::replies::text_of;
use crate::conn::refusal;
use crate::error::Result;
use crate::{Cluster, Member};

/// Asks who gives slots, or is copied, what it holds, who owns slots that move how many keys are in them, and, where any are, all
/// nodes how fast keys went so far: at most two questions for a node, all nodes at once.
///
/// # Errors
/// [`Error::Refused`](crate::Error::Refused) where keys may not be counted.
pub(super) fn ask(cluster: &mut Cluster, observed: &Observed, plan: &Plan) -> Result<CostFigures> {
    let named = |at: &str| observed.node(at).filter(|seen| seen.is_member).map(|seen| seen.id);
    let sources: BTreeMap<NodeId, &str> =
        plan.sources().filter_map(|at| Some((named(at)?, at))).collect();
    let moving: BTreeMap<NodeId, SlotSet> =
        plan.moving(observed).filter_map(|(at, slots)| Some((named(at)?, slots))).collect();
    let executed = (!moving.is_empty()).then(|| commands::info_of("commandstats"));
    let infos = infos(cluster, |id| sources.contains_key(&id), executed);
    let held = sources
        .iter()
        .filter_map(|(id, at)| Some(((*at).to_owned(), Holdings::of(infos.get(id)?))));
    let counts = count(cluster, &moving, &infos)?;
    let masters =
        infos.iter().map(|(id, info)| (info, cluster.member(*id).is_ok_and(Member::is_master)));
    Ok(CostFigures { held: held.collect(), pace: KeySpeed::of(masters), counts })
}

/// What the sources report about themselves, and what all nodes answer to `of_all`.
fn infos(
    cluster: &mut Cluster,
    is_source: impl Fn(NodeId) -> bool,
    of_all: Option<Command>,
) -> BTreeMap<NodeId, ServerInfo> {
    let questions = |member: &Member| {
        let own = is_source(member.id()).then(commands::info);
        let all: Vec<Command> = own.into_iter().chain(of_all.clone()).collect();
        (member.is_up() && !all.is_empty()).then(|| all.into())
    };
    let answers = cluster.hear_each(questions, |_, replies| {
        let mut info = ServerInfo::default();
        replies.iter().filter_map(text_of).for_each(|text| info.read(text));
        Ok(info)
    });
    let members = cluster.members().iter().map(Member::id);
    // Who does not answer, or may not, has reported nothing.
    members.zip(answers).filter_map(|(id, answer)| Some((id, answer?.ok()?))).collect()
}

/// How many keys there are in these slots, all databases together.
fn count(
    cluster: &mut Cluster,
    moving: &BTreeMap<NodeId, SlotSet>,
    infos: &BTreeMap<NodeId, ServerInfo>,
) -> Result<SlotCounts> {
    let questions = |(id, slots): (&NodeId, &SlotSet)| {
        let databases = infos.get(id)?.databases();
        let each = |database: &u32| {
            let count = slots.iter().map(commands::count_keys);
            std::iter::once(commands::select(*database)).chain(count).collect::<Vec<_>>()
        };
        let mut all: Vec<Command> = databases.keys().flat_map(each).collect();
        // Servers with one database know no other than 0, and need not select it.
        if databases.keys().all(|database| *database == 0) {
            all.drain(..all.len().min(1));
        } else {
            all.push(commands::select(0));
        }
        (!all.is_empty()).then(|| (*id, Arc::from(all)))
    };
    let questions: BTreeMap<NodeId, Arc<[Command]>> = moving.iter().filter_map(questions).collect();
    let asked = |member: &Member| questions.get(&member.id()).cloned();
    let answers = cluster.hear_each(asked, |_, replies| Ok(replies));
    let mut counts = SlotCounts::new();
    for (member, answer) in cluster.members().iter().zip(answers) {
        let (Some(replies), Some(asked)) = (answer, questions.get(&member.id())) else { continue };
        let replies = replies?;
        let refused = |(command, reply): (&Command, &redistrib_resp::Reply)| {
            refusal(member.endpoint(), command, reply.view())
        };
        if let Some(error) = asked.iter().zip(&replies).find_map(refused) {
            return Err(error);
        }
        let numbers = replies.iter().filter_map(|reply| reply.view().as_int());
        // Database by database, the slots in their order.
        let slots: Vec<Slot> = moving[&member.id()].iter().collect();
        for (slot, keys) in slots.iter().cycle().zip(numbers) {
            let count = counts.entry(*slot).or_default();
            *count = u64::try_from(keys).unwrap_or_default().saturating_add(*count);
        }
    }
    Ok(counts)
}
