//! What an operation is, and what it needs of whoever has it carried out. [`run`](crate::run) brings the two together.

use std::ops::ControlFlow;

use redistrib_cluster_model::plan::fix::FixPlan;
use redistrib_cluster_model::{Finding, Move, NodeId};

use crate::error::{Error, Result};
use crate::lock::Lock;
use crate::migrate::MigrateOptions;
use crate::{Cluster, Context, Endpoint, Settings};

/// Something that is done to a cluster: the value is the request, which decides (a plan, that changes nothing) and acts.
///
/// [`carry_out`](crate::carry_out) runs it. To see the plan alone:
///
/// ```no_run
/// use redistrib_ops::{Context, Operation, Reshard, Settings};
/// let request = Reshard { to: Some("7001".parse().unwrap()), slots: 100, ..Reshard::default() };
/// let mut cluster = request.discover(&Settings::default())?;
/// for step in request.plan(&mut cluster, Context::default())?.moves {
///     println!("{} from {} to {}", step.slots, step.from, step.to);
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
pub trait Operation: Sized {
    /// The name under which others see who changes the cluster.
    const VERB: &'static str;
    /// Whether a plan takes its time: then others at work are looked for before it is made, too.
    const PLANS_SLOWLY: bool = false;
    /// What it is done to.
    type Subject: Subject;
    /// What it would do.
    type Plan: PartialEq;
    /// What it has done.
    type Report;

    /// Finds what it is to be done to.
    ///
    /// # Errors
    /// Those of the connections.
    fn discover(&self, settings: &Settings) -> Result<Self::Subject>;

    /// What is to be done first about a run that was interrupted.
    fn recovery(&self) -> Recovery<'_> {
        Recovery::None
    }

    /// Takes note of moves that an interrupted run had begun and that [`Operation::recovery`] has finished.
    fn recovered(&mut self, _moves: &[Move]) {}

    /// Decides what to do. Changes nothing.
    ///
    /// # Errors
    /// What stands in the way.
    fn plan(&self, subject: &mut Self::Subject, context: Context<'_>) -> Result<Self::Plan>;

    /// Looks again, now that others are kept away, and returns whether the plan is still right.
    ///
    /// # Errors
    /// Those of [`Operation::plan`].
    fn still_fits(
        &self,
        plan: &Self::Plan,
        subject: &mut Self::Subject,
        context: Context<'_>,
    ) -> Result<bool> {
        subject.look_again()?;
        Ok(self.plan(subject, context)? == *plan)
    }

    /// Carries the plan out, and returns when all nodes see what was done.
    ///
    /// # Errors
    /// Those of the steps.
    fn apply(
        &self,
        plan: Self::Plan,
        subject: &mut Self::Subject,
        context: Context<'_>,
    ) -> Result<Self::Report>;

    /// Carries the plan out under a lock, which is taken on masters that come meanwhile, too.
    ///
    /// # Errors
    /// Those of [`Operation::apply`].
    fn apply_locked(
        &self,
        plan: Self::Plan,
        subject: &mut Self::Subject,
        _lock: Option<&Lock>,
        context: Context<'_>,
    ) -> Result<Self::Report> {
        self.apply(plan, subject, context)
    }

    /// The same request where values of keys may be overwritten, for who agrees to that once two have been found for one key.
    fn overwriting(&self) -> Option<Self> {
        None
    }
}

