//! What an operation reports, as bars on a terminal, as lines elsewhere, or as JSON events.

mod bars;
mod changing;
mod lines;

use std::io::IsTerminal;
use std::time::Duration;

use redistrib_ops::model::NodeId;
use redistrib_ops::{Cluster, Event, Observer, Step};

use crate::escape::Escaped;
use crate::output::{Output, tell_error};
use crate::render::bytes;
use crate::voice;
use bars::Bars;
use lines::Lines;

/// The observer that the commands use.
#[derive(Debug)]
pub struct Reporter<'a> {
    output: &'a Output,
    progress: ProgressStyle,
}

#[derive(Debug)]
enum ProgressStyle {
    Bars(Bars),
    Lines(Lines),
    /// The events themselves are the progress.
    Events,
}

impl<'a> Reporter<'a> {
    /// Bars if standard error is a terminal, lines if it is not or a peer's words are spoken, events where JSON is wanted.
    pub fn new(output: &'a Output) -> Self {
        let has_bars = std::io::stderr().is_terminal() && voice::peer().is_none();
        let progress = match (output.is_json(), has_bars) {
            (true, _) => ProgressStyle::Events,
            (false, true) => ProgressStyle::Bars(Bars::new()),
            (false, false) => ProgressStyle::Lines(Lines::default()),
        };
        Self { output, progress }
    }

    /// One that calls the cluster's nodes by their addresses.
    pub fn naming(output: &'a Output, cluster: &Cluster) -> Self {
        let names = cluster.members().iter().map(|it| (it.id(), it.endpoint().to_string()));
        let reporter = Self::calling(output, names);
        if let ProgressStyle::Bars(bars) = &reporter.progress {
            bars.learn_masters(cluster.masters().map(|it| (it.id(), it.node().slots.first())));
        }
        reporter
    }

    /// One that calls nodes by these names.
    pub fn calling(output: &'a Output, names: impl Iterator<Item = (NodeId, String)>) -> Self {
        let reporter = Self::new(output);
        match &reporter.progress {
            ProgressStyle::Bars(bars) => bars.learn_names(names),
            ProgressStyle::Lines(lines) => lines.learn_names(names),
            ProgressStyle::Events => {}
        }
        reporter
    }

    /// The same, for what is done by this verb: as lines, each peer reports its moves in a way of its own.
    pub fn of(mut self, verb: &str) -> Self {
        if let (ProgressStyle::Lines(lines), Some(peer)) = (&mut self.progress, voice::peer()) {
            lines.speak_as(peer, verb);
        }
        self
    }

    /// A step as a line. What only we announce is for somebody who sits there, under a peer's name.
    fn step(&self, step: &Step) {
        match step {
            Step::Meeting { node: Some(node), master } if voice::peer().is_some() => {
                self.output.lines(introduction(node, master.as_deref()));
            }
            // That has been said with it.
            Step::WaitingToJoin { node: Some(_) } if voice::peer().is_some() => {}
            Step::Other { text } if voice::peer().is_some() => {
                if std::io::stderr().is_terminal() {
                    tell_error(format_args!(">>> {}", Escaped(text)));
                }
            }
            step => self.output.line(step_line(step)),
        }
    }

    /// Takes bars away: the operation has ended, successfully or not.
    pub fn close(&self) {
        if let ProgressStyle::Bars(bars) = &self.progress {
            bars.close(self.output);
        }
    }
}

impl Observer for Reporter<'_> {
    fn event(&self, event: &Event) {
        match event {
            Event::Step { step } => self.step(step),
            Event::NodeBegun { node, place, of } => {
                self.output.line(format_args!(">>> {place} of {of}: {node}"));
            }
            Event::NodeOutput { node, text } => self.output.line(format_args!("{node} | {text}")),
            Event::NodeDone { node, restarted, before, after, took } => {
                let versions = versions(before.as_deref(), after.as_deref());
                let again = if *restarted { "is back" } else { "has not restarted, and is well" };
                let seconds = took.as_secs_f64();
                self.output
                    .line(format_args!("[OK] {node} {again} after {seconds:.1} s, {versions}"));
            }
            Event::NotReset { node, .. } if voice::peer().is_some() => {
                self.output.line(format_args!(
                    ">>> WARNING: Could not connect to node {node}, unable to send CLUSTER RESET."
                ))
            }
            // Under a peer's name, too: for many a script something on standard error is a failure.
            Event::Warning { text } | Event::NotReset { text, .. } => {
                self.output.line(format_args!("[WARNING] {text}"))
            }
            _ => {}
        }
        match &self.progress {
            ProgressStyle::Bars(bars) => bars.event(event, self.output),
            ProgressStyle::Lines(lines) => lines.event(event, self.output),
            ProgressStyle::Events => self.output.document(event),
        }
    }
}

/// What a server was and is.
fn versions(before: Option<&str>, after: Option<&str>) -> String {
    match (before, after.unwrap_or("of an unknown version")) {
        (Some(before), after) if before != after => format!("{before} before, {after} now"),
        (_, after) => after.to_owned(),
    }
}

/// What the source waits for, while it serves nobody.
fn large_key(key: &str, size: u64, expected: Duration, elapsed: Duration) -> String {
    let (size, expected) = (bytes(size), expected.as_secs_f64());
    let about = format!("key {key} of about {size} holds the source up for about {expected:.1} s");
    if elapsed.is_zero() {
        about
    } else {
        format!("{about}, {:.0} s so far", elapsed.as_secs_f64())
    }
}

/// What a peer reports when a newcomer is met.
fn introduction(node: &str, master: Option<&str>) -> Vec<String> {
    let meet = format!(">>> Send CLUSTER MEET to node {node} to make it join the cluster.");
    match master {
        None => vec![
            ">>> Getting functions from cluster".into(),
            format!(">>> Send FUNCTION LIST to {node} to verify there is no functions in it"),
            format!(">>> Send FUNCTION RESTORE to {node}"),
            meet,
        ],
        Some(master) => vec![
            meet,
            "Waiting for the cluster to join".into(),
            String::new(),
            format!(">>> Configure node as replica of {master}."),
        ],
    }
}

/// A step as a line, in the peers' words where they have any.
fn step_line(step: &Step) -> String {
    match step {
        Step::AssigningSlots => ">>> Nodes configuration updated".into(),
        Step::AssigningEpochs => ">>> Assign a different config epoch to each node".into(),
        Step::Meeting { .. } => ">>> Sending CLUSTER MEET messages to join the cluster".into(),
        Step::WaitingToJoin { .. } => "Waiting for the cluster to join".into(),
        Step::Following { replica, master } => format!(">>> {replica} as replica of {master}"),
        Step::Forgetting => ">>> Sending CLUSTER FORGET messages to the cluster...".into(),
        Step::Resetting { hard } => {
            let how = if *hard { "HARD" } else { "SOFT" };
            format!(">>> Sending CLUSTER RESET {how} to the deleted node.")
        }
        Step::SavingData { node } => format!(">>> Node {node} -> Saving RDB..."),
        Step::SavingShape { file } => {
            // Theirs has no mark before this one.
            let mark = if voice::peer().is_some() { "" } else { ">>> " };
            format!("{mark}Saving cluster configuration to: {file}")
        }
        Step::Other { text } => format!(">>> {text}"),
        step => format!(">>> {step:?}"),
    }
}
