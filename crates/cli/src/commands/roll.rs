//! `roll`.

use std::ops::ControlFlow;

use redistrib_ops::model::plan::roll::{RollPlan, RollTurn, TurnRole};
use redistrib_ops::model::{NodeLabel, counted, is_or_are};
use redistrib_ops::{Cluster, Endpoint, Error, Roll, RollError, RollOptions};
use serde::Serialize;

use super::host::go_on;
use super::{Outcome, Session};
use crate::args::RollArgs;
use crate::voice;

/// The plan, which is all that `--dry-run` prints.
#[derive(Serialize)]
struct RollDocument<'a> {
    event: &'static str,
    #[serde(flatten)]
    plan: &'a RollPlan,
}

/// How it ended.
#[derive(Serialize)]
struct RolledDocument<'a> {
    event: &'static str,
    done: &'a [NodeLabel],
    /// The longest time for which a failover held the writes of a probe up; null where there was none.
    held_up_us: Option<u64>,
}

/// Where it stopped, and the command that continues.
#[derive(Serialize)]
struct StoppedDocument<'a> {
    event: &'static str,
    done: &'a [NodeLabel],
    left: &'a [NodeLabel],
    back: &'a [NodeLabel],
    next: &'a str,
}

pub(super) fn roll(args: &RollArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_change(&args.change)?;
    let output = &session.output;
    let request = Roll {
        seed: args.seed.node.clone(),
        only: args.only.clone(),
        back: args.back.clone(),
        no_failback: args.no_failback,
        allow_downtime: args.allow_downtime,
        options: RollOptions {
            command: args.exec.clone(),
            command_deadline: args.exec_timeout,
            must_restart: !args.no_restart,
            patience: args.timeout,
        },
    };
    let approves = |plan: &RollPlan, _: &mut Cluster| {
        output.lines(described(plan));
        output.document(&RollDocument { event: "plan", plan });
        if session.dry_run {
            return Ok(ControlFlow::Break(Outcome::Done));
        }
        let question =
            format!("Run the command for {}, one by one?", counted(plan.turns.len(), "node"));
        Ok(go_on(session.may(|prompt| prompt.accepts(&question))?))
    };
    let rolled = session.carry_out(request, approves, |rolled| {
        let pause = rolled.held_up.map_or_else(String::new, |time| {
            format!("; writes were held up for {:.1} ms at most", time.as_secs_f64() * 1e3)
        });
        let count = rolled.done.len();
        let (nodes, are) = (counted(count, "node"), is_or_are(count));
        output.line(format_args!("[OK] {nodes} {are} done{pause}."));
        let held_up_us = rolled.held_up.and_then(|time| u64::try_from(time.as_micros()).ok());
        output.document(&RolledDocument { event: "rolled", done: &rolled.done, held_up_us });
        Ok(Outcome::Done)
    });
    rolled.map_err(|error| tell_stopped(args, &session, error))
}

/// The plan, a line for each node.
fn described(plan: &RollPlan) -> Vec<String> {
    let line = |(place, turn): (usize, &RollTurn)| {
        let role = match &turn.role {
            TurnRole::Replica { master } => format!("replica of {master}"),
            TurnRole::Idle => "no slots".into(),
            TurnRole::Master { slots, deputy, returns } => format!(
                "master of {}; {deputy} takes its place{}",
                counted(*slots, "slot"),
                if *returns { " meanwhile" } else { "" }
            ),
            TurnRole::Alone { slots } => {
                format!(
                    "master of {}; nobody can take its place: they are not served meanwhile",
                    counted(*slots, "slot")
                )
            }
        };
        let version = turn.version.as_deref().unwrap_or("it does not answer");
        format!("{place}. {}  {version}, {role}", turn.node)
    };
    let turns = (1..).zip(&plan.turns).map(line);
    let back = plan.back.iter().map(|node| format!("At the end {node} is master again"));
    turns.chain(back).collect()
}

/// Says how to continue after a run that has stopped before its end.
fn tell_stopped(args: &RollArgs, session: &Session, error: anyhow::Error) -> anyhow::Error {
    let Some(Error::Roll(stopped)) = error.downcast_ref() else { return error };
    let RollError::Stopped { done, left, back, seed, source } = &**stopped else { return error };
    let next = next_command(args, left, back, seed);
    session.output.document(&StoppedDocument { event: "stopped", done, left, back, next: &next });
    let hint = match &**source {
        Error::Roll(error) if matches!(**error, RollError::NotRestarted { .. }) => {
            voice::spelt("; if it does not restart servers, give --no-restart")
        }
        Error::NotSettled { .. } => {
            "; its log tells why, as where its data are too new for it".to_owned()
        }
        _ => String::new(),
    };
    let leave_out = match left.first() {
        Some(first) => format!(" (without {first} if that is done by then)"),
        None => String::new(),
    };
    anyhow::anyhow!("{error}{hint}; once all is well go on with{leave_out}: {next}")
}

/// The command that continues where a run has stopped; how to connect is left to the user, who knows it.
fn next_command(
    args: &RollArgs,
    left: &[NodeLabel],
    back: &[NodeLabel],
    seed: &Endpoint,
) -> String {
    let listed = |nodes: &[NodeLabel]| {
        nodes.iter().map(|node| node.address.clone()).collect::<Vec<_>>().join(",")
    };
    if left.is_empty() {
        let again = back.iter().map(|node| voice::spelt(format!("redis-trib failover {node}")));
        return again.collect::<Vec<_>>().join("; ");
    }
    let flags = [
        (args.no_failback, "--no-failback"),
        (args.allow_downtime, "--allow-downtime"),
        (args.no_restart, "--no-restart"),
    ];
    let given = flags.iter().filter(|(given, _)| *given);
    let mut options: Vec<String> = given.map(|(_, flag)| (*flag).to_owned()).collect();
    options.extend(args.timeout.map(|time| format!("--timeout {}", time.as_millis())));
    options.push(format!("--exec-timeout {}", args.exec_timeout.as_millis()));
    options.push(format!("--continue {}", listed(left)));
    options.extend((!back.is_empty()).then(|| format!("--back {}", listed(back))));
    // A command of the user's keeps its words.
    let roll = voice::spelt(format!("redis-trib roll {seed} --exec"));
    [roll, quoted(&args.exec), voice::spelt(options.join(" "))].join(" ")
}

/// The text as a word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_quoted_command_is_one_word() {
        assert_eq!(quoted("ssh $HOST 'x y'"), r"'ssh $HOST '\''x y'\'''");
    }
}
