//! How a verb says that it has failed.

use std::io;

use redistrib_ops::lab::Failure;
use redistrib_ops::{Error, MembershipError};
use serde::Serialize;

use super::Outcome;
use crate::escape::Escaped;
use crate::output::{Output, complain, tell_error};
use crate::remedy;
use crate::shell::explain;
use crate::style::Style;
use crate::voice;

/// The last line that a verb prints with `--json` when it fails.
#[derive(Serialize)]
struct FailedDocument<'a> {
    event: &'static str,
    error: &'a str,
}

/// Whether this is nothing but a standard output that nobody reads any more. What breaks towards a server has a type of its own.
pub(super) fn is_closed_output(error: &anyhow::Error) -> bool {
    error.downcast_ref().is_some_and(|error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Prints a failure, with `--json` as a document, too.
pub(super) fn tell(error: &anyhow::Error, json: bool) {
    let text = describe(error);
    if json {
        document(&Output::new(true), &text);
    }
    tell_people(error, &text, json);
}

/// The outcome, a failure reported: on standard error under any name, as standard output is for replies.
pub(super) fn on_standard_error(result: anyhow::Result<Outcome>) -> anyhow::Result<Outcome> {
    result.or_else(|error| {
        tell_error(Style::of_stderr().line(format!("[ERR] {}", Escaped(describe(&error)))));
        Ok(Outcome::Failed)
    })
}

/// The failure as a document, where documents are wanted.
pub(super) fn document(output: &Output, error: &str) {
    output.document(&FailedDocument { event: "failed", error });
}

/// Prints an error on one line, whatever a server has put into it. Only a local server's log has lines of its own.
fn tell_people(error: &anyhow::Error, text: &str, json: bool) {
    let (known, is_lab) = match error.downcast_ref() {
        Some(Failure::Other(known)) => (Some(known), false),
        Some(_) => (None, true),
        None => (error.downcast_ref::<Error>(), false),
    };
    // On standard error there, too.
    if let (Some(error @ (Error::Connect { .. } | Error::Resolve { .. })), Some(peer)) =
        (known, voice::peer())
    {
        return tell_error(explain(error, peer));
    }
    let (first, rest) =
        if is_lab { text.split_once('\n').unwrap_or((text, "")) } else { (text, "") };
    // A sentence with stars is a peer's own, which has no mark before it.
    let mark = if first.starts_with("***") { "" } else { "[ERR] " };
    complain(format_args!("{mark}{first}"), json);
    rest.lines().for_each(|line| tell_error(format_args!("  {}", Escaped(line))));
}

/// The error and its remedy; in the words of a peer where it has a sentence for it and we speak as it does.
fn describe(error: &anyhow::Error) -> String {
    // Our own errors name their causes themselves.
    let known = match error.downcast_ref() {
        Some(Failure::Other(known)) if !matches!(known, Error::Name(_)) => Some(known),
        Some(failure) => return remedy::with(failure, remedy::for_lab(failure)),
        None => error.downcast_ref::<Error>(),
    };
    let Some(known) = known else {
        return remedy::with(
            format!("{error:#}"),
            error.downcast_ref().and_then(remedy::for_fleet),
        );
    };
    if let Some(words) = voice::peer().and_then(|_| in_peers_words(known)) {
        return words;
    }
    remedy::with(known, remedy::remedy(known))
}

fn in_peers_words(error: &Error) -> Option<String> {
    Some(match error {
        Error::NotCluster { node } => format!("Node {node} is not configured as a cluster node."),
        Error::NotEmpty { node, .. } | Error::Membership(MembershipError::ItsOwnSeed(node)) => {
            format!(
                "Node {node} is not empty. Either the node already knows other nodes (check with CLUSTER NODES) or contains some key in database 0."
            )
        }
        Error::Membership(MembershipError::OwnsSlots { node, .. }) => {
            format!("Node {node} is not empty! Reshard data away and try again.")
        }
        Error::NoSuchNode { id, .. } => format!("No such node ID {id}"),
        _ => return None,
    })
}
