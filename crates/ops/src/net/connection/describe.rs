//! How a command is named in errors: short, and without what nobody may read.

use redistrib_resp::Command;

const MOST_WORDS: usize = 5;
const MOST_BYTES: usize = 60;

/// How many words may be shown of commands whose arguments can be secrets.
const GUARDED: [(&str, usize); 6] =
    [("AUTH", 1), ("HELLO", 2), ("CONFIG", 3), ("ACL", 3), ("EVAL", 1), ("EVALSHA", 1)];

/// The command's first words, at most 60 bytes; of those that carry passwords only the harmless ones.
pub(crate) fn describe(command: &Command) -> String {
    let mut text = String::new();
    for word in harmless(command).take(MOST_WORDS) {
        if text.len() + word.len() > MOST_BYTES {
            break;
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(&String::from_utf8_lossy(word));
    }
    text
}

/// The whole command in words, but for what may be a secret: `***` stands for that and all that follows.
///
/// ```
/// use redistrib_ops::{resp::Command, without_secrets};
/// let command = Command::from_args(["CONFIG", "SET", "requirepass", "s3cret"]);
/// assert_eq!(without_secrets(&command), "CONFIG SET requirepass ***");
/// assert_eq!(without_secrets(&Command::from_args(["GET", "foo"])), "GET foo");
/// ```
pub fn without_secrets(command: &Command) -> String {
    let mut words: Vec<_> = harmless(command).map(String::from_utf8_lossy).collect();
    if words.len() < command.args().count() {
        words.push("***".into());
    }
    words.join(" ")
}

/// The words up to the first that may be a secret.
fn harmless(command: &Command) -> impl Iterator<Item = &[u8]> {
    let named = |name: &str| command.name().eq_ignore_ascii_case(name.as_bytes());
    let guarded = GUARDED.iter().find(|(name, _)| named(name)).map(|(_, words)| *words);
    let password_follows = move |word: &&[u8]| {
        guarded.is_none()
            && ["AUTH", "AUTH2"].iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    command
        .args()
        .take(guarded.unwrap_or(usize::MAX))
        .take_while(move |word| !password_follows(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_stay_out() {
        for words in [
            &["AUTH", "s3cret"][..],
            &["auth", "bob", "s3cret"],
            &["HELLO", "3", "AUTH", "bob", "s3cret"],
            &["CONFIG", "SET", "requirepass", "s3cret"],
            &["ACL", "SETUSER", "bob", ">s3cret"],
            &["EVAL", "return 's3cret'"],
            &["MIGRATE", "h", "7000", "AUTH", "s3cret"],
            &["migrate", "h", "7000", "auth2", "bob", "s3cret"],
        ] {
            let command = Command::from_args(words);
            assert!(!describe(&command).contains("s3cret"), "{}", describe(&command));
        }
    }

    #[test]
    fn a_cluster_command_is_named_with_its_slot() {
        let command = Command::from_args(["CLUSTER", "SETSLOT", "93", "STABLE"]);
        assert_eq!(describe(&command), "CLUSTER SETSLOT 93 STABLE");
    }
}
