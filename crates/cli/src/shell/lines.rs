//! What a line means: a command for the server, or for the session itself.

use redistrib_ops::words::{Closing, Unbalanced, split_with};

/// A line understood.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Blank.
    Nothing,
    /// End the session.
    Quit,
    /// Clear the screen.
    Clear,
    /// Show help on a topic.
    Help(Vec<Vec<u8>>),
    /// Go to another server.
    Connect { host: String, port: u16 },
    /// A preference, such as `:set hints`.
    Preference(Vec<Vec<u8>>),
    /// A command, this many times.
    Command { words: Vec<Vec<u8>>, times: u64 },
    /// A command with a number before it that is none from 1 upwards.
    WrongTimes,
    /// Debug the script from its beginning.
    Restart,
    /// The line says something about the session that cannot be.
    Wrong(String),
}

/// Reads a line as the peer does for which closing quotes mean this.
///
/// # Errors
/// [`Unbalanced`] quotes.
pub(super) fn read(line: &[u8], closing: Closing) -> Result<Line, Unbalanced> {
    let mut words = split_with(line, closing)?;
    let Some(first) = words.first() else { return Ok(Line::Nothing) };
    let name = first.to_ascii_lowercase();
    Ok(match name.as_slice() {
        b"quit" | b"exit" => Line::Quit,
        b"clear" if words.len() == 1 => Line::Clear,
        b"help" | b"?" => Line::Help(words.split_off(1)),
        b"connect" if words.len() == 3 => connect(&words),
        b"restart" if words.len() == 1 => Line::Restart,
        name if name.starts_with(b":") => Line::Preference(words),
        _ => repeated(words),
    })
}

fn connect(words: &[Vec<u8>]) -> Line {
    let text = |at: usize| words.get(at).and_then(|word| String::from_utf8(word.clone()).ok());
    let port = text(2).and_then(|port| port.parse().ok()).filter(|&port| port > 0);
    match (text(1), port) {
        (Some(host), Some(port)) => Line::Connect { host, port },
        _ => Line::Wrong("connect needs a host and a port from 1 to 65535".into()),
    }
}

/// A number before a command says how often.
fn repeated(mut words: Vec<Vec<u8>>) -> Line {
    let number = words.first().filter(|word| is_number(word));
    let Some(number) = number.filter(|_| words.len() > 1) else {
        return Line::Command { words, times: 1 };
    };
    match std::str::from_utf8(number).ok().and_then(|digits| digits.parse().ok()) {
        Some(times) if times > 0 => Line::Command { words: words.split_off(1), times },
        _ => Line::WrongTimes,
    }
}

/// Whether a word is digits behind at most one sign.
fn is_number(word: &[u8]) -> bool {
    let digits = word.strip_prefix(b"-").or_else(|| word.strip_prefix(b"+")).unwrap_or(word);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

/// Whether a line may not go into the history, because it can hold a secret. What cannot be split is judged
/// by its text.
pub(super) fn is_sensitive(line: &str) -> bool {
    let words: Vec<String> = match split_with(line.as_bytes(), Closing::Joins) {
        Ok(words) => {
            words.iter().map(|word| String::from_utf8_lossy(word).to_lowercase()).collect()
        }
        Err(_) => line
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '\'']).to_lowercase())
            .collect(),
    };
    let repeat = words.first().is_some_and(|word| is_number(word.as_bytes()));
    let words: Vec<&str> = words.iter().skip(usize::from(repeat)).map(String::as_str).collect();
    let has = |names: &[&str]| words.iter().any(|word| names.contains(word));
    match words.as_slice() {
        ["auth", ..] | ["acl", "setuser" | "deluser", ..] => true,
        ["hello" | "migrate", ..] => has(&["auth", "auth2"]),
        ["config", "set", ..] => words.iter().any(|word| is_secret_setting(word)),
        ["sentinel", "config", "set", ..] => has(&["sentinel-user", "sentinel-pass"]),
        ["sentinel", "set", ..] => has(&["auth-user", "auth-pass"]),
        _ => false,
    }
}

fn is_secret_setting(name: &str) -> bool {
    name.ends_with("auth")
        || name.ends_with("masteruser")
        || name.ends_with("primaryuser")
        || name.contains("pass")
}

#[cfg(test)]
mod tests {
    use redistrib_ops::words::split;

    use super::*;

    #[test]
    fn lines_mean_what_they_mean_to_redis_cli() {
        let words = |line: &str| split(line.as_bytes()).unwrap();
        let read = |line: &str| read(line.as_bytes(), Closing::Ends).unwrap();
        assert_eq!(read("  "), Line::Nothing);
        assert_eq!(read("EXIT"), Line::Quit);
        assert_eq!(read("? get"), Line::Help(words("get")));
        assert_eq!(read("connect ::1 7000"), Line::Connect { host: "::1".into(), port: 7000 });
        assert!(matches!(read("connect h 0"), Line::Wrong(_)));
        assert_eq!(read("5 ping"), Line::Command { words: words("ping"), times: 5 });
        assert_eq!(read("5"), Line::Command { words: words("5"), times: 1 });
        for wrong in ["0 ping", "-1 ping", "99999999999999999999 ping"] {
            assert_eq!(read(wrong), Line::WrongTimes, "{wrong}");
        }
        assert_eq!(read("- 1"), Line::Command { words: words("- 1"), times: 1 });
        assert_eq!(read(":set hints"), Line::Preference(words(":set hints")));
        assert_eq!(read("quit now"), Line::Quit);
    }

    #[test]
    fn secrets_stay_out_of_the_history() {
        for line in [
            "AUTH s3cret",
            "auth bob s3cret",
            "3 auth s3cret",
            "AUTH \"s3cret",
            "au\"th\" s3cret",
            "acl setuser bob >s3cret",
            "HELLO 3 AUTH bob s3cret",
            "migrate h 1 k 0 1000 auth2 bob s3cret",
            "config set maxmemory 1 requirepass s3cret",
            "CONFIG SET masterauth s3cret",
            "config set primaryauth s3cret",
            "config set tls-key-file-pass s3cret",
            "sentinel set mymaster auth-pass s3cret",
            "sentinel config set sentinel-pass s3cret",
        ] {
            assert!(is_sensitive(line), "{line}");
        }
        for line in
            ["get auth", "hello 3", "config get requirepass", "acl whoami", "set auth x", ""]
        {
            assert!(!is_sensitive(line), "{line}");
        }
    }
}
