//! Jobs that an earlier run, or somebody else, began and the servers are still at.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::{JobWatch, NodeId, Phase, SlotJob};
use redistrib_resp::{Command, Reply};

use super::read_job;
use crate::commands;
use crate::commands::replies::info_in;
use crate::error::{Error, Result};
use crate::migrate::MigrateOptions;
use crate::{Cluster, Connection, Context, Member, Step, Stop};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// What a master says of a job under way.
#[derive(Debug)]
struct Said {
    node: NodeId,
    job: SlotJob,
    /// Bytes that have gone over for such jobs in the server's life.
    bytes: Option<u64>,
}

/// The atomic migrations that servers are at, each once. A server that does not answer, or knows no such
/// migrations, is at none.
///
/// ```no_run
/// use redistrib_ops::{Cluster, Settings, migrate};
/// let mut cluster = Cluster::discover(&"127.0.0.1:7000".parse()?, &Settings::default())?;
/// for job in migrate::jobs(&mut cluster) {
///     println!("{} from {} to {}: {}", job.slots, job.from, job.to, job.state);
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub fn jobs(cluster: &mut Cluster) -> Vec<SlotJob> {
    ask(cluster).into_values().map(|said| said.job).collect()
}

/// Waits until the servers have ended the atomic migrations that they are at: a tool that dies leaves them to the
/// servers. Those that fail and are tried again, or get no further, are cancelled: their slots are where they were. Tells
/// whether there were any; then the cluster has been looked at again.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::NotSettled`] where a job does not end though it was cancelled.
pub fn finish_running(
    cluster: &mut Cluster,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<bool> {
    let started = Instant::now();
    let mut watches: BTreeMap<String, JobWatch> = BTreeMap::new();
    let mut cancelled: BTreeMap<String, Instant> = BTreeMap::new();
    loop {
        let open = ask(cluster);
        if open.is_empty() {
            break;
        }
        for (id, said) in &open {
            if let Some(at) = cancelled.get(id) {
                refuse_to_wait(said, *at, options)?;
                continue;
            }
            let is_new = !watches.contains_key(id);
            let watch = watches.entry(id.clone()).or_insert_with(|| JobWatch::new(options.timeout));
            if is_new {
                tell(cluster, said, context);
            }
            let news = watch.look(&said.job, said.bytes, started.elapsed());
            let is_failing = said.job.phase == Phase::Retrying || said.job.retries > 0;
            if is_failing || news.is_hopeless {
                cancel(cluster, said, context)?;
                cancelled.insert(id.clone(), Instant::now());
            }
        }
        if context.cancel.wish() != Stop::No {
            let what = "servers go on with migrations that an earlier run began";
            return Err(Error::Cancelled(what.into()));
        }
        thread::sleep(LOOK);
    }
    clear_failed(cluster)?;
    if !watches.is_empty() {
        cluster.refresh();
    }
    Ok(!watches.is_empty())
}

/// Has sources let go of jobs that have failed: those of Redis keep the last one, and with it refuse to open its slots.
fn clear_failed(cluster: &mut Cluster) -> Result<()> {
    let answers =
        cluster.broadcast(|member| member.is_up() && member.is_master(), &[commands::imports()]);
    for (member, answer) in cluster.members_mut().iter_mut().zip(answers) {
        let Some(Ok(replies)) = answer else { continue };
        let cancels = cancels_of_failed(&replies);
        if !cancels.is_empty() {
            member.connection()?.pipeline(&cancels)?;
        }
    }
    Ok(())
}

/// The same for one node.
pub(super) fn clear_failed_at(node: &mut Connection) -> Result<()> {
    let replies = node.pipeline(&[commands::imports()])?;
    node.pipeline(&cancels_of_failed(&replies)).map(drop)
}

/// Whether a failed job is the one that a source keeps, or one of the past, it does not tell; the cancelling of those
/// changes nothing.
fn cancels_of_failed(replies: &[Reply]) -> Vec<Command> {
    let jobs = replies.iter().flat_map(|reply| reply.view().elements()).filter_map(read_job);
    let failed = jobs.filter(|job| job.phase == Phase::Ended && job.state == "failed");
    failed.map(|job| commands::cancel_import(&job.id)).collect()
}

fn refuse_to_wait(said: &Said, since: Instant, options: &MigrateOptions) -> Result<()> {
    if since.elapsed() < options.settle {
        return Ok(());
    }
    let SlotJob { id, state, .. } = &said.job;
    let what = format!("the atomic migration {id} was cancelled and is still {state}");
    Err(Error::NotSettled { what, after: options.settle })
}

fn tell(cluster: &Cluster, said: &Said, context: Context<'_>) {
    let name =
        |id| cluster.member(id).map_or_else(|_| id.to_string(), |it| it.endpoint().to_string());
    let SlotJob { slots, from, to, .. } = &said.job;
    let text = format!(
        "Waiting for the migration of slots {slots} from {} to {} that the servers are carrying out",
        name(*from),
        name(*to)
    );
    context.step(Step::Other { text });
}

/// Asks the node that leads the job to end it: the target where it is Redis, the source where it is Valkey.
fn cancel(cluster: &mut Cluster, said: &Said, context: Context<'_>) -> Result<()> {
    let SlotJob { id, error, state, retries, .. } = &said.job;
    context.warn(format!(
        "cancelling the atomic migration {id}, which gets no further (state {state}, tried {retries} times again{}{error}); \
         its slots are where they were",
        if error.is_empty() { "" } else { ": " }
    ));
    let of_redis = commands::cancel_import(id);
    let of_valkey = commands::cancel_exports();
    cluster.member_mut(said.node)?.connection()?.pipeline(&[of_redis, of_valkey]).map(drop)
}

/// The jobs under way by their names, as their leaders tell of them.
fn ask(cluster: &mut Cluster) -> BTreeMap<String, Said> {
    let questions = [commands::imports(), commands::exports(), commands::info_of("stats")];
    let answers = cluster.broadcast(|member| member.is_up() && member.is_master(), &questions);
    let mut open: BTreeMap<String, Said> = BTreeMap::new();
    for (member, answer) in cluster.members().iter().zip(answers) {
        let Some(Ok(replies)) = answer else { continue };
        for (said, leads) in read(member, &replies) {
            if leads || !open.contains_key(&said.job.id) {
                open.insert(said.job.id.clone(), said);
            }
        }
    }
    open
}

/// The jobs that a node is at, and whether it leads them.
fn read(member: &Member, replies: &[Reply]) -> Vec<(Said, bool)> {
    let stats = replies.get(2).map(info_in).unwrap_or_default();
    let of = |reply: Option<&Reply>, leads: fn(&SlotJob) -> NodeId, counter: &str| {
        let jobs: Vec<SlotJob> = reply
            .map(|reply| reply.view().elements().filter_map(read_job).collect())
            .unwrap_or_default();
        let open = jobs.into_iter().filter(SlotJob::is_open);
        let node = member.id();
        let bytes = stats.number(counter);
        open.map(|job| {
            let is_leader = leads(&job) == node;
            (Said { node, job, bytes }, is_leader)
        })
        .collect::<Vec<_>>()
    };
    let mut all = of(replies.first(), |job| job.to, "total_net_repl_input_bytes");
    all.extend(of(replies.get(1), |job| job.from, "total_net_cluster_slot_export_bytes"));
    all
}
