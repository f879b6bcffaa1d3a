//! Errors in the words redis-cli uses for them, where it has words.

use std::io;

use redistrib_ops::{Error, ResolveError};

use super::options::Peer;
use crate::escape::Escaped;
use crate::remedy::remedy;

/// The operating system's text for an error, without the number that std puts behind it.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The error as one line for the terminal, with what to do about it.
pub(crate) fn explain(error: &Error, peer: Peer) -> String {
    let server = peer.server();
    let text = match error {
        Error::Connect { node, source } => {
            let reason = reason(source);
            return format!("Could not connect to {server} at {}: {reason}", Escaped(node));
        }
        Error::Resolve(ResolveError { node, source }) => {
            let source = source.to_string();
            let reason = source.rsplit("address information: ").next().unwrap_or_default();
            return format!("Could not connect to {server} at {}: {reason}", Escaped(node));
        }
        Error::Closed { node, command: None } => {
            format!("Error: Server closed the connection ({})", Escaped(node))
        }
        Error::Closed { node, .. } => format!(
            "Error: Server closed the connection ({}; whether the command was executed is not known)",
            Escaped(node)
        ),
        other => format!("Error: {}", Escaped(other)),
    };
    match remedy(error) {
        Some(remedy) => format!("{text} ({remedy})"),
        None => text,
    }
}

/// Whether this is what is expected of a server that was told to shut down: it replies by closing.
pub(super) fn is_goodbye(words: &[Vec<u8>], error: &anyhow::Error) -> bool {
    let shuts_down = words.first().is_some_and(|name| name.eq_ignore_ascii_case(b"shutdown"));
    shuts_down
        && matches!(error.downcast_ref::<Error>(), Some(Error::Closed { .. } | Error::Io { .. }))
}
