//! How large an answer may be: as large as a user's data can be, and much smaller where it says something of the server.

use redistrib_resp::{Command, DecodeErrorKind, Limits};

use super::Asked;

/// The most that is taken of an answer about a server. The longest ones that a healthy server gives are far below: `CLUSTER NODES` of
/// 16,000 nodes is some 3 MB, `CLIENT LIST` of 65,000 clients some 25 MB.
const MOST_ABOUT_SERVER: usize = 64 << 20;

/// Commands that are answered with a word or with something about the server, not with a user's data.
const ABOUT_SERVER: [&str; 24] = [
    "ACL", "ASKING", "AUTH", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "HELLO", "INFO",
    "LATENCY", "MEMORY", "MIGRATE", "MULTI", "PING", "PUBLISH", "READONLY", "REPLCONF", "RESTORE",
    "ROLE", "SELECT", "TIME", "UNWATCH", "WATCH",
];

/// What the answer to a command may ask of the decoder.
pub(super) fn limits_of(asked: Asked<'_>) -> Limits {
    let all = Limits::default();
    if !asked.is_some_and(is_about_server) {
        return all;
    }
    Limits { max_bulk: MOST_ABOUT_SERVER, max_reply: MOST_ABOUT_SERVER, ..all }
}

fn is_about_server(command: &Command) -> bool {
    let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    // Names of keys are a user's data.
    let names_keys = || command.args().nth(1).is_some_and(|word| is(word, "GETKEYSINSLOT"));
    ABOUT_SERVER.iter().any(|name| is(command.name(), name)) && !names_keys()
}

/// Says that an answer is too large, where the decoder has refused it for that.
pub(super) fn excess(asked: Asked<'_>, kind: DecodeErrorKind) -> Option<String> {
    use DecodeErrorKind::{BulkTooLong, ReplyTooLong};
    (asked.is_some_and(is_about_server) && matches!(kind, BulkTooLong | ReplyTooLong)).then(|| {
        let most = MOST_ABOUT_SERVER >> 20;
        format!("it is larger than {most} MiB, the most that is taken of an answer about a server")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_with_data_of_users_may_be_as_large_as_these() {
        let most = |words: &[&str]| limits_of(Some(&Command::from_args(words))).max_bulk;
        for words in [&["cluster", "nodes"][..], &["CONFIG", "GET", "*"], &["RESTORE", "k"]] {
            assert_eq!(most(words), MOST_ABOUT_SERVER, "{words:?}");
        }
        for words in [&["GET", "k"][..], &["DUMP", "k"], &["CLUSTER", "getkeysinslot"], &["EXEC"]] {
            assert_eq!(most(words), 512 << 20, "{words:?}");
        }
        assert_eq!(limits_of(None), Limits::default());
    }
}
