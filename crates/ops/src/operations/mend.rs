//! What is wrong with a cluster's slots is found and repaired.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::plan::fix::{FixOptions, FixPlan, plan_fix, slots_to_count};
use redistrib_cluster_model::{NodeId, Slot, SlotSet, Snapshot};
use redistrib_resp::Command;

use crate::agreement::agree;
use crate::commands;
use crate::commands::replies::info_in;
use crate::error::{Error, Result};
use crate::migrate::mend::tell;
use crate::migrate::{MigrateOptions, obstacles};
use crate::{Cluster, Context, Member, Stop, holders, lost, repair};

/// A cluster that is healing by itself looks faulty for a moment: what is found has to stay for this long.
const STEADY: Duration = Duration::from_secs(1);
/// How long a cluster that keeps changing is watched before it is taken as it is.
const WATCH: Duration = Duration::from_secs(10);
/// How long the nodes may take to agree when all is repaired.
pub(crate) const AGREE_DEADLINE: Duration = Duration::from_secs(30);
/// A repair can bring to light what it hid: how often is looked again.
const MOST_ROUNDS: usize = 4;
/// Of how many slots with keys of two values a warning names keys.
const MOST_NAMED: usize = 10;

/// Plans what repairs the cluster's slots, once it has stopped changing by itself. Changes nothing.
///
/// # Errors
/// Those of [`crate::Connection::call`] for masters that answered before; [`Error::Cancelled`]. Where slots may be taken
/// from silent masters, [`Error::Membership`] for one that answers with a refusal, and [`Error::NotSettled`] for one
/// that other nodes reach.
pub(crate) fn plan_steady(
    cluster: &mut Cluster,
    options: FixOptions,
    context: Context<'_>,
) -> Result<FixPlan> {
    let started = Instant::now();
    let mut plan = plan_at_once(cluster, options, context)?;
    let mut since = Instant::now();
    while !plan.repairs.is_empty() && since.elapsed() < STEADY && started.elapsed() < WATCH {
        if context.cancel.requested() != Stop::No {
            return Err(Error::Cancelled("nothing has been changed".into()));
        }
        thread::sleep(STEADY / 10);
        cluster.refresh();
        // A connection that has ended says nothing of its node.
        cluster.reconnect();
        let again = plan_once(cluster, options)?;
        if again != plan {
            (plan, since) = (again, Instant::now());
        }
    }
    Ok(plan)
}

/// The same as it is at this moment.
///
/// # Errors
/// Those of [`plan_steady`].
pub(crate) fn plan_at_once(
    cluster: &mut Cluster,
    options: FixOptions,
    context: Context<'_>,
) -> Result<FixPlan> {
    if options.take_from_silent_masters {
        lost::confirm(cluster, context)?;
    }
    plan_once(cluster, options)
}

fn plan_once(cluster: &mut Cluster, options: FixOptions) -> Result<FixPlan> {
    let mut snapshot = cluster.snapshot();
    if options.take_from_silent_masters {
        note_offsets(cluster, &mut snapshot)?;
    }
    let keys = holders::count_keys(cluster, &slots_to_count(&snapshot))?;
    let plan = plan_fix(&snapshot, &keys, options);
    let moves = plan.moves();
    if moves.is_empty() {
        return Ok(plan);
    }
    Ok(plan.avoiding(&obstacles(cluster, &moves), &keys))
}

/// Enters how far the replicas of masters that do not answer have come: the one that has most is to take over.
///
/// # Errors
/// That of a replica which does not say: it may be the one.
fn note_offsets(cluster: &mut Cluster, snapshot: &mut Snapshot) -> Result<()> {
    let silent = cluster.masters().filter(|master| !master.is_up()).map(Member::id);
    let silent: BTreeSet<NodeId> = silent.collect();
    let is_heir = |member: &Member| {
        member.is_up() && member.node().master.is_some_and(|master| silent.contains(&master))
    };
    let question = commands::info_of("replication");
    let answers = cluster.hear(is_heir, std::slice::from_ref(&question), |node, replies| {
        let mut accepted = replies.into_iter().map(|reply| node.accept(&question, reply));
        Ok(accepted.next().transpose()?.as_ref().map(info_in))
    });
    for (view, answer) in snapshot.views.iter_mut().zip(answers) {
        let info = answer.transpose()?.flatten();
        view.replication_offset = info.and_then(|info| info.number("slave_repl_offset"));
    }
    Ok(())
}

