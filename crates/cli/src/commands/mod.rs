//! The verbs: each takes its arguments, has `redistrib_ops` do it, and shows what came of it.

mod backup;
mod bench;
mod call;
mod completions;
mod create;
mod declared;
mod failover;
mod failure;
mod fix;
mod forget_failed;
mod host;
mod inspect;
mod join;
mod lab;
mod man;
mod meet;
mod members;
mod migrate_slots;
mod moves;
mod rebalance;
mod replace;
mod reshard;
mod restore;
mod roll;
mod sharded;
mod terminal;
mod top;
mod transfer;

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use redistrib_ops::model::Finding;
use redistrib_ops::{Cluster, Context, Endpoint, Settings};

use crate::args::{ChangeArgs, MigrationArgs, ReportArgs, UsageError, Verb, WorkArgs};
use crate::escape::Escaped;
use crate::interrupt::Interrupts;
use crate::output::{Output, print_bytes, tell_error, unwritten};
use crate::prompt::{Prompt, StandardPrompt};
use crate::render;
use crate::report::Reporter;
use crate::secrets;
use crate::voice;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, and nothing is wrong.
    Done,
    /// Failed, refused by the user, or what was looked at is not healthy.
    Failed,
    /// There is something to do, and the caller asked to see it in the exit code.
    Differs,
    /// Asked for what there is not: wrong usage.
    Misused,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            Outcome::Failed => Self::FAILURE,
            // The peers know no other failure.
            Outcome::Misused => Self::from(if voice::peer().is_some() { 1 } else { 2 }),
            Outcome::Differs => Self::from(2),
        }
    }
}

/// Prints a complaint on standard error, or the help that was asked for on standard output.
pub fn tell_usage(usage: &UsageError) -> ExitCode {
    let text = usage.text();
    if usage.was_asked_for() {
        return match print_bytes(text.as_bytes()) {
            Ok(()) => Outcome::Done.into(),
            Err(error) => {
                tell_unwritten(&error);
                Outcome::Failed.into()
            }
        };
    }
    text.lines().for_each(|line| tell_error(Escaped(secrets::without_uri_passwords(line))));
    Outcome::Misused.into()
}

/// Reports that whoever keeps the output has not all of it.
fn tell_unwritten(error: &io::Error) {
    tell_error(format_args!("[ERR] not all of this could be written: {error}"));
}

/// Does what the verb says, and prints the error if that fails.
pub fn run(verb: Verb) -> Outcome {
    let (json, result) = match verb {
        Verb::Create(args) => (args.change.work.json, create::create(&args)),
        Verb::Check(args) => (args.report.json, inspect::check(&args)),
        Verb::Info(args) => (args.report.json, inspect::info(&args)),
        Verb::List(args) => (args.report.json, inspect::list(&args)),
        Verb::Status(args) => (args.report.json, inspect::status(&args)),
        Verb::Top(args) => (false, top::top(&args)),
        Verb::Fix(args) => (args.change.work.json, fix::fix(&args)),
        Verb::Reshard(args) => (args.change.work.json, reshard::reshard(&args)),
        Verb::Rebalance(args) => (args.change.work.json, rebalance::rebalance(&args)),
        Verb::MigrateSlots(args) => (args.change.work.json, migrate_slots::migrate_slots(&args)),
        Verb::AddNode(args) => (args.change.work.json, members::add_node(&args)),
        Verb::DelNode(args) => (args.change.work.json, members::del_node(&args)),
        Verb::ForgetFailed(args) => (args.change.work.json, forget_failed::forget_failed(&args)),
        Verb::Meet(args) => (args.change.work.json, meet::meet(&args)),
        Verb::Replace(args) => (args.change.work.json, replace::replace(&args)),
        Verb::Failover(args) => (args.change.work.json, failover::failover(&args)),
        Verb::Roll(args) => (args.change.work.json, roll::roll(&args)),
        Verb::SetTimeout(args) => (args.change.work.json, members::set_timeout(&args)),
        Verb::Call(args) => (args.report.json, call::call(&args)),
        Verb::Export(args) => (args.report.json, declared::export(&args)),
        Verb::Plan(args) => (args.report.json, declared::plan(&args)),
        Verb::Apply(args) => (args.change.work.json, declared::apply(&args)),
        Verb::Backup(args) => (args.work.json, backup::backup(&args)),
        Verb::Restore(args) => (args.work.json, restore::restore(&args)),
        Verb::Bench(args) => (args.change.work.json, bench::bench(&args)),
        Verb::Import(args) => (args.transfer.work.json, transfer::import(&args)),
        Verb::Copy(args) => (args.transfer.work.json, transfer::copy(&args)),
        Verb::ReshardFleet(args) => (args.transfer.work.json, transfer::reshard_fleet(&args)),
        Verb::Sharded(args) => (args.verb.is_json(), sharded::sharded(&args.verb)),
        Verb::Start(args) => (args.change.work.json, create::start(&args)),
        Verb::StartMulti(args) => (args.change.work.json, create::start(&args)),
        Verb::Join(args) => (args.change.work.json, join::join(&args)),
        Verb::JoinNoLoad(args) => (args.change.work.json, join::join_no_load(&args)),
        Verb::Replicate(args) => (args.change.work.json, join::replicate(&args)),
        Verb::Quit(args) => (args.change.work.json, members::quit(&args)),
        Verb::Shutdown(args) => (args.change.work.json, members::shutdown(&args)),
        Verb::Rescue(args) => (args.change.work.json, join::rescue(&args)),
        Verb::Shell(args) => (false, failure::on_standard_error(terminal::shell(&args))),
        Verb::Exec(args) => (false, failure::on_standard_error(terminal::exec(&args))),
        Verb::Keyslot(args) => (false, terminal::keyslot(&args)),
        Verb::Lab(args) => (args.verb.is_json(), lab::lab(&args.verb)),
        Verb::Completions(args) => (false, completions::completions(&args)),
        Verb::Man(args) => (false, man::man(&args)),
    };
    match result {
        // Nobody reads: no failure, as everywhere.
        Err(error) if failure::is_closed_output(&error) => Outcome::Done,
        Err(error) => {
            failure::tell(&error, json);
            Outcome::Failed
        }
        Ok(outcome) => match unwritten() {
            Some(error) => {
                tell_unwritten(error);
                Outcome::Failed
            }
            None => outcome,
        },
    }
}

