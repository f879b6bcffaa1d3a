//! `migrate-slots`.

use std::ops::ControlFlow;

use redistrib_ops::model::{Move, SlotSet};
use redistrib_ops::{Cluster, Endpoint, MigrateSlots};

use super::{Outcome, Session, moves};
use crate::args::MigrateSlotsArgs;
use crate::output::tell_error;

/// As in redis-trib.py nobody is asked.
pub(super) fn migrate_slots(args: &MigrateSlotsArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let ends = [&args.source, &args.target];
    let address = ends.iter().find_map(|name| name.as_str().parse::<Endpoint>().ok());
    let Some(seed) = address else {
        tell_error(
            "[ERR] One of the two nodes must be given as HOST:PORT: where the cluster can be asked",
        );
        return Ok(Outcome::Misused);
    };
    let request = MigrateSlots {
        seed,
        from: Some(args.source.clone()),
        to: Some(args.target.clone()),
        slots: args.slots.iter().fold(SlotSet::new(), |all, some| all.union(some)),
        migration: args.migration.options(),
    };
    let approves = |plan: &Vec<Move>, cluster: &mut Cluster| {
        if plan.is_empty() {
            session.output.line(format_args!("[OK] {} owns these slots already.", args.target));
        }
        if session.dry_run {
            session.output.lines(moves::lines(cluster, plan));
        }
        if session.dry_run || plan.is_empty() {
            return Ok(ControlFlow::Break(moves::show(&session, cluster, plan)));
        }
        Ok(ControlFlow::Continue(()))
    };
    session.carry_out(request, approves, |done| Ok(moves::tell(&session, &done)))
}
