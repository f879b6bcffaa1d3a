//! What each source is asked once, all of them side by side before the first pair begins: pairs of one target wait for each
//! other, and with many sources far away these round trips would add up.

use std::collections::BTreeSet;

use redistrib_cluster_model::{Move, NodeId};

use super::atomic;
use super::link::Link;
use super::shared::Shared;
use super::source::SourceFacts;
use crate::cluster::in_parallel;
use crate::error::Result;
use crate::limits;

/// Gets to know the sources of these moves, and keeps a connection to each. What cannot be asked now is asked when the
/// pair begins.
pub(super) fn ask_sources(shared: &Shared<'_>, moves: &[Move]) {
    let sources: BTreeSet<NodeId> = moves.iter().map(|step| step.from).collect();
    // The workers need files, too.
    let sources: Vec<NodeId> = sources.into_iter().take(limits::free_files() / 4).collect();
    in_parallel(&sources, |source| ask(shared, *source).ok());
}

fn ask(shared: &Shared<'_>, source: NodeId) -> Result<()> {
    let mut connection = shared.connect_to(source)?;
    let by_migrate = !atomic::may_be_used(shared, source, &mut connection)?;
    let link = Link::new(connection, shared.context.cancel);
    let mut link = link.with_settle(shared.options.settle);
    if by_migrate {
        shared.sources.of(source, || SourceFacts::ask(&mut link))?;
    }
    shared.idle.keep(source, link.into_connection());
    Ok(())
}
