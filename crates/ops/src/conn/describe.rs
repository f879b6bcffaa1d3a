//! How a command is named in errors: short, and without what nobody may read.

use redistrib_resp::Command;

const MOST_WORDS: usize = 5;
const MOST_BYTES: usize = 60;

/// Commands whose arguments can be secrets.
const SILENT: [&str; 5] = ["AUTH", "HELLO", "CONFIG", "ACL", "EVAL"];

/// The command's first words, at most 60 bytes; of those that carry passwords the name alone.
pub(crate) fn describe(command: &Command) -> String {
    let mut text = String::new();
    for (position, word) in command.args().take(MOST_WORDS).enumerate() {
        let word = String::from_utf8_lossy(word);
        let secret_follows = position > 0 && matches!(&*word, "AUTH" | "AUTH2" | "SETUSER");
        if secret_follows || text.len() + word.len() > MOST_BYTES {
            break;
        }
        if position > 0 {
            text.push(' ');
        }
        text.push_str(&word);
        if position == 0 && SILENT.iter().any(|name| name.eq_ignore_ascii_case(&word)) {
            break;
        }
    }
    text
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
            &["MIGRATE", "h", "7000", "AUTH", "s3cret"],
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
