//! What is still to come behind the words on a line.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Result, anyhow};
use redistrib_ops::words::split;

use super::commands::Commands;
use super::syntax;
use crate::escape::Escaped;
use crate::shell::failure::reason;

/// The arguments that are still to come, where the words so far are a command and some of its arguments. A word
/// counts once a blank stands behind it.
pub(super) fn hint(commands: &Commands, line: &str) -> Option<String> {
    let mut words: Vec<String> = split(line.as_bytes())
        .ok()?
        .into_iter()
        .map(|word| String::from_utf8_lossy(&word).into_owned())
        .collect();
    if !line.ends_with(char::is_whitespace) {
        words.pop();
    }
    let (entry, named) = commands.find(&words)?;
    let rest = syntax::rest(&entry.arguments, words.get(named..)?).unwrap_or_default();
    Some(Escaped(rest).to_string())
}

/// Compares hints with those of a file, each line of it with what is typed and what is expected, as redis-cli's own
/// tests have it; returns whether all are alike.
///
/// # Errors
/// The file cannot be read, or a line has no expectation.
pub(super) fn compare(commands: &Commands, file: &Path) -> Result<bool> {
    let text = fs::read_to_string(file)
        .map_err(|error| anyhow!("Can't open file '{}': {}", file.display(), reason(&error)))?;
    let (mut passed, mut failed) = (0, 0);
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let words = split(line.as_bytes()).unwrap_or_default();
        let words: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word)).collect();
        let Some(typed) = words.first() else { continue };
        let expected =
            words.get(1).ok_or_else(|| anyhow!("Missing expected hint for input '{typed}'"))?;
        let found = hint(commands, typed).unwrap_or_default();
        if found == *expected {
            passed += 1;
            continue;
        }
        failed += 1;
        let text = format!("Test case '{typed}' FAILED: expected '{expected}', got '{found}'");
        writeln!(io::stderr(), "{}", Escaped(text))?;
    }
    let word = if failed == 0 { "SUCCESS" } else { "FAILURE" };
    writeln!(io::stdout(), "{word}: {passed}/{} passed", passed + failed)?;
    Ok(failed == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::options::Peer;

    /// As redis-cli 8 hints, whose own suite has these and more.
    #[test]
    fn what_is_used_up_goes() {
        let commands = Commands::from_table(Peer::RedisCli);
        for (typed, expected) in [
            ("get", None),
            ("get ", Some("key")),
            ("get k", Some("key")),
            ("get k ", Some("")),
            ("get k more ", Some("")),
            ("nosuch ", None),
            ("get \"k", None),
            ("XRANGE k 4 2 COUNT ", Some("count")),
            ("MGET k ", Some("[key ...]")),
            ("CONFIG SET param ", Some("value [parameter value ...]")),
            ("CONFIG SET param val ", Some("[parameter value ...]")),
            ("ZRANDMEMBER k 3 ", Some("[WITHSCORES]")),
            ("ZRANDMEMBER k three ", Some("")),
            ("SCAN 2 COUNT ", Some("count [MATCH pattern] [TYPE type]")),
            ("ZRANGE k 1 2 rev ", Some("[BYSCORE|BYLEX] [LIMIT offset count] [WITHSCORES]")),
            ("BLMOVE src dst LEFT ", Some("LEFT|RIGHT timeout")),
            ("GEOADD k nx 1.5 x ", Some("")),
            ("BITFIELD_RO k GET xyz 12 ", Some("[GET encoding offset ...]]")),
            ("cluster setslot 1 ", Some("IMPORTING node-id|MIGRATING node-id|NODE node-id|STABLE")),
        ] {
            assert_eq!(hint(&commands, typed).as_deref(), expected, "{typed:?}");
        }
    }
}