/// Carries the plan out, looks again, and continues until nothing is left that can be repaired. Returns what
/// cannot be repaired now.
///
/// A key with two values on two nodes is never decided here: that is an error that names it, unless
/// [`MigrateOptions::replace`] says that the value on the node that gives up the slot is to win.
///
/// # Errors
/// Those of the migration engine and of [`crate::Connection::call`]; [`Error::NotSettled`];
/// [`Error::Cancelled`] between two repairs.
pub(crate) fn fix(
    cluster: &mut Cluster,
    mut plan: FixPlan,
    options: FixOptions,
    migration: &MigrateOptions,
    context: Context<'_>,
) -> Result<FixPlan> {
    for _ in 0..MOST_ROUNDS {
        if plan.repairs.is_empty() {
            break;
        }
        mend_once(cluster, &plan, migration, context)?;
        plan = plan_once(cluster, options)?;
    }
    Ok(plan)
}

/// Carries the plan out, and returns when all nodes agree.
///
/// # Errors
/// Those of [`fix`].
pub(crate) fn mend_once(
    cluster: &mut Cluster,
    plan: &FixPlan,
    migration: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    repair_all(cluster, plan, migration, context)?;
    // A connection that has ended says nothing of its node.
    cluster.reconnect();
    agree(cluster, AGREE_DEADLINE, context)
}

fn repair_all(
    cluster: &mut Cluster,
    plan: &FixPlan,
    migration: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    name_heirs(cluster, plan, migration, context)?;
    let mut conflicts = Vec::new();
    for repair in &plan.repairs {
        if context.cancel.requested() != Stop::No {
            return Err(Error::Cancelled("run the same command again to mend the rest".into()));
        }
        context.note(format!("Fixing {repair}"));
        let mut slots = repair.slots.clone();
        for action in &repair.actions {
            // Slots whose keys have two values wait for the user's decision; the others need not.
            while !slots.is_empty()
                && let Err(error) = repair::perform(cluster, &slots, action, migration, context)
            {
                let waits = conflict(&error).is_some_and(|(slot, ..)| slots.remove(slot));
                if !waits {
                    warn_of_conflicts(&conflicts, context);
                    return Err(error);
                }
                conflicts.push(error);
            }
        }
    }
    let last = conflicts.pop();
    warn_of_conflicts(&conflicts, context);
    last.map_or(Ok(()), Err)
}

/// One warning of all of them.
fn warn_of_conflicts(conflicts: &[Error], context: Context<'_>) {
    if let [one] = conflicts {
        context.warn(one.to_string());
    } else if !conflicts.is_empty() {
        let found = || conflicts.iter().filter_map(conflict);
        let slots: SlotSet = found().map(|(slot, ..)| slot).collect();
        let count: usize = found().map(|(_, count, _)| count).sum();
        let names: Vec<&str> = found().map(|(.., keys)| keys).take(MOST_NAMED).collect();
        let more = if conflicts.len() > MOST_NAMED { ", …" } else { "" };
        context.warn(format!(
            "{count} keys of slots {slots} have one value at the source and another at the target: {}{more}",
            names.join(", ")
        ));
    }
}

/// The slot in which keys have two values, how many, and their names, where that is what stopped a repair.
fn conflict(error: &Error) -> Option<(Slot, usize, &str)> {
    match error {
        Error::KeysInBothPlaces { slot, keys, count } => Some((*slot, *count, keys)),
        Error::LeftOpen { source, .. } => conflict(source),
        _ => None,
    }
}

/// Tells masters who owns the slots to be repaired where they believe it is a node that does not answer or is no master any more,
/// or, while they import them, nobody.
///
/// A node that imports slots does not learn of a replica that has taken them over. It keeps seeing them with
/// the old master, takes the cluster to be down, and would refuse to hand its keys over.
fn name_heirs(
    cluster: &mut Cluster,
    plan: &FixPlan,
    migration: &MigrateOptions,
    context: Context<'_>,
) -> Result<()> {
    let slots = plan.repairs.iter().flat_map(|repair| repair.slots.iter());
    let mut orders: BTreeMap<NodeId, Vec<Command>> = BTreeMap::new();
    for slot in slots {
        let owns = |member: &&Member| member.is_up() && member.node().slots.contains(slot);
        let Some(owner) = cluster.masters().find(owns) else { continue };
        let is_lost = |id| cluster.member(id).is_ok_and(|it| !it.is_up() || !it.is_master());
        for member in cluster.masters().filter(|member| member.is_up()) {
            let imports = member.node().importing.iter().any(|(open, _)| *open == slot);
            let believed = member.topology().and_then(|topology| topology.owner(slot));
            if believed.map_or(imports, |believed| is_lost(believed.id)) {
                orders.entry(member.id()).or_default().push(commands::assign(slot, owner.id()));
            }
        }
    }
    let mut orders = orders.into_iter();
    orders.try_for_each(|(id, commands)| tell(cluster, id, &commands, migration, context))
}
