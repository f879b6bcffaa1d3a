//! What an error reply to a command on one key means for the transfer.

use redistrib_resp::Reply;

use crate::client::Redirect;
use crate::{Endpoint, Refusal};

/// The ways on after an error reply.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Hint {
    /// The key belongs elsewhere.
    Elsewhere(Redirect),
    /// The server is not ready; it will be.
    Later,
    /// The key is there already.
    Busy,
    /// The payload is not understood.
    Payload,
    /// No key at all can be written there as things are.
    Hopeless,
    /// The key was refused for a reason of its own.
    Refused,
}

/// Reads an error reply of `node`.
pub(super) fn read_hint(error: &str, node: &Endpoint) -> Hint {
    if let Some(redirect) = Redirect::parse(error.as_bytes(), node) {
        return Hint::Elsewhere(redirect);
    }
    match Refusal::of(error.as_bytes()) {
        refusal if refusal.is_passing() => Hint::Later,
        Refusal::KeyExists => Hint::Busy,
        Refusal::BadPayload => Hint::Payload,
        Refusal::OutOfMemory
        | Refusal::ReadOnly
        | Refusal::PasswordNeeded
        | Refusal::NotPermitted
        | Refusal::CannotSave
        | Refusal::TooFewReplicas
        | Refusal::Denied => Hint::Hopeless,
        _ => Hint::Refused,
    }
}

/// The text of an error reply.
pub(super) fn error_text(reply: &Reply) -> String {
    String::from_utf8_lossy(reply.view().as_error().unwrap_or(b"no error")).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_shows_its_way_on() {
        let node = Endpoint::tcp("10.0.0.1", 7000);
        let moved = Redirect::parse(b"MOVED 3999 127.0.0.1:6381", &node).unwrap();
        for (error, hint) in [
            ("MOVED 3999 127.0.0.1:6381", Hint::Elsewhere(moved)),
            ("MOVED 99999 h:1", Hint::Refused),
            ("MOVED 1 h:0", Hint::Refused),
            ("MOVED", Hint::Refused),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Hint::Later),
            ("BUSYKEY Target key name already exists.", Hint::Busy),
            ("ERR DUMP payload version or checksum are wrong", Hint::Payload),
            ("ERR Bad data format", Hint::Payload),
            ("OOM command not allowed when used memory > 'maxmemory'.", Hint::Hopeless),
            ("ERR something else", Hint::Refused),
        ] {
            assert_eq!(read_hint(error, &node), hint, "{error}");
        }
    }
}
