//! The command line of redis-cli and valkey-cli: options, then a command. With `--cluster` among the options
//! it is the other file's.

use std::ffi::{OsStr, OsString};
use std::vec::IntoIter;

use clap::Command;

use super::model::{self, Arity, Opt};
use super::nearest::nearest;
use super::uri::Uri;
use super::{Translated, is_option, redis_cli};
use crate::args::UsageError;

/// Options that change nothing here, with whether they take a value: TLS ciphers are rustls's to choose, names are
/// resolved to whatever address answers, and errors are told in full anyway.
const IGNORED: [(&str, bool); 6] = [
    ("-4", false),
    ("-6", false),
    ("--tls-ciphers", true),
    ("--tls-ciphersuites", true),
    ("--verbose", false),
    ("--no-raw-warning", false),
];

/// What redis-cli has and we have not.
const MISSING: [&str; 9] = [
    "--rdb",
    "--functions-rdb",
    "--replica",
    "--slave",
    "--lru-test",
    "--intrinsic-latency",
    "--latency-dist",
    "--ldb",
    "--ldb-sync-mode",
];

/// redis-cli's spellings that are not ours.
const RENAMED: [(&str, &str); 2] = [("--json", "plain-json"), ("-t", "connect-timeout")];

pub(super) fn translate(root: &Command, words: Vec<OsString>) -> Result<Translated, UsageError> {
    let exec = model::verb(root, "exec").ok_or_else(|| UsageError::new("there is no verb exec"))?;
    let mut scan = Scan {
        exec,
        rest: words.clone().into_iter(),
        line: Vec::new(),
        host: None,
        port: None,
        help: None,
    };
    while let Some(word) = scan.rest.next() {
        if word == "--cluster" {
            return redis_cli::translate(root, words);
        }
        if !is_option(&word) {
            return scan.finish(Some(word));
        }
        scan.take(&word)?;
    }
    scan.finish(None)
}

struct Scan<'a> {
    exec: &'a Command,
    rest: IntoIter<OsString>,
    line: Vec<(Opt, Option<OsString>)>,
    host: Option<OsString>,
    port: Option<OsString>,
    help: Option<&'static str>,
}

impl Scan<'_> {
    fn take(&mut self, word: &OsStr) -> Result<(), UsageError> {
        let text = word.to_string_lossy().into_owned();
        if let Some((_, takes_value)) = IGNORED.iter().find(|(name, _)| *name == text) {
            if *takes_value {
                self.value(&text)?;
            }
            return Ok(());
        }
        match text.as_str() {
            // redis-cli without a host explains itself.
            "-h" if self.rest.len() == 0 => self.help = Some("help"),
            "-h" => self.host = Some(self.value("-h")?),
            "-p" => self.port = Some(self.value("-p")?),
            "-u" => self.take_uri()?,
            "--help" => self.help = Some("help"),
            "-v" | "--version" => self.help = Some("version"),
            name if MISSING.contains(&name) => {
                return Err(UsageError::new(format!("redis-cli's {name} is not to be had here")));
            }
            name => {
                let option = self.find(name).ok_or_else(|| self.unknown(name))?;
                let value = match option.arity {
                    Arity::None => None,
                    Arity::One | Arity::Pairs => Some(self.value(name)?),
                };
                let value = if name == "-t" { value.map(|value| in_millis(&value)) } else { value };
                self.line.push((option, value));
            }
        }
        Ok(())
    }

    fn find(&self, name: &str) -> Option<Opt> {
        if let Some((_, ours)) = RENAMED.iter().find(|(theirs, _)| *theirs == name) {
            return model::long(self.exec, ours);
        }
        if let Some(long) = name.strip_prefix("--") {
            return model::long(self.exec, long);
        }
        let mut letters = name.chars().skip(1);
        let letter = letters.next()?;
        letters.next().is_none().then(|| model::short(self.exec, letter)).flatten()
    }

    fn take_uri(&mut self) -> Result<(), UsageError> {
        let text = self.value("-u")?;
        let uri = Uri::parse(&text.to_string_lossy()).map_err(UsageError::new)?;
        let given = [("user", uri.user), ("pass", uri.password), ("db", uri.database)];
        for (name, value) in given {
            if let (Some(option), Some(value)) = (model::long(self.exec, name), value) {
                self.line.push((option, Some(value.into())));
            }
        }
        if let (true, Some(option)) = (uri.tls, model::long(self.exec, "tls")) {
            self.line.push((option, None));
        }
        self.host = uri.host.map(OsString::from).or(self.host.take());
        self.port = uri.port.map(OsString::from).or(self.port.take());
        Ok(())
    }

    fn value(&mut self, name: &str) -> Result<OsString, UsageError> {
        self.rest.next().ok_or_else(|| UsageError::without_value(name))
    }

    fn unknown(&self, name: &str) -> UsageError {
        let bare = name.trim_start_matches('-');
        UsageError::unknown_option(name, "", nearest(bare, model::long_names(self.exec)))
    }

    /// `exec` without a command is the prompt.
    fn finish(self, command: Option<OsString>) -> Result<Translated, UsageError> {
        if let Some(name) = self.help {
            let mut line =
                Translated::new(if name == "help" { vec!["exec".to_owned()] } else { Vec::new() });
            line.flag(name);
            return Ok(line);
        }
        let mut line = Translated::new(vec!["exec".to_owned()]);
        for (option, value) in self.line {
            line.option(&option, value);
        }
        let host = self.host.unwrap_or_else(|| "127.0.0.1".into());
        let mut node = host;
        node.push(":");
        node.push(self.port.unwrap_or_else(|| "6379".into()));
        let mut words = vec![node];
        words.extend(command);
        words.extend(self.rest);
        line.set_words(words);
        Ok(line)
    }
}

/// valkey-cli's seconds, decimals allowed, in our milliseconds; what is no number is left for the model to
/// complain about.
fn in_millis(seconds: &OsStr) -> OsString {
    let number = seconds.to_str().and_then(|text| text.parse::<f64>().ok());
    match number.filter(|number| *number >= 0.001 && *number < 1e9) {
        Some(number) => ((number * 1000.0) as u64).to_string().into(),
        None => seconds.to_owned(),
    }
}
