//! A node's redis.conf: written once, read for its password ever after.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::failure::Failure;
use crate::Secret;

/// The names of a node's files in its folder. They are relative in the configuration too, so that a
/// lab that is down can be moved.
pub(super) const CONFIG: &str = "redis.conf";
pub(super) const LOG: &str = "redis.log";
pub(super) const PID: &str = "redis.pid";
/// What servers call the file with their data by default.
pub(super) const DATA: &str = "dump.rdb";

/// What the configuration of a node says beyond its port.
#[derive(Debug, Default)]
pub(super) struct Config<'a> {
    pub(super) cluster: bool,
    pub(super) password: Option<&'a Secret>,
    /// More lines; `{port}` in them stands for the node's port.
    pub(super) lines: &'a [String],
}

impl Config<'_> {
    /// The text of the file. What stands later wins, so the caller's lines come last.
    pub(super) fn text(&self, port: u16) -> Result<String, Failure> {
        let mut text = format!(
            "# Written once by `redis-trib lab up`. All but the port is yours to change.\n\
             port {port}\nbind 127.0.0.1\ndir ./\nlogfile {LOG}\npidfile {PID}\nappendonly yes\n\
             # Replicas of one machine need not wait for others to join their full synchronisation.\n\
             repl-diskless-sync-delay 0\n"
        );
        if self.cluster {
            text.push_str(
                "cluster-enabled yes\ncluster-config-file nodes.conf\ncluster-node-timeout 5000\n",
            );
        }
        if let Some(password) = self.password {
            let quoted = quote(password.reveal());
            let _ = writeln!(text, "requirepass {quoted}\nmasterauth {quoted}");
        }
        for line in self.lines {
            if line.contains(['\n', '\r', '\0']) {
                return Err(Failure::ConfigLine { line: line.clone() });
            }
            let _ = writeln!(text, "{}", line.replace("{port}", &port.to_string()));
        }
        Ok(text)
    }
}

/// Writes the file, readable by its owner alone, since it may carry a password.
pub(super) fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// The password that clients of the node need, as its configuration has it.
pub(super) fn password(path: &Path) -> io::Result<Option<Secret>> {
    let text = fs::read_to_string(path)?;
    let mut values = text.lines().filter_map(|line| {
        let (name, value) = line.trim().split_once(char::is_whitespace)?;
        name.eq_ignore_ascii_case("requirepass").then(|| unquote(value.trim()))
    });
    Ok(values.next_back().filter(|value| !value.is_empty()).map(Secret::new))
}

/// Puts a value into the double quotes of a configuration file.
fn quote(value: &str) -> String {
    let mut quoted = String::from('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

/// The value that [`quote`] was given; what is not quoted stands for itself.
fn unquote(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return text.to_owned();
    };
    let mut value = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => value.push('\n'),
                Some('r') => value.push('\r'),
                Some(c) => value.push(c),
                None => value.push('\\'),
            },
            (c, false) => value.push(c),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_lines_come_last_and_know_the_port() {
        let lines = ["port 0".to_owned(), "tls-port {port}".to_owned()];
        let config = Config { cluster: true, password: None, lines: &lines };
        let text = config.text(7003).unwrap();
        assert!(text.contains("\nport 7003\n") && text.contains("\ncluster-enabled yes\n"));
        assert!(text.ends_with("port 0\ntls-port 7003\n"), "{text}");
        assert!(!Config::default().text(7003).unwrap().contains("cluster"));
    }

    #[test]
    fn a_line_cannot_smuggle_in_another() {
        for line in ["save \"\"\nrequirepass x", "a\rb", "a\0"] {
            let lines = [line.to_owned()];
            let config = Config { lines: &lines, ..Config::default() };
            assert!(matches!(config.text(7000), Err(Failure::ConfigLine { .. })));
        }
    }

    #[test]
    fn the_password_is_found_again_whatever_it_is_made_of() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(CONFIG);
        for word in ["plain", "two words", "quote\"back\\slash", "\\n", "new\nline", "ünï", "#x"]
        {
            let secret = Secret::new(word);
            let config = Config { password: Some(&secret), ..Config::default() };
            write(&path, &config.text(7000).unwrap()).unwrap();
            assert_eq!(password(&path).unwrap(), Some(secret), "{word:?}");
        }
        fs::write(&path, "requirepass first\n  RequirePass  second \n").unwrap();
        assert_eq!(password(&path).unwrap(), Some(Secret::new("second")));
        fs::write(&path, "requirepass \"\"\n").unwrap();
        assert_eq!(password(&path).unwrap(), None);
    }
}
