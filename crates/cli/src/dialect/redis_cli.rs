//! `--cluster <verb> <arguments> --cluster-<option>`: the dialect of redis-cli and valkey-cli.

use std::ffi::{OsStr, OsString};
use std::vec::IntoIter;

use clap::Command;

use super::model::{self, Arity, Opt};
use super::nearest::nearest;
use super::trib::take_pairs;
use super::{Translated, address, is_option, split_long};
use crate::args::UsageError;

/// redis-cli's options that have no meaning beside `--cluster`; redis-cli takes them and goes on.
/// (Ciphers are rustls's to choose, and it has no weak ones.)
const IGNORED: [(&str, bool); 15] = [
    ("-2", false),
    ("-3", false),
    ("-c", false),
    ("-e", false),
    ("-i", true),
    ("-n", true),
    ("-r", true),
    ("--csv", false),
    ("--no-raw", false),
    ("--quoted-input", false),
    ("--raw", false),
    ("--show-pushes", true),
    ("--tls-ciphers", true),
    ("--tls-ciphersuites", true),
    ("--verbose", false),
];

pub(super) fn translate(root: &Command, words: Vec<OsString>) -> Result<Translated, UsageError> {
    let at = words.iter().position(|word| word == "--cluster").unwrap_or_default();
    let mut words = words;
    let name = if at + 1 < words.len() { Some(words.remove(at + 1)) } else { None };
    words.remove(at);
    let name = name.ok_or_else(|| UsageError::new("--cluster needs a verb: see --cluster help"))?;
    let name = name.to_string_lossy();
    if name == "help" {
        let mut line = Translated::default();
        line.flag("help");
        return Ok(line);
    }
    let verb = model::verb(root, &name).ok_or_else(|| unknown_verb(root, &name))?;
    let mut scan = Scan::new(root, verb, words);
    while let Some(word) = scan.rest.next() {
        scan.take(word)?;
    }
    scan.finish()
}

fn unknown_verb(root: &Command, name: &str) -> UsageError {
    let names = root.get_subcommands().map(|verb| verb.get_name().to_owned());
    let hint = nearest(name, names).map(|name| format!("; the nearest is {name}"));
    UsageError::new(format!(
        "Unknown --cluster subcommand {name:?}{}; see --cluster help",
        hint.unwrap_or_default()
    ))
}

struct Scan<'a> {
    root: &'a Command,
    verb: &'a Command,
    rest: IntoIter<OsString>,
    line: Translated,
    words: Vec<OsString>,
    /// `-h` and `-p`, or `-s`: where the cluster is, if the verb has no address of its own.
    host: Option<OsString>,
    port: Option<OsString>,
}

impl<'a> Scan<'a> {
    fn new(root: &'a Command, verb: &'a Command, words: Vec<OsString>) -> Self {
        let line = Translated::prefixed(vec![verb.get_name().to_owned()]);
        let rest = words.into_iter();
        Self { root, verb, rest, line, words: Vec::new(), host: None, port: None }
    }

    fn take(&mut self, word: OsString) -> Result<(), UsageError> {
        if word == "--" {
            self.words.extend(self.rest.by_ref());
            return Ok(());
        }
        if !is_option(&word) {
            self.words.push(word);
            return Ok(());
        }
        if let Some((_, takes_value)) = IGNORED.iter().find(|(name, _)| word == *name) {
            if *takes_value {
                self.rest.next();
            }
            return Ok(());
        }
        match word.to_str() {
            Some(name @ ("-h" | "-s")) => self.host = Some(self.value(name)?),
            Some(name @ "-p") => self.port = Some(self.value(name)?),
            Some("--help") => self.line.flag("help"),
            _ => self.take_option(&word)?,
        }
        Ok(())
    }

    fn take_option(&mut self, word: &OsStr) -> Result<(), UsageError> {
        let mut letters = word.to_str().unwrap_or_default().chars().skip(1);
        if let (Some(letter), None) = (letters.next(), letters.next()) {
            let option = model::short(self.verb, letter).ok_or_else(|| self.unknown(word))?;
            let name = format!("-{letter}");
            return self.take_value(option, &name, None);
        }
        let (name, value) = split_long(word).ok_or_else(|| self.unknown(word))?;
        let bare = name.strip_prefix("cluster-");
        if let Some(option) = model::long(self.verb, bare.unwrap_or(&name)) {
            self.line.spell(&option, &name);
            return self.take_value(option, &name, value);
        }
        // redis-cli takes an option of one verb on every other, and makes nothing of it.
        match bare.and_then(|name| model::long_anywhere(self.root, name)) {
            Some(option) => self.skip_value(&option, &name, value),
            None => Err(self.unknown(word)),
        }
    }

    fn take_value(
        &mut self,
        option: Opt,
        name: &str,
        inline: Option<OsString>,
    ) -> Result<(), UsageError> {
        if option.arity == Arity::None {
            self.line.option(&option, None);
            return Ok(());
        }
        let value = match inline {
            Some(value) => value,
            None => self.value(name)?,
        };
        self.line.option(&option, Some(value));
        if option.arity == Arity::Pairs {
            for pair in take_pairs(&mut self.rest) {
                self.line.option(&option, Some(pair));
            }
        }
        Ok(())
    }

    fn skip_value(
        &mut self,
        option: &Opt,
        name: &str,
        inline: Option<OsString>,
    ) -> Result<(), UsageError> {
        if option.arity != Arity::None && inline.is_none() {
            self.value(name)?;
        }
        if option.arity == Arity::Pairs {
            take_pairs(&mut self.rest);
        }
        Ok(())
    }

    fn value(&mut self, name: &str) -> Result<OsString, UsageError> {
        self.rest.next().ok_or_else(|| UsageError::without_value(name))
    }

    fn unknown(&self, word: &OsStr) -> UsageError {
        let word = word.to_string_lossy();
        let prefixed = |name: String| match is_shared(&name) {
            true => name,
            false => format!("cluster-{name}"),
        };
        let names = model::long_names(self.verb).map(prefixed);
        let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
        UsageError::unknown_option(&word, self.verb.get_name(), nearest(name, names))
    }

    fn finish(mut self) -> Result<Translated, UsageError> {
        if self.words.is_empty() && (self.host.is_some() || self.port.is_some()) {
            let host = self.host.unwrap_or_else(|| "127.0.0.1".into());
            let is_socket = host.as_encoded_bytes().starts_with(b"/");
            self.words.push(host);
            if !is_socket {
                self.words.push(self.port.unwrap_or_else(|| "6379".into()));
            }
        }
        self.line.set_words(address::join(self.verb, self.words));
        Ok(self.line)
    }
}

/// Whether an option is spelt without `cluster-` here too: those that redis-cli has for everything, and
/// those that only we have.
pub(super) fn is_shared(name: &str) -> bool {
    const SHARED: [&str; 17] = [
        "answer-timeout",
        "askpass",
        "cacert",
        "cacertdir",
        "cert",
        "connect-timeout",
        "dry-run",
        "help",
        "insecure",
        "json",
        "key",
        "no-auth-warning",
        "no-lock",
        "pass",
        "sni",
        "tls",
        "user",
    ];
    SHARED.contains(&name)
}
