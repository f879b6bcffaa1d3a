//! Jobs that an earlier run, or somebody else, began and the servers are still at.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::{JobWatch, NodeId, Phase, SlotJob, counted};
use redistrib_resp::{Command, Reply};

use super::{JobQuestions, read_job};
use crate::cluster::unanswered::Unanswered;
use crate::commands;
use crate::commands::replies::info_in;
use crate::error::{Error, Result};
use crate::migrate::MigrateOptions;
use crate::migrate::ready::not_ready;
use crate::{Cluster, Connection, Context, Member, Stop};

/// How often is looked.
const LOOK: Duration = Duration::from_millis(50);

/// What a master says of a job under way.
#[derive(Debug)]
struct Said {
    node: NodeId,
    job: SlotJob,
    /// The field of INFO that counts the bytes that have gone over for such jobs in the server's life, and what it says.
    counter: &'static str,
    bytes: Option<u64>,
}

/// What masters say of jobs.
#[derive(Debug, Default)]
struct Jobs {
    /// Those under way by their names, as their leaders report them.
    open: BTreeMap<String, Said>,
    /// What has a node let go of jobs that have failed.
    cancels: Vec<(NodeId, Vec<Command>)>,
    /// Whether every one of them has said so, and none that it was not ready.
    is_certain: bool,
    unanswered: Unanswered,
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
    known_jobs(cluster).0
}

/// [`jobs`], with who did not say.
pub(crate) fn known_jobs(cluster: &mut Cluster) -> (Vec<SlotJob>, Unanswered) {
    let Jobs { open, unanswered, .. } = ask(cluster, |_| true);
    (open.into_values().map(|said| said.job).collect(), unanswered)
}

/// Whether servers are at atomic migrations, as far as they can be by what the first node knows: one or two commands for each
/// master less than [`jobs`] asks.
///
/// # Errors
/// Those of [`Connection::pipeline`].
pub(crate) fn any_running(cluster: &mut Cluster) -> Result<bool> {
    let known = JobQuestions::that_are_understood(cluster.myself_mut().connection()?)?;
    let questions: Vec<Command> = known.questions().collect();
    if questions.is_empty() {
        return Ok(false);
    }
    let answers = cluster.broadcast(|it| it.is_up() && it.is_master(), &questions);
    let answers = answers.into_iter().flatten().collect::<Result<Vec<_>>>()?;
    Ok(answers.iter().any(|replies| known.read(replies).iter().any(SlotJob::is_open)))
}

/// Waits until the servers have ended the atomic migrations that they are at: a tool that dies leaves them to the
/// servers. Those that fail and are tried again, or get no further, are cancelled: their slots are where they were. Returns
/// whether there were any; then the cluster has been looked at again.
///
/// # Errors
/// [`Error::Cancelled`]; [`Error::NotSettled`] where a job does not end though it was cancelled.
pub fn finish_running(
    cluster: &mut Cluster,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<bool> {
    finish_running_at(cluster, |_| true, options, context)
}

/// The same where only these masters are asked whether there are any.
pub(crate) fn finish_running_at(
    cluster: &mut Cluster,
    which: impl Fn(&Member) -> bool,
    options: &MigrateOptions,
    context: Context<'_>,
) -> Result<bool> {
    let mut waiting = AwaitedJobs::begin(options, context);
    let mut certain = Instant::now();
    let failed = loop {
        // Once there is one, its leader is to be asked, whoever that is.
        let jobs = ask(cluster, |member| waiting.has_seen_any() || which(member));
        let Jobs { open, cancels, is_certain, .. } = jobs;
        if is_certain {
            certain = Instant::now();
        }
        if open.is_empty() && (is_certain || certain.elapsed() >= options.settle) {
            break cancels;
        }
        open.values().try_for_each(|said| waiting.look(cluster, said))?;
        if context.cancel.requested() != Stop::No {
            let what = "servers go on with migrations that an earlier run began";
            return Err(Error::Cancelled(what.into()));
        }
        thread::sleep(LOOK);
    };
    // Sources of Redis keep the last job that has failed, and with it refuse to open its slots.
    for (node, cancels) in failed {
        cluster.member_mut(node)?.connection()?.pipeline(&cancels)?;
    }
    if waiting.has_seen_any() {
        cluster.refresh();
    }
    Ok(waiting.has_seen_any())
}

/// The jobs that are waited for, by their names.
struct AwaitedJobs<'a> {
    options: &'a MigrateOptions,
    context: Context<'a>,
    began: Instant,
    watches: BTreeMap<String, JobWatch>,
    /// When those were cancelled that failed or got no further.
    cancelled: BTreeMap<String, Instant>,
}

impl<'a> AwaitedJobs<'a> {
    fn begin(options: &'a MigrateOptions, context: Context<'a>) -> Self {
        let (watches, cancelled) = Default::default();
        Self { options, context, began: Instant::now(), watches, cancelled }
    }

    fn has_seen_any(&self) -> bool {
        !self.watches.is_empty()
    }

