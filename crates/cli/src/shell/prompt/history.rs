//! Where the history is kept.

use std::path::PathBuf;

/// Names the file; `/dev/null` keeps none.
const VARIABLE: &str = "REDISCLI_HISTFILE";

/// The history file: that of `REDISCLI_HISTFILE`, or `.rediscli_history` in the home folder, which redis-cli
/// uses too. `None` keeps none.
pub(super) fn file() -> Option<PathBuf> {
    choose(std::env::var_os(VARIABLE).map(PathBuf::from), std::env::home_dir())
}

fn choose(named: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    match named {
        Some(file) if file.as_os_str().is_empty() || file == *"/dev/null" => None,
        Some(file) => Some(file),
        None => Some(home?.join(".rediscli_history")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_comes_first() {
        let home = Some(PathBuf::from("/home/tom"));
        assert_eq!(choose(None, home.clone()), Some("/home/tom/.rediscli_history".into()));
        assert_eq!(choose(Some("/tmp/h".into()), home.clone()), Some("/tmp/h".into()));
        assert_eq!(choose(Some("/dev/null".into()), home), None);
        assert_eq!(choose(None, None), None);
    }
}
