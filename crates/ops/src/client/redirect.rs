//! What a node of a cluster says when the key is not its own.

use redistrib_cluster_model::Slot;
use redistrib_resp::Reply;

use crate::{Endpoint, Refusal};

/// Where a node sends us for a slot.
///
/// ```
/// use redistrib_ops::Endpoint;
/// use redistrib_ops::client::Redirect;
///
/// let asked = Endpoint::tcp("10.0.0.1", 7000);
/// let moved = Redirect::parse(b"MOVED 14687 127.0.0.1:7002", &asked).unwrap();
/// assert_eq!(moved.to, Endpoint::tcp("127.0.0.1", 7002));
/// // A node that does not know its own host means the one we asked.
/// let moved = Redirect::parse(b"MOVED 14687 :7002", &asked).unwrap();
/// assert_eq!(moved.to, Endpoint::tcp("10.0.0.1", 7002));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The slot of the key.
    pub slot: Slot,
    /// Where the command belongs.
    pub to: Endpoint,
    /// `ASK`: for this command alone, after ASKING. Otherwise `MOVED`: for good.
    pub ask: bool,
}

impl Redirect {
    /// Reads `MOVED slot host:port` or `ASK slot host:port`, the last colon dividing; `asked` gives the
    /// host where that is empty or `?`. `None` for any other text.
    pub fn parse(error: &[u8], asked: &Endpoint) -> Option<Redirect> {
        let text = std::str::from_utf8(error).ok()?;
        let mut words = text.split_ascii_whitespace();
        let ask = match words.next()? {
            "MOVED" => false,
            "ASK" => true,
            _ => return None,
        };
        let slot = words.next()?.parse().ok()?;
        let (host, port) = words.next()?.rsplit_once(':')?;
        let host = if matches!(host, "" | "?") { asked.host() } else { host };
        let port = port.parse().ok().filter(|&port| port > 0)?;
        Some(Redirect { slot, to: Endpoint::tcp(host, port), ask })
    }
}

/// How a client continues after a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Continuation {
    /// The reply is the answer.
    Done,
    /// The command belongs elsewhere.
    Elsewhere(Redirect),
    /// The command may succeed a moment later.
    Later,
}

/// Reads a reply that came from `asked`.
pub(super) fn verdict(reply: &Reply, asked: &Endpoint) -> Continuation {
    let Some(text) = reply.view().as_error() else { return Continuation::Done };
    match (Redirect::parse(text, asked), Refusal::of(text)) {
        (Some(redirect), _) => Continuation::Elsewhere(redirect),
        // A script may run for ever, and only the user knows whether to end it.
        (None, Refusal::Busy) => Continuation::Done,
        (None, refusal) if refusal.is_passing() => Continuation::Later,
        (None, _) => Continuation::Done,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_send_and_nothing_else() {
        let asked = Endpoint::tcp("::1", 7000);
        let parse = |text: &str| Redirect::parse(text.as_bytes(), &asked);
        let ask = parse("ASK 0 fe80::1:7001").unwrap();
        assert_eq!((ask.ask, ask.to), (true, Endpoint::tcp("fe80::1", 7001)));
        assert_eq!(parse("MOVED 1 ?:7001").unwrap().to, Endpoint::tcp("::1", 7001));
        for text in [
            "",
            "MOVED",
            "MOVED 1",
            "MOVED 1 h",
            "MOVED 16384 h:1",
            "MOVED -1 h:1",
            "MOVED 1 h:0",
            "MOVED 1 h:65536",
            "MOVEDX 1 h:1",
            "ERR MOVED 1 h:1",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
