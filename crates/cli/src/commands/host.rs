//! The terminal as the host of operations: whom it asks what, and what it shows, whatever the verb.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;

use anyhow::ensure;
use redistrib_ops::model::{Finding, NodeId};
use redistrib_ops::{
    Answer, Context, Dialogue, Endpoint, Error, FixPlan, Host, Operation, Settings, Silent, run,
};

use super::{Outcome, Session};
use crate::prompt::Prompt;
use crate::render;
use crate::report::Reporter;

impl Session {
    /// Has an operation carried out once its plan has been shown and approved, and returns what came of it.
    pub(super) fn carry_out<O: Operation>(
        &self,
        request: O,
        approves: impl FnMut(&O::Plan, &mut O::Subject) -> Answer<Self>,
        tell: impl FnOnce(O::Report) -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<Outcome> {
        self.run(request, Approval(approves), tell)
    }

    /// The same where more is to be said than yes or no to the plan.
    pub(super) fn run<O: Operation>(
        &self,
        request: O,
        mut dialogue: impl Dialogue<O, Self>,
        tell: impl FnOnce(O::Report) -> anyhow::Result<Outcome>,
    ) -> anyhow::Result<Outcome> {
        match run(request, self, &mut dialogue)? {
            ControlFlow::Continue(report) => tell(report),
            ControlFlow::Break(outcome) => Ok(outcome),
        }
    }
}

/// What follows from a yes or a no.
pub(super) fn go_on(agreed: bool) -> ControlFlow<Outcome> {
    if agreed { ControlFlow::Continue(()) } else { ControlFlow::Break(Outcome::Failed) }
}

/// A dialogue that is about the plan alone.
struct Approval<F>(F);

impl<O, F> Dialogue<O, Session> for Approval<F>
where
    O: Operation,
    F: FnMut(&O::Plan, &mut O::Subject) -> Answer<Session>,
{
    fn approves(
        &mut self,
        _session: &Session,
        plan: &O::Plan,
        subject: &mut O::Subject,
    ) -> Answer<Session> {
        self.0(plan, subject)
    }
}

impl Host for Session {
    type Error = anyhow::Error;
    type End = Outcome;

    fn settings(&self) -> &Settings {
        &self.settings
    }

    fn locks(&self) -> bool {
        self.lock
    }

    fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    fn called(&self, verb: &'static str) -> &'static str {
        self.verb.unwrap_or(verb)
    }

    fn context(&self) -> Context<'_> {
        Context::new(&Silent, self.interrupts.cancel())
    }

    fn work<T>(
        &self,
        verb: &str,
        nodes: Vec<(NodeId, Endpoint)>,
        work: impl FnOnce(Context<'_>) -> T,
    ) -> anyhow::Result<T> {
        let names = nodes.into_iter().map(|(id, endpoint)| (id, endpoint.to_string()));
        let reporter = Reporter::calling(&self.output, names).of(verb);
        let result = self.interrupts.during(|cancel| work(Context::new(&reporter, cancel)));
        reporter.close();
        Ok(result?)
    }

    fn mends(&self, verb: &str, open: &[Finding]) -> Answer<Self> {
        self.tell_open(open);
        // Scripts of redis-cli's look for this sentence, and continue with `--cluster fix`.
        ensure!(
            self.mends,
            "*** Please fix your cluster problems before {}",
            if verb == "reshard" { "resharding" } else { "rebalancing" }
        );
        if self.dry_run || self.may(|prompt| prompt.accepts("Can I mend the open slots first?"))? {
            return Ok(ControlFlow::Continue(()));
        }
        Ok(ControlFlow::Break(Outcome::Failed))
    }

    fn mending(&self, plan: &FixPlan) {
        self.output.lines(render::fix(plan));
    }

    fn mended(&self, left: &FixPlan) {
        self.output.lines(render::blocked(left));
    }

    /// Asks, if somebody is there to answer. That nobody is to be asked (`--yes`) does not say which value is right.
    fn overwrites(&self, error: &Error) -> anyhow::Result<bool> {
        if self.output.is_json() || !io::stdin().is_terminal() {
            return Ok(false);
        }
        self.output.line(format_args!("[WARNING] {error}"));
        let question =
            "Overwrite the values at the target, of these keys and of any others that have two?";
        Ok(Prompt::standard().accepts(question)?)
    }
}
