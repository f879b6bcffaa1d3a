//! Whether clients are served: a node knows its cluster and answers, a replica has what its master has.

use std::time::{Duration, Instant};

use redistrib_cluster_model::{NodeId, ServerInfo, Waits};
use redistrib_resp::Reply;

use super::bus::await_links;
use super::sync_delay::without_delay;
use crate::commands;
use crate::commands::replies::text_of;
use crate::error::{Error, Result};
use crate::wait::until_settled;
use crate::{Cluster, Connection, Context, Endpoint, Member, Settings, server_info};

/// No wait is longer than this, whatever moves.
const LONGEST_COPY: Duration = Duration::from_secs(24 * 3600);

/// Waits until the node at `endpoint`, a new member of the cluster of `seed`, says `cluster_state:ok`, unless the cluster
/// itself does not; a replica until it has loaded its master's data and follows it. How long at most, the node's own
/// settings say ([`Waits`]).
///
/// # Errors
/// [`Error::NotSettled`] for what is wrong after [`Waits::serving`], or after [`Waits::standstill`] in which no data came;
/// [`Error::Cancelled`]; those of [`Connection::call`].
pub(crate) fn await_served(
    seed: &Endpoint,
    endpoint: &Endpoint,
    settings: &Settings,
    context: Context<'_>,
) -> Result<()> {
    let mut node = Connection::open(endpoint, settings)?;
    let waits = Waits::of([&server_info::ask_one(&mut node, &Waits::SETTINGS)?]);
    if says_ok(&mut Connection::open(seed, settings)?)? {
        serving(&format!("{endpoint} serves"), &waits, context, || {
            Ok((!says_ok(&mut node)?).then(|| still_fails(endpoint)))
        })?;
    }
    copying(&waits, context, || {
        let missing = missing_copy(&server_info::ask_one(&mut node, &[])?);
        Ok(missing.map(|state| out_of_step(endpoint, &state)).into_iter().collect())
    })
}

