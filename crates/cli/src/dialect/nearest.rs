//! The name that was most likely meant.

use strsim::levenshtein;

/// Longer words than this were not meant to be any of ours.
const LONGEST: usize = 64;

/// The one of `names` that takes the fewest edits to become `word`, and keeps half of the longer one's letters; the
/// first of equals.
pub(super) fn nearest(word: &str, names: impl Iterator<Item = String>) -> Option<String> {
    if word.chars().count() > LONGEST {
        return None;
    }
    let start = |name: &str| !name.starts_with(word) && !word.starts_with(name);
    let letters = |name: &str| name.chars().count().max(word.chars().count());
    let is_near = |name: &String| levenshtein(word, name) * 2 <= letters(name);
    names.filter(is_near).min_by_key(|name| (levenshtein(word, name), start(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewest_edits_win() {
        let names = || ["slots", "from", "to", "timeout"].map(String::from).into_iter();
        assert_eq!(nearest("slot", names()).unwrap(), "slots");
        assert_eq!(nearest("form", names()).unwrap(), "from");
        assert_eq!(nearest("timout", names()).unwrap(), "timeout");
        assert_eq!(nearest("bogus", names()), None);
        assert_eq!(nearest(&"x".repeat(1000), names()), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }
}