    /// Announces a job that is new, and cancels one that has no prospect of ending by itself.
    fn look(&mut self, cluster: &mut Cluster, said: &Said) -> Result<()> {
        let id = &said.job.id;
        if let Some(at) = self.cancelled.get(id) {
            return refuse_to_wait(said, *at, self.options);
        }
        if !self.watches.contains_key(id) {
            announce(cluster, said, self.context);
        }
        let new = || JobWatch::new(self.options.timeout);
        let watch = self.watches.entry(id.clone()).or_insert_with(new);
        let news = watch.look(&said.job, said.bytes, self.began.elapsed());
        let is_failing = said.job.phase == Phase::Retrying || said.job.retries > 0;
        if is_failing || news.is_hopeless {
            cancel(cluster, said, self.context)?;
            self.cancelled.insert(id.clone(), Instant::now());
        }
        Ok(())
    }
}

/// Has a source let go of jobs that have failed.
pub(super) fn clear_failed_at(node: &mut Connection) -> Result<()> {
    let replies = node.pipeline(&[commands::imports()])?;
    node.pipeline(&cancels_of_failed(&replies)).map(drop)
}

/// It does not say whether a failed job is the one that a source keeps, or one of the past; the cancelling of those
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

fn announce(cluster: &Cluster, said: &Said, context: Context<'_>) {
    let name =
        |id| cluster.member(id).map_or_else(|_| id.to_string(), |it| it.endpoint().to_string());
    let SlotJob { slots, from, to, .. } = &said.job;
    let text = format!(
        "Waiting for the migration of slots {slots} from {} to {} that the servers are carrying out",
        name(*from),
        name(*to)
    );
    context.note(text);
}

/// Asks the node that leads the job to end it: the target where it is Redis, the source where it is Valkey.
fn cancel(cluster: &mut Cluster, said: &Said, context: Context<'_>) -> Result<()> {
    let SlotJob { id, error, state, retries, .. } = &said.job;
    context.warn(format!(
        "cancelling the atomic migration {id}, which gets no further (state {state}, tried {} again{}{error}); \
         its slots are where they were",
        counted(retries, "time"),
        if error.is_empty() { "" } else { ": " }
    ));
    let of_redis = commands::cancel_import(id);
    let of_valkey = commands::cancel_exports();
    cluster.member_mut(said.node)?.connection()?.pipeline(&[of_redis, of_valkey]).map(drop)
}

fn ask(cluster: &mut Cluster, which: impl Fn(&Member) -> bool) -> Jobs {
    let is_asked = |member: &Member| member.is_up() && member.is_master() && which(member);
    let answers = cluster.broadcast(is_asked, &[commands::imports(), commands::exports()]);
    let mut jobs = Jobs { is_certain: true, ..Jobs::default() };
    for (member, answer) in cluster.members().iter().zip(answers) {
        let Some(answer) = answer else { continue };
        jobs.unanswered.note(member.id(), "the list of its atomic migrations", &answer);
        jobs.is_certain &= answer.is_ok();
        let Ok(replies) = answer else { continue };
        jobs.is_certain &= not_ready(&replies).is_none();
        for (said, leads) in read(member, &replies) {
            if leads || !jobs.open.contains_key(&said.job.id) {
                jobs.open.insert(said.job.id.clone(), said);
            }
        }
        let cancels = cancels_of_failed(&replies[..1]);
        jobs.cancels.extend((!cancels.is_empty()).then(|| (member.id(), cancels)));
    }
    measure(cluster, &mut jobs.open);
    jobs
}

/// Asks how many bytes have gone over for the jobs.
fn measure(cluster: &mut Cluster, open: &mut BTreeMap<String, Said>) {
    if open.is_empty() {
        return;
    }
    let nodes: BTreeSet<NodeId> = open.values().map(|said| said.node).collect();
    let is_asked = |member: &Member| nodes.contains(&member.id());
    let answers = cluster.broadcast(is_asked, &[commands::info_of("stats")]);
    for (member, answer) in cluster.members().iter().zip(answers) {
        let Some(Ok(replies)) = answer else { continue };
        let stats = replies.first().map(info_in).unwrap_or_default();
        for said in open.values_mut().filter(|said| said.node == member.id()) {
            said.bytes = stats.number(said.counter);
        }
    }
}

/// The jobs that a node is at, and whether it leads them.
fn read(member: &Member, replies: &[Reply]) -> Vec<(Said, bool)> {
    let node = member.id();
    let of = |reply: Option<&Reply>, leads: fn(&SlotJob) -> NodeId, counter: &'static str| {
        let jobs = reply.into_iter().flat_map(|reply| reply.view().elements());
        let open = jobs.filter_map(read_job).filter(SlotJob::is_open);
        let said = open.map(|job| {
            let is_leader = leads(&job) == node;
            (Said { node, job, counter, bytes: None }, is_leader)
        });
        said.collect::<Vec<_>>()
    };
    let mut all = of(replies.first(), |job| job.to, "total_net_repl_input_bytes");
    all.extend(of(replies.get(1), |job| job.from, "total_net_cluster_slot_export_bytes"));
    all
}
