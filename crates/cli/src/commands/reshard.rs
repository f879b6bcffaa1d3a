//! `reshard` and `migrate-slots`.

use std::io::{self, IsTerminal};

use anyhow::{Context, ensure};
use redistrib_ops::model::{Finding, NodeId, NodeName, SlotSet};
use redistrib_ops::reshard::{Sources, plan};
use redistrib_ops::{Cluster, Endpoint, Error, Member, glance, plan_migrate_slots};

use super::fix::recover;
use super::inspect::check_before;
use super::moves::Owners;
use super::{Outcome, Session, moves};
use crate::args::{MigrateSlotsArgs, ReshardArgs, SourceNames};
use crate::output::tell_error;
use crate::prompt::Prompt;
use crate::render::PlanDetail;
use crate::{render, voice};

/// As many slots as there are.
const MOST_SLOTS: u16 = 16384;

/// What is to be moved: given as options, or asked for.
struct Wish {
    count: u16,
    target: NodeId,
    sources: Sources,
}

pub(super) fn reshard(args: &ReshardArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let seed = &args.seed.node;
    let mut cluster = session.discover(seed)?;
    let before = moves::owners(&cluster);
    if !check_before(&session, &mut cluster, true) {
        return Ok(session.fail("*** Please fix your cluster problems before resharding"));
    }
    if !recover(&session, "reshard", &mut cluster, &args.migration)? {
        return Ok(Outcome::Failed);
    }
    let report = glance(&cluster);
    if voice::peer().is_none() {
        session.output.lines(render::check(&report, seed, false));
    }
    ensure!(
        !report.findings.iter().any(is_in_the_way),
        "*** Please fix your cluster problems before resharding: redis-trib fix {seed}"
    );
    let mut wish = wish(args, &session, &cluster)?;
    if voice::peer().is_some() && !leave_out_target(&session, &mut wish) {
        return Ok(Outcome::Failed);
    }
    let done = recovered(&before, &cluster, &wish)?;
    tell_recovered(&session, done, wish.count);
    let wanted = usize::from(wish.count).saturating_sub(done);
    let moves = match wanted {
        0 => Vec::new(),
        wanted => plan(&cluster, &wish.sources, wish.target, wanted)?,
    };
    let count: usize = moves.iter().map(|step| step.slots.len()).sum();
    if count < wanted {
        session.output.line(format_args!(
            "*** {wanted} slots are wanted, and the sources own {count}: moving these."
        ));
    }
    let is_read = session.dry_run || !session.yes;
    let is_terminal = io::stdout().is_terminal() && voice::peer().is_none();
    let detail = match (args.each_slot, is_read) {
        (true, _) => PlanDetail::Slots,
        (_, false) => PlanDetail::Nothing,
        // On a terminal thousands of lines would push away all that was said before.
        (_, true) if is_terminal => PlanDetail::Sources,
        _ => PlanDetail::Slots,
    };
    session.output.lines(render::reshard(&report, &moves, wish.target, detail));
    if !session.dry_run && !session.may(Prompt::proceeds)? {
        return Ok(Outcome::Failed);
    }
    moves::carry_out(&session, "reshard", &mut cluster, &moves, &args.migration)
}

/// A peer leaves the target out where it is named among the sources. Tells whether any are left.
fn leave_out_target(session: &Session, wish: &mut Wish) -> bool {
    let Sources::Nodes(ids) = &mut wish.sources else { return true };
    let named = ids.len();
    ids.retain(|id| *id != wish.target);
    if ids.len() < named {
        session.output.line("*** It is not possible to use the target node as source node.");
    }
    if ids.is_empty() {
        tell_error("*** No source nodes given, operation aborted.");
    }
    !ids.is_empty()
}

