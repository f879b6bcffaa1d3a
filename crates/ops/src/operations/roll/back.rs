//! A node after the user's command: when it is back, and what it is then.

use std::time::{Duration, Instant};

use redistrib_cluster_model::{NodeId, NodeLabel, ServerInfo};

use crate::cluster::{dialled, read_topology};
use crate::error::{Error, Result};
use crate::migrate::fitness::format_version;
use crate::served::{missing_copy, unsettled};
use crate::wait::{or_look, until_settled};
use crate::{Cluster, Connection, Context, Endpoint, Member, RollError, agreement, server_info};

/// No wait is longer than this, whatever moves.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// A node as it was before the command; of one that was down nothing is known.
#[derive(Debug, Default)]
pub(super) struct Before {
    run: Option<String>,
    pub(super) version: Option<String>,
    format: Option<u16>,
}

/// A node that is back.
#[derive(Debug, Default)]
pub(super) struct Back {
    pub(super) restarted: bool,
    pub(super) version: Option<String>,
}

impl Before {
    pub(super) fn of(cluster: &mut Cluster, node: NodeId) -> Self {
        let asked = || {
            let mut connection = cluster.connect(node).ok()?;
            let info = server_info::ask_one(&mut connection, &[]).ok()?;
            let format = format_version(&mut connection);
            Some(Self { run: run_id(&info), version: info.version(), format })
        };
        asked().unwrap_or_default()
    }
}

fn run_id(info: &ServerInfo) -> Option<String> {
    info.field("run_id").map(str::to_owned)
}

/// What a node that is not back lacks.
#[derive(Debug, Default)]
struct Lacking {
    what: String,
    /// Which process says so, if one does.
    run: Option<String>,
    /// How much of its data it has loaded, or got from its master.
    bytes: u64,
    /// That it is too old for its master, if it is.
    downgraded: Option<RollError>,
}

/// How long a node has made no progress. A process that is another one has made none yet: a server may die and start again and again.
struct Standstill {
    since: Instant,
    run: Option<String>,
    most: u64,
}

impl Standstill {
    fn note(&mut self, seen: &Lacking) {
        if seen.run.is_none() || seen.run != self.run {
            (self.run, self.most) = (seen.run.clone(), seen.bytes);
        } else if seen.bytes > self.most {
            (self.since, self.most) = (Instant::now(), seen.bytes);
        }
    }
}

/// A node that is waited for after the user's command.
pub(super) struct Awaited<'a> {
    pub(super) node: &'a NodeLabel,
    pub(super) before: Before,
    /// Whether it is to be another process than before.
    pub(super) must_restart: bool,
    /// How long it may be without any progress in loading and copying.
    pub(super) patience: Duration,
}

/// Waits until a node is back: restarted, with its data loaded, in step with its master, and it and all others serve.
///
/// # Errors
/// [`RollError`] for a node that is another one, or too old, or has not restarted where it was to; [`Error::NotSettled`];
/// [`Error::Cancelled`].
pub(super) fn await_back(
    cluster: &mut Cluster,
    awaited: &Awaited<'_>,
    context: Context<'_>,
) -> Result<Back> {
    let &Awaited { node, ref before, must_restart, patience } = awaited;
    let mut back = Back::default();
    let mut progress = Standstill { since: Instant::now(), run: None, most: 0 };
    until_settled(LONGEST, context.cancel, || {
        let missing = match look(cluster, awaited)? {
            Ok(found) => {
                back = found;
                return Ok(None);
            }
            Err(missing) => missing,
        };
        progress.note(&missing);
        match progress.since.elapsed() {
            after if after < patience => Ok(Some(missing.what)),
            after if must_restart && missing.run.is_some() && missing.run == before.run => {
                Err(RollError::NotRestarted { node: node.clone(), after }.into())
            }
            after => Err(missing.downgraded.map_or_else(
                || Error::NotSettled {
                    what: format!("{node} is not back: {}", missing.what),
                    after,
                },
                Error::from,
            )),
        }
    })?;
    look_again(cluster, node.id)?;
    await_rest(cluster, patience, context)?;
    Ok(back)
}

/// Waits until all that answer serve, replicas are in step, and nobody considers another failed.
pub(super) fn await_rest(
    cluster: &mut Cluster,
    patience: Duration,
    context: Context<'_>,
) -> Result<()> {
    until_settled(patience, context.cancel, || {
        cluster.refresh();
        let seen = agreement::disagreement(cluster, |_| true).or_else(|| suspicion(cluster));
        or_look(seen, || unsettled(cluster))
    })
}