/// What every verb with a cluster needs.
struct Session {
    output: Output,
    settings: Settings,
    /// What Ctrl-C does.
    interrupts: Interrupts,
    /// Whether the user has agreed beforehand.
    yes: bool,
    dry_run: bool,
    /// Whether to keep others away from the cluster.
    lock: bool,
    /// Whether open slots may be repaired before slots are moved.
    mends: bool,
    /// The verb, where an operation has several.
    verb: Option<&'static str>,
}

impl Session {
    fn for_report(args: &ReportArgs) -> anyhow::Result<Self> {
        Ok(Self {
            output: Output::new(args.json),
            settings: secrets::settings(&args.connect)?,
            interrupts: Interrupts::default(),
            yes: args.yes,
            dry_run: false,
            lock: false,
            mends: true,
            verb: None,
        })
    }

    fn for_work(args: &WorkArgs) -> anyhow::Result<Self> {
        Ok(Self {
            output: Output::new(args.json),
            settings: secrets::settings(&args.connect)?,
            interrupts: Interrupts::default(),
            yes: args.yes,
            dry_run: args.dry_run,
            lock: false,
            mends: true,
            verb: None,
        })
    }

    fn for_change(args: &ChangeArgs) -> anyhow::Result<Self> {
        Ok(Self { lock: !args.no_lock, ..Self::for_work(&args.work)? })
    }

    fn for_moves(change: &ChangeArgs, migration: &MigrationArgs) -> anyhow::Result<Self> {
        Ok(Self { mends: !migration.no_mend, ..Self::for_change(change)? })
    }

    /// The same under this verb's name.
    fn called(self, verb: &'static str) -> Self {
        Self { verb: Some(verb), ..self }
    }

    fn discover(&self, seed: &Endpoint) -> anyhow::Result<Cluster> {
        Ok(Cluster::discover(seed, &self.settings)?)
    }

    /// Ends a verb that has reported what is wrong with the sentence that peers end with; with `--json` as any failure.
    fn fail(&self, text: &str) -> Outcome {
        self.output.line(text);
        if self.output.is_json() {
            let error = text.trim_start_matches(['*', ' ']);
            failure::document(&self.output, error);
            tell_error(format_args!("[ERR] {error}"));
        }
        Outcome::Failed
    }

    /// Whether to continue: agreed beforehand, or asked and answered; a no is confirmed. With `--json` nobody is
    /// asked.
    fn may(
        &self,
        ask: impl FnOnce(&mut StandardPrompt) -> io::Result<bool>,
    ) -> anyhow::Result<bool> {
        if self.yes { Ok(true) } else { self.insist(ask) }
    }

    /// Like [`Session::may`], where nothing that was agreed beforehand counts.
    fn insist(
        &self,
        ask: impl FnOnce(&mut StandardPrompt) -> io::Result<bool>,
    ) -> anyhow::Result<bool> {
        anyhow::ensure!(
            !self.output.is_json(),
            voice::spelt("nobody can be asked with --json: give --yes")
        );
        let agreed = ask(&mut Prompt::standard())?;
        if !agreed && voice::peer().is_none() {
            tell_error("[ERR] Not without a yes, typed or given as --yes: this has not been begun");
        }
        Ok(agreed)
    }

    /// Shows which slots an interrupted run has left open.
    fn tell_open(&self, open: &[Finding]) {
        self.output.lines(open.iter().map(render::finding));
        if self.dry_run && !open.is_empty() {
            self.output.line("The open slots would be mended first.");
        }
    }

    /// Like [`Session::may`], for verbs whose scripts were never asked: only somebody at a terminal is, with the plan above the
    /// question.
    fn may_at_terminal(&self, plan: &[String], question: &str) -> anyhow::Result<bool> {
        if self.yes || self.output.is_json() || !io::stdin().is_terminal() {
            return Ok(true);
        }
        self.output.lines(plan.iter().cloned());
        self.may(|prompt| prompt.accepts(question))
    }

    /// Runs work with a reporter, in which Ctrl-C has its two steps.
    fn act<T, E>(
        &self,
        reporter: &Reporter<'_>,
        work: impl FnOnce(Context<'_>) -> Result<T, E>,
    ) -> anyhow::Result<T>
    where
        anyhow::Error: From<E>,
    {
        let result = self.interrupts.during(|cancel| work(Context::new(reporter, cancel)));
        reporter.close();
        Ok(result??)
    }
}