/// What comes before a plan where a run was interrupted.
#[derive(Clone, Copy, Debug)]
pub enum Recovery<'a> {
    /// Nothing: open slots are not in the way.
    None,
    /// Atomic migrations that servers are at are waited for.
    Wait(&'a MigrateOptions),
    /// That, and open slots are repaired.
    Mend(&'a MigrateOptions),
}

/// What an operation is done to: a cluster, or nodes that are to become one.
pub trait Subject {
    /// The nodes, and where they are.
    fn nodes(&self) -> Vec<(NodeId, Endpoint)>;

    /// Keeps others away.
    ///
    /// # Errors
    /// Those of [`Lock::take`].
    fn lock(&self, verb: &str, context: Context<'_>) -> Result<Lock>;

    /// Asks the nodes again how they are.
    ///
    /// # Errors
    /// Those of the connections.
    fn look_again(&mut self) -> Result<()>;

    /// The cluster, where there is one.
    fn cluster(&mut self) -> Option<&mut Cluster>;
}

impl Subject for Cluster {
    fn nodes(&self) -> Vec<(NodeId, Endpoint)> {
        self.members().iter().map(|it| (it.id(), it.endpoint().clone())).collect()
    }

    fn lock(&self, verb: &str, context: Context<'_>) -> Result<Lock> {
        Lock::take(self, verb, context)
    }

    fn look_again(&mut self) -> Result<()> {
        self.refresh();
        Ok(())
    }

    fn cluster(&mut self) -> Option<&mut Cluster> {
        Some(self)
    }
}

/// Whether to continue, or what to end with.
pub type Answer<H> = Result<ControlFlow<<H as Host>::End>, <H as Host>::Error>;

/// Who has operations carried out. By default it agrees to everything.
pub trait Host {
    /// What may go wrong: our errors, and its own.
    type Error: From<Error>;
    /// What it ends with where it does not want to continue.
    type End;

    /// How to connect.
    fn settings(&self) -> &Settings;

    /// Whether others are kept away while something is changed.
    fn locks(&self) -> bool {
        true
    }

    /// Whether nothing is to be changed: what an interrupted run has left stays as it is.
    fn is_dry_run(&self) -> bool {
        false
    }

    /// What others see instead of [`Operation::VERB`].
    fn called(&self, verb: &'static str) -> &'static str {
        verb
    }

    /// What plans are made with: they change nothing.
    fn context(&self) -> Context<'_>;

    /// Does the work that changes these nodes.
    ///
    /// # Errors
    /// Its own; the work has not been begun then.
    fn work<T>(
        &self,
        verb: &str,
        nodes: Vec<(NodeId, Endpoint)>,
        work: impl FnOnce(Context<'_>) -> T,
    ) -> Result<T, Self::Error>;

    /// Whether open slots that an interrupted run has left are repaired first.
    ///
    /// # Errors
    /// Its own.
    fn mends(&self, _verb: &str, _open: &[Finding]) -> Answer<Self> {
        Ok(ControlFlow::Continue(()))
    }

    /// Is notified how open slots will be repaired.
    fn mending(&self, _plan: &FixPlan) {}

    /// Is notified of what could not be repaired.
    fn mended(&self, _left: &FixPlan) {}

    /// Whether values of keys may be overwritten, after this error.
    ///
    /// # Errors
    /// Its own.
    fn overwrites(&self, _error: &Error) -> Result<bool, Self::Error> {
        Ok(false)
    }
}

/// What a host says to one operation. `()` agrees to everything.
pub trait Dialogue<O: Operation, H: Host + ?Sized> {
    /// Looks at what was found, before anything else is done.
    ///
    /// # Errors
    /// The host's.
    fn discovered(&mut self, _host: &H, _request: &O, _subject: &mut O::Subject) -> Answer<H> {
        Ok(ControlFlow::Continue(()))
    }

    /// Completes the request where something is missing, before the plan is made.
    ///
    /// # Errors
    /// The host's.
    fn ready(&mut self, _host: &H, _request: &mut O, _subject: &mut O::Subject) -> Answer<H> {
        Ok(ControlFlow::Continue(()))
    }

    /// Whether to carry the plan out.
    ///
    /// # Errors
    /// The host's.
    fn approves(&mut self, _host: &H, _plan: &O::Plan, _subject: &mut O::Subject) -> Answer<H> {
        Ok(ControlFlow::Continue(()))
    }
}

impl<O: Operation, H: Host + ?Sized> Dialogue<O, H> for () {}
