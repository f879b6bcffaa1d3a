//! Whether clients are served: a node knows its cluster and answers, a replica has what its master has.

use std::time::{Duration, Instant};

use redistrib_cluster_model::ServerInfo;
use redistrib_resp::{Command, Reply};

use crate::commands::replies::text_of;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Connection, Context, Endpoint, Member, Settings, Step, server_info};

/// How long a node may take to serve that knows its cluster: servers wait 2 s after their start, and at most 5 s when
/// they have seen a majority of masters again.
const SERVE_DEADLINE: Duration = Duration::from_secs(30);
/// How long the copy of a master's data may stand still.
const COPY_DEADLINE: Duration = Duration::from_secs(60);
/// No wait is longer than this, whatever moves.
const LONGEST_COPY: Duration = Duration::from_secs(24 * 3600);

/// Waits until the node at `endpoint`, a new member of the cluster of `seed`, says `cluster_state:ok`, unless the cluster
/// itself does not; a replica until it has loaded its master's data and follows it.
///
/// # Errors
/// [`Error::NotSettled`] for what is amiss after 30 s, or after 60 s in which no data came; [`Error::Cancelled`]; those of
/// [`Connection::call`].
pub fn await_served(
    seed: &Endpoint,
    endpoint: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<()> {
    let mut node = Connection::open(endpoint, settings)?;
    if says_ok(&mut Connection::open(seed, settings)?)? && !says_ok(&mut node)? {
        let text = format!(
            "Waiting until {endpoint} serves clients, {} s at most",
            SERVE_DEADLINE.as_secs()
        );
        context.step(Step::Other { text });
        until_settled(SERVE_DEADLINE, context.cancel, || {
            let what = || format!("{endpoint} still says cluster_state:fail");
            Ok((!says_ok(&mut node)?).then(what))
        })?;
    }
    let Some(first) = missing_copy(&replication(&mut node)?) else { return Ok(()) };
    let text = format!(
        "Waiting until replica {endpoint} has its master's data, for as long as data come and {} s more",
        COPY_DEADLINE.as_secs()
    );
    context.step(Step::Other { text });
    let (mut state, mut since) = (first, Instant::now());
    until_settled(LONGEST_COPY, context.cancel, || {
        let Some(now) = missing_copy(&replication(&mut node)?) else { return Ok(None) };
        if now != state {
            (state, since) = (now, Instant::now());
        }
        let what = format!("replica {endpoint} is not in step with its master: {state}");
        match since.elapsed() {
            after if after >= COPY_DEADLINE => {
                Err(Error::NotSettled { what, after: COPY_DEADLINE })
            }
            _ => Ok(Some(what)),
        }
    })
}

/// Waits until every node of a new cluster says `cluster_state:ok`, and every replica has its master's data. Nodes that
/// cannot be reached are not waited for.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Context, Settings, await_all_served};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// await_all_served(&mut cluster, Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotSettled`] for what is amiss after 30 s, or with a replica after 60 s; [`Error::Cancelled`].
pub fn await_all_served(cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
    if unready(cluster).is_some() {
        let text = format!(
            "Waiting until all nodes serve clients: servers do so 2 s after their start and up to 5 s after they have met, \
             {} s at most",
            SERVE_DEADLINE.as_secs()
        );
        context.step(Step::Other { text });
        until_settled(SERVE_DEADLINE, context.cancel, || Ok(unready(cluster)))?;
    }
    if without_copy(cluster).is_some() {
        let text = format!(
            "Waiting until all replicas have their masters' data, {} s at most",
            COPY_DEADLINE.as_secs()
        );
        context.step(Step::Other { text });
        until_settled(COPY_DEADLINE, context.cancel, || Ok(without_copy(cluster)))?;
    }
    Ok(())
}

/// A node that does not serve clients yet, in words.
fn unready(cluster: &mut Cluster) -> Option<String> {
    let answers = cluster.broadcast(Member::is_up, &[cluster_info()]);
    let mut asked = cluster.members().iter().zip(answers);
    let unready = asked.find(|(_, answer)| match answer {
        Some(Ok(replies)) => !replies.iter().all(is_ok),
        Some(Err(_)) => true,
        None => false,
    });
    unready.map(|(member, _)| format!("{} still says cluster_state:fail", member.endpoint()))
}

/// A replica that has not its master's data yet, in words.
fn without_copy(cluster: &mut Cluster) -> Option<String> {
    let infos = server_info::ask(cluster, &[]);
    let mut told = cluster.members().iter().zip(infos);
    told.find_map(|(member, info)| {
        let state = missing_copy(&info?)?;
        Some(format!("replica {} is not in step with its master: {state}", member.endpoint()))
    })
}

/// `CLUSTER INFO`.
pub(crate) fn cluster_info() -> Command {
    Command::new("CLUSTER").arg("INFO")
}

/// Whether a reply to `CLUSTER INFO` says that the node serves its slots.
pub(crate) fn is_ok(info: &Reply) -> bool {
    text_of(info).is_some_and(|text| text.contains("cluster_state:ok"))
}

fn says_ok(node: &mut Connection) -> Result<bool> {
    Ok(is_ok(&node.call(&cluster_info())?))
}

/// What a server says of replication. One that loads its data says nothing else.
fn replication(node: &mut Connection) -> Result<ServerInfo> {
    let info = node.call(&Command::new("INFO"))?;
    Ok(text_of(&info).map(ServerInfo::parse).unwrap_or_default())
}

/// What a replica lacks, with how far it is; nothing for a master.
fn missing_copy(info: &ServerInfo) -> Option<String> {
    let field = |name| info.field(name).unwrap_or_default();
    if field("loading") == "1" {
        return Some(format!("it has loaded {} bytes", field("loading_loaded_bytes")));
    }
    let is_linked = field("role") != "slave" || field("master_link_status") == "up";
    (!is_linked).then(|| format!("{} bytes are on their way", field("master_sync_left_bytes")))
}