/// How many of the slots that are asked for an earlier run had begun to move, and have just come to their end: they
/// are part of what this run was asked for. Those that had moved before this run began cannot be told from others.
fn recovered(before: &Owners, cluster: &Cluster, wish: &Wish) -> anyhow::Result<usize> {
    let now = &cluster.member(wish.target)?.node().slots;
    let is_source = |id: &NodeId| {
        *id != wish.target
            && match &wish.sources {
                Sources::All => true,
                Sources::Nodes(ids) => ids.contains(id),
            }
    };
    let given = before.iter().filter(|(id, _)| is_source(id));
    Ok(given.map(|(_, slots)| slots.intersection(now).len()).sum())
}

fn tell_recovered(session: &Session, done: usize, count: u16) {
    if done > 0 {
        session.output.line(format_args!(
            "[OK] {done} slots that an earlier run had left on their way have arrived: they count among the {count}."
        ));
    }
}

/// `migrate-slots`: these very slots, and as in redis-trib.py nobody is asked.
pub(super) fn migrate_slots(args: &MigrateSlotsArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let slots = args.slots.iter().fold(SlotSet::new(), |all, some| all.union(some));
    let ends = [&args.source, &args.target];
    let address = ends.iter().find_map(|name| name.as_str().parse::<Endpoint>().ok());
    let Some(seed) = address else {
        tell_error(
            "[ERR] One of the two nodes must be given as HOST:PORT: where the cluster can be asked",
        );
        return Ok(Outcome::Misused);
    };
    let mut cluster = session.discover(&seed)?;
    if !recover(&session, "migrate-slots", &mut cluster, &args.migration)? {
        return Ok(Outcome::Failed);
    }
    let step = plan_migrate_slots(&cluster, &args.source, &args.target, &slots)?;
    let moves: Vec<_> = Some(step).into_iter().filter(|step| !step.slots.is_empty()).collect();
    if moves.is_empty() {
        session.output.line(format_args!("[OK] {} owns these slots already.", args.target));
    }
    if session.dry_run {
        session.output.lines(moves::lines(&cluster, &moves));
    }
    moves::carry_out(&session, "migrate-slots", &mut cluster, &moves, &args.migration)
}

/// Whether slots must not be moved while this is so. Disagreement may pass by itself, which the migration waits for.
fn is_in_the_way(finding: &Finding) -> bool {
    matches!(finding, Finding::Uncovered { .. } | Finding::Unserved { .. })
}

fn wish(args: &ReshardArgs, session: &Session, cluster: &Cluster) -> anyhow::Result<Wish> {
    let known = |name: &NodeName| cluster.find(name).ok().filter(|id| is_master(cluster, *id));
    let missing = args.slots.is_none() || args.to.is_none() || args.from.is_none();
    ensure!(
        !(missing && session.output.is_json()),
        "nobody can be asked with --json: give --from, --to and --slots"
    );
    let target = args.to.as_ref().map(|name| master(cluster, name)).transpose()?;
    let sources = match &args.from {
        None => None,
        Some(SourceNames::All) => Some(Sources::All),
        Some(SourceNames::Nodes(names)) => {
            let ids = names.iter().map(|name| master(cluster, name));
            Some(Sources::Nodes(ids.collect::<anyhow::Result<_>>()?))
        }
    };
    let mut prompt = Prompt::standard();
    let count = match args.slots {
        Some(count) => count,
        None => prompt.slot_count(MOST_SLOTS)?,
    };
    let target = match target {
        Some(id) => id,
        None => prompt.receiver(known)?,
    };
    let sources = match sources {
        Some(sources) => sources,
        None => prompt.sources(target, known)?,
    };
    Ok(Wish { count, target, sources })
}

fn is_master(cluster: &Cluster, id: NodeId) -> bool {
    cluster.member(id).is_ok_and(Member::is_master)
}

/// The master of this name.
fn master(cluster: &Cluster, name: &NodeName) -> anyhow::Result<NodeId> {
    let found = match cluster.find(name) {
        Err(error @ Error::Name(_)) => return Err(error.into()),
        found => found.ok().filter(|id| is_master(cluster, *id)),
    };
    found.with_context(|| match voice::peer() {
        None => format!("The specified node ({name}) is not known or not a master"),
        Some(_) => {
            format!("*** The specified node ({name}) is not known or not a master, please retry.")
        }
    })
}