/// Waits until every node of a cluster says `cluster_state:ok`, every replica has its master's data, and nodes that have just met
/// have their links of the cluster bus; then the cluster has been looked at again. Nodes that cannot be reached are not waited
/// for. How long at most, the nodes' settings say ([`Waits`]); for the links, which no client needs, 3 s.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Context, Settings, await_all_served};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// await_all_served(&mut cluster, Context::default())?;
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotSettled`] for what is wrong after [`Waits::serving`], or with a replica after [`Waits::standstill`];
/// [`Error::Refused`] where a node may not say; [`Error::Cancelled`].
pub fn await_all_served(cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
    let waits = waits(cluster);
    serving("all nodes serve", &waits, context, || unready(cluster, Member::is_up))?;
    await_data_and_links(cluster, |_| true, &waits, context)
}

/// Waits until these replicas have their masters' data and their links of the cluster bus: a server that
/// turns to another master may serve nobody for some seconds, and loses its links meanwhile (Valkey 8.1).
///
/// # Errors
/// [`Error::NotSettled`] for what is wrong after [`Waits::standstill`]; [`Error::Cancelled`].
pub(crate) fn await_copies(
    cluster: &mut Cluster,
    replicas: &[NodeId],
    context: Context<'_>,
) -> Result<()> {
    if replicas.is_empty() {
        return Ok(());
    }
    let waits = waits(cluster);
    await_data_and_links(cluster, |id| replicas.contains(&id), &waits, context)
}

fn waits(cluster: &mut Cluster) -> Waits {
    let infos = server_info::ask(cluster, &Waits::SETTINGS);
    Waits::of(infos.iter().flatten().flatten())
}

/// Waits until these nodes, where they are replicas, have their masters' data, and until they have their links.
fn await_data_and_links(
    cluster: &mut Cluster,
    which: impl Fn(NodeId) -> bool,
    waits: &Waits,
    context: Context<'_>,
) -> Result<()> {
    copying(waits, context, || without_copy(cluster, &which))?;
    await_links(cluster, which, context)
}

/// [`await_all_served`] for a cluster that has just been made: its masters do not wait for more replicas than those that
/// they have, which takes 5 s where nobody says otherwise (`repl-diskless-sync-delay`, which is 0 until the replicas have
/// their data).
///
/// # Errors
/// Those of [`await_all_served`].
pub(crate) fn await_new_cluster(cluster: &mut Cluster, context: Context<'_>) -> Result<()> {
    let followed = cluster.members().iter().filter_map(|member| member.node().master).collect();
    without_delay(cluster, &followed, context, |cluster| await_all_served(cluster, context))
}

/// Waits until all serve whom `amiss` looks at.
fn serving(
    whom: &str,
    waits: &Waits,
    context: Context<'_>,
    mut amiss: impl FnMut() -> Result<Option<String>>,
) -> Result<()> {
    if amiss()?.is_none() {
        return Ok(());
    }
    let [start, majority, most] =
        [waits.after_start(), waits.after_majority(), waits.serving()].map(|it| it.as_secs_f64());
    let text = format!(
        "Waiting until {whom} clients: a server does {start} s after its start, and {majority} s after it could reach a \
         majority of masters (its cluster-node-timeout, 5 s at most); {most} s at most"
    );
    context.note(text);
    until_settled(waits.serving(), context.cancel, amiss)
}

/// Waits until no replica lacks its master's data, for as long as what is said of them changes.
fn copying(
    waits: &Waits,
    context: Context<'_>,
    mut missing: impl FnMut() -> Result<Vec<String>>,
) -> Result<()> {
    let mut state = missing()?;
    if state.is_empty() {
        return Ok(());
    }
    let most = waits.standstill();
    let text = format!(
        "Waiting until replicas have their masters' data, which these send after {} s (repl-diskless-sync-delay), for as \
         long as data come and {} s more",
        waits.sync_delay.as_secs(),
        most.as_secs()
    );
    context.note(text);
    let mut since = Instant::now();
    until_settled(LONGEST_COPY, context.cancel, || {
        let now = missing()?;
        let Some(what) = now.first().cloned() else { return Ok(None) };
        if now != state {
            (state, since) = (now, Instant::now());
        }
        match since.elapsed() {
            after if after >= most => Err(Error::NotSettled { what, after: most }),
            _ => Ok(Some(what)),
        }
    })
}

/// One of these nodes that does not serve clients yet, in words.
///
/// # Errors
/// The refusal of a node that does not say, unless it may a moment later: waiting would not help.
pub(crate) fn unready(
    cluster: &mut Cluster,
    which: impl Fn(&Member) -> bool,
) -> Result<Option<String>> {
    let question = commands::cluster_info();
    let answers = cluster.hear(which, std::slice::from_ref(&question), |node, replies| {
        replies
            .into_iter()
            .try_fold(true, |ok, reply| Ok(is_ok(&node.accept(&question, reply)?) && ok))
    });
    let asked = cluster.members().iter().zip(answers);
    for (member, answer) in asked.filter_map(|(member, answer)| Some((member, answer?))) {
        match answer {
            Ok(true) => {}
            Ok(false) => return Ok(Some(still_fails(member.endpoint()))),
            Err(error) if error.refused().is_some_and(|it| !it.is_passing()) => return Err(error),
            Err(error) => return Ok(Some(error.to_string())),
        }
    }
    Ok(None)
}

/// A node that does not serve clients, or is a replica without its master's data, in words.
///
/// # Errors
/// Those of [`unready`].
pub(crate) fn unsettled(cluster: &mut Cluster) -> Result<Option<String>> {
    let unready = unready(cluster, Member::is_up)?;
    match unready {
        Some(unready) => Ok(Some(unready)),
        None => Ok(without_copy(cluster, |_| true)?.into_iter().next()),
    }
}

/// The replicas of these that have not their masters' data yet, or do not say, in words.
///
/// # Errors
/// The refusal of a node that does not say, unless it may a moment later.
fn without_copy(cluster: &mut Cluster, which: impl Fn(NodeId) -> bool) -> Result<Vec<String>> {
    let infos = server_info::ask_of(cluster, |member| member.is_up() && which(member.id()), &[]);
    let infos = cluster.members().iter().zip(infos);
    let mut missing = Vec::new();
    for (member, info) in infos.filter_map(|(member, info)| Some((member, info?))) {
        match info {
            Ok(info) => {
                let state = missing_copy(&info);
                missing.extend(state.map(|state| out_of_step(member.endpoint(), &state)));
            }
            Err(error) if error.refused().is_some_and(|it| !it.is_passing()) => return Err(error),
            Err(error) => missing.push(error.to_string()),
        }
    }
    Ok(missing)
}

fn out_of_step(replica: &Endpoint, state: &str) -> String {
    format!("replica {replica} is not in step with its master: {state}")
}

/// Whether a reply to `CLUSTER INFO` says that the node serves its slots.
pub(crate) fn is_ok(info: &Reply) -> bool {
    text_of(info).is_some_and(|text| text.contains("cluster_state:ok"))
}

/// What keeps one server from serving its part of a cluster.
pub(crate) struct Unserved {
    /// In words.
    pub(crate) what: String,
    /// Whether it knows no other node and has no slots: it is in no cluster.
    pub(crate) is_alone: bool,
}

/// What keeps one server from serving; nothing where it does.
pub(crate) fn amiss_at(node: &Endpoint, settings: &Settings) -> Option<Unserved> {
    let info = Connection::open(node, settings)
        .and_then(|mut connection| server_info::ask_one(&mut connection, &[]));
    let (what, is_alone) = match info {
        Ok(info) if info.field("cluster_state") != Some("ok") => {
            let alone = [("cluster_known_nodes", 1), ("cluster_slots_assigned", 0)];
            let is_alone = alone.iter().all(|(name, count)| info.number(name) == Some(*count));
            (still_fails(node), is_alone)
        }
        Ok(info) => (out_of_step(node, &missing_copy(&info)?), false),
        Err(error) => (error.to_string(), false),
    };
    Some(Unserved { what, is_alone })
}

fn still_fails(node: &Endpoint) -> String {
    format!("{node} still says cluster_state:fail")
}

fn says_ok(node: &mut Connection) -> Result<bool> {
    Ok(is_ok(&node.call(&commands::cluster_info())?))
}

/// What a replica lacks, with how far it is; nothing for a master. One that loads its data says nothing else.
pub(crate) fn missing_copy(info: &ServerInfo) -> Option<String> {
    let field = |name| info.field(name).unwrap_or_default();
    if field("loading") == "1" {
        return Some(format!("it has loaded {} bytes", field("loading_loaded_bytes")));
    }
    let is_linked = field("role") != "slave" || field("master_link_status") == "up";
    (!is_linked).then(|| match field("master_sync_in_progress") {
        "1" => format!("{} bytes are on their way", field("master_sync_left_bytes")),
        _ => "it has no link to it, or waits for its data".to_owned(),
    })
}
