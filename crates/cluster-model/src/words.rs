//! Numbers of things in words.

use std::fmt::Display;

/// Returns a number of things in words: `1 slot`, `2 slots`, `at least 1 key`.
pub fn counted(count: impl Display, noun: &str) -> String {
    let ending = if is_one(&count) { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

/// Returns the verb that belongs to a number of things.
pub fn is_or_are(count: impl Display) -> &'static str {
    agreeing(count, "is", "are")
}

/// Returns the form of a verb that belongs to a number of things: the one for `one`, or for `many`.
pub fn agreeing(count: impl Display, one: &'static str, many: &'static str) -> &'static str {
    if is_one(count) { one } else { many }
}

fn is_one(count: impl Display) -> bool {
    count.to_string().rsplit(' ').next() == Some("1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        for (count, text) in
            [("0", "0 keys"), ("1", "1 key"), ("11", "11 keys"), ("at least 1", "at least 1 key")]
        {
            assert_eq!(counted(count, "key"), text);
        }
    }
}
