//! Texts that name our verbs and options, as they are written in the dialect of redis-cli and valkey-cli.

use super::program::NOT_OF_CLUSTERS;
use super::theirs::is_shared;

const OURS: &str = "redis-trib ";
const PREFIX: &str = "cluster-";

/// Advice for whoever calls the program by this name: our verbs stand behind `--cluster`, their options have `cluster-`
/// before their names, and a command for a server needs no verb. Verbs without a cluster keep our name.
pub(crate) fn advice_under(name: &str, advice: &str) -> String {
    let mut pieces = advice.split(OURS);
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let verb = piece.split([' ', '`']).next().unwrap_or_default();
        match piece.strip_prefix("exec ") {
            Some(rest) => text += &format!("{name} -u redis://{rest}"),
            None if NOT_OF_CLUSTERS.contains(&verb) => text += &format!("{OURS}{piece}"),
            None => text += &format!("{name} --cluster {piece}"),
        }
    }
    respelt(&text, prefixed)
}

/// The name that an option of a verb has behind `--cluster`; `None` where it is the same.
pub(super) fn prefixed(name: &str) -> Option<String> {
    let is_theirs = name.is_empty() || name == "cluster" || name.starts_with(PREFIX);
    (!is_theirs && !is_shared(name)).then(|| format!("{PREFIX}{name}"))
}

/// A text with another name of each option that has one; both may be without their hyphens.
pub(super) fn respelt(text: &str, spelling: impl Fn(&str) -> Option<String>) -> String {
    let mut translated = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("--") {
        let is_end = |letter: char| !letter.is_ascii_alphanumeric() && letter != '-';
        let (name, tail) = after.split_at(after.find(is_end).unwrap_or(after.len()));
        translated += before;
        let name = spelling(name).unwrap_or_else(|| name.to_owned());
        translated += if name.starts_with('-') { "" } else { "--" };
        translated += &name;
        rest = tail;
    }
    translated + rest
}

#[cfg(test)]
mod tests {
    use super::advice_under;

    #[test]
    fn advice_can_be_followed_under_a_peers_name() {
        for (ours, theirs) in [
            ("run `redis-trib fix h:1` first", "run `redis-cli --cluster fix h:1` first"),
            ("`redis-trib exec h:1 BGSAVE`", "`redis-cli -u redis://h:1 BGSAVE`"),
            (
                "`redis-trib failover --force`, or give --drain",
                "`redis-cli --cluster failover --cluster-force`, or give --cluster-drain",
            ),
            ("give --tls, -a or --askpass", "give --tls, -a or --askpass"),
            ("`redis-trib lab up` makes one", "`redis-trib lab up` makes one"),
            ("leave --cluster-replace out", "leave --cluster-replace out"),
        ] {
            assert_eq!(advice_under("redis-cli", ours), theirs);
        }
    }
}
