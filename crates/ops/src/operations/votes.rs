//! The votes of an election that is over.
//!
//! A server of Redis does not throw the votes away that made it a master. Once it is a replica again and is told to take over, it
//! counts them again for twice its node timeout: it takes itself for the master, under the old epoch and until the real one
//! contradicts it, and what clients write to it meanwhile is lost. For as long again it begins no election at all, while its
//! master holds writes up for it (seen on Redis 8.6, without any tool; source: `clusterHandleSlaveFailover`).

use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::{NodeId, Waits};

use crate::commands;
use crate::commands::replies::text_of;
use crate::error::{Error, Result};
use crate::server_info;
use crate::{Cluster, Connection, Context, Stop};

/// What a node's own `CLUSTER INFO` counts where it has been voted for since its start.
const VOTES: &str = "cluster_stats_messages_auth-ack_received";
/// Between two looks at the user's request to stop.
const LOOK: Duration = Duration::from_millis(50);

/// Waits until a replica may be voted for again, where it may have been a master a short time ago.
///
/// # Errors
/// [`Error::Cancelled`]; those of [`Connection::call`].
pub(crate) fn await_expiry(
    cluster: &mut Cluster,
    replica: NodeId,
    context: Context<'_>,
) -> Result<()> {
    let member = cluster.member_mut(replica)?;
    let name = member.endpoint().clone();
    let Some(left) = left_of_votes(member.connection()?)? else { return Ok(()) };
    let text = format!(
        "Waiting {} s: {name} was a master, at most as long ago, and would count the votes of then (4 times its \
         cluster-node-timeout)",
        left.as_secs() + 1
    );
    context.note(text);
    let started = Instant::now();
    while started.elapsed() < left {
        if context.cancel.requested() != Stop::No {
            return Err(Error::Cancelled(format!("{name} has not been asked to take over")));
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// For how long a replica may still have votes of an earlier election; nothing where it has none.
fn left_of_votes(replica: &mut Connection) -> Result<Option<Duration>> {
    let info = server_info::ask_one(replica, &Waits::SETTINGS)?;
    if info.number(VOTES).is_none() || info.field("valkey_version").is_some() {
        return Ok(None);
    }
    let lasting = Waits::of([&info]).votes();
    // It has been following for at least as long as it has this connection to its master.
    let list = replica.request(&commands::links_to_master())?;
    let following = text_of(&list).and_then(age_in).map_or(Duration::ZERO, Duration::from_secs);
    Ok(lasting.checked_sub(following).filter(|left| !left.is_zero()))
}

/// The age of a client in `CLIENT LIST`, in seconds.
fn age_in(list: &str) -> Option<u64> {
    list.split_whitespace().find_map(|field| field.strip_prefix("age=")?.parse().ok())
}