/// A node that answers, and that another considers failed or has no link to, in words.
fn suspicion(cluster: &Cluster) -> Option<String> {
    let views = cluster.members().iter().filter_map(|it| Some((it.endpoint(), it.topology()?)));
    let mut seen = views.flat_map(|(by, view)| view.iter().map(move |node| (by, node)));
    let is_up = |id| cluster.member(id).is_ok_and(Member::is_up);
    let (by, node) = seen.find(|(_, node)| {
        let flags = &node.flags;
        let is_well = !flags.is_failed() && !flags.is_suspected();
        !flags.is_myself() && is_up(node.id) && !(is_well && node.link_connected)
    })?;
    Some(format!("{by} has no link to {} yet, or takes it for failed", node.address))
}

/// Finds the nodes again, by another one than the one that has restarted.
pub(super) fn look_again(cluster: &mut Cluster, restarted: NodeId) -> Result<()> {
    let others = cluster.members().iter().filter(|it| it.is_up() && it.id() != restarted);
    let seeds: Vec<Endpoint> = others.map(|it| it.endpoint().clone()).collect();
    let seeds = if seeds.is_empty() { vec![cluster.seed().clone()] } else { seeds };
    let mut outcome = Ok(());
    for seed in &seeds {
        match Cluster::discover(seed, &cluster.settings().clone()) {
            Ok(found) => {
                *cluster = found;
                return Ok(());
            }
            Err(error) => outcome = Err(error),
        }
    }
    outcome
}

/// Looks at a node once; an error is one that waiting does not help.
fn look(cluster: &mut Cluster, awaited: &Awaited<'_>) -> Result<Result<Back, Lacking>> {
    let endpoint = whereabouts(cluster, awaited.node.id)?;
    let mut missing = Lacking::default();
    match ask(&endpoint, cluster, awaited, &mut missing) {
        Ok(Some(back)) => Ok(Ok(back)),
        Ok(None) => Ok(Err(missing)),
        Err(error @ Error::Roll(_)) => Err(error),
        Err(error) => Ok(Err(Lacking { what: error.to_string(), ..missing })),
    }
}

fn ask(
    endpoint: &Endpoint,
    cluster: &mut Cluster,
    awaited: &Awaited<'_>,
    missing: &mut Lacking,
) -> Result<Option<Back>> {
    let &Awaited { node, ref before, .. } = awaited;
    let mut connection = Connection::open(endpoint, cluster.settings())?;
    let info = server_info::ask_one(&mut connection, &[])?;
    let bytes = |name| info.number(name).unwrap_or_default();
    missing.run = run_id(&info);
    missing.bytes = bytes("loading_loaded_bytes").max(bytes("master_sync_read_bytes"));
    let restarted = before.run.is_none() || missing.run != before.run;
    let lacks = if awaited.must_restart && !restarted {
        Some("its process is the one from before the command".to_owned())
    } else {
        missing_copy(&info)
    };
    missing.what = lacks.unwrap_or_default();
    if info.field("loading") == Some("1") {
        return Ok(None);
    }
    let (seen, _) = read_topology(&mut connection)?;
    if seen.id != node.id {
        return Err(RollError::AnotherNode { node: node.clone(), id: seen.id }.into());
    }
    if !missing.what.is_empty() {
        let master = seen.master.and_then(|id| too_new(cluster, id, before, &mut connection));
        missing.downgraded = master.map(|master| {
            let versions = [before.version.clone(), info.version()];
            let [before, after] = versions.map(Option::unwrap_or_default);
            RollError::Downgraded { node: node.clone(), before, after, master }
        });
        return Ok(None);
    }
    if info.field("cluster_state") != Some("ok") {
        missing.what = "it says cluster_state:fail".into();
        return Ok(None);
    }
    Ok(Some(Back { restarted, version: info.version() }))
}

/// The master, where it writes a newer format than a server that is older than it was.
fn too_new(
    cluster: &mut Cluster,
    master: NodeId,
    before: &Before,
    connection: &mut Connection,
) -> Option<Endpoint> {
    let now = format_version(connection).filter(|now| Some(*now) < before.format)?;
    let master = cluster.member_mut(master).ok()?;
    let written = format_version(master.connection().ok()?)?;
    (written > now).then(|| master.endpoint().clone())
}

/// Where the others know the node to be: it may have come back elsewhere.
fn whereabouts(cluster: &mut Cluster, id: NodeId) -> Result<Endpoint> {
    let known = cluster.member(id)?.endpoint().clone();
    let others = cluster.members().iter().filter(|it| it.is_up() && it.id() != id);
    let Some(witness) = others.map(Member::id).next() else { return Ok(known) };
    cluster.refresh_of(|member| member.id() == witness);
    let witness = cluster.member(witness)?;
    let seen = witness.topology().and_then(|view| view.node(id));
    let seen = seen.filter(|seen| seen.address.port != 0 && !seen.flags.is_without_address());
    Ok(seen.map_or(known, |seen| dialled(seen, witness.endpoint(), cluster.settings())))
}
