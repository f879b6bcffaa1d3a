//! The name that was most likely meant.

/// Longer words than this were not meant to be any of ours.
const LONGEST: usize = 64;

/// The one of `names` that takes the fewest edits to become `word`; the first of equals.
pub(super) fn nearest(word: &str, names: impl Iterator<Item = String>) -> Option<String> {
    if word.chars().count() > LONGEST {
        return None;
    }
    let start = |name: &str| !name.starts_with(word) && !word.starts_with(name);
    names.min_by_key(|name| (distance(word, name), start(name)))
}

/// How many single letters have to be put in, taken out or replaced (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or_default()
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
        assert_eq!(nearest(&"x".repeat(1000), names()), None);
        assert_eq!(nearest("x", std::iter::empty()), None);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(distance("", ""), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }
}
