//! The dialect of redis-cli and valkey-cli: options, then a command for a server; or, with `--cluster <verb>` among the
//! options, words and options in any order.

use std::ffi::{OsStr, OsString};
use std::vec::IntoIter;

use clap::Command;

use super::model::{self, Arity, Opt};
use super::nearest::nearest;
use super::theirs::{EXCLUSIVE, EXEC, KnownOptions, Meaning};
use super::trib::{pairs_ahead, take_pairs};
use super::uri::Uri;
use super::{Program, Translated, address, is_option, split_long};
use crate::args::UsageError;

/// Theirs removes the node of an id, and no other; ours the one at the address, where there is no id.
const NEEDS_ID: &str = "del-node";
/// Theirs ask nothing, whatever is lost.
const NEVER_ASK: [&str; 3] = ["del-node", "fix", "import"];
/// The verb whose plan scripts read slot by slot.
const TELLS_EACH_SLOT: &str = "reshard";
/// Where slots are open, theirs stop before these verbs; ours ask whether to repair them first.
const NEED_ALL_WELL: [&str; 2] = ["reshard", "rebalance"];

/// Without `--tls`, theirs take these and connect without TLS.
const OF_TLS: [&str; 6] = ["cacert", "cacertdir", "cert", "key", "sni", "insecure"];

/// Whether a line has `--cluster` among its options, and not within a command for a server.
pub(super) fn has_verb(root: &Command, words: &[OsString]) -> Result<bool, UsageError> {
    Ok(cluster_at(&terminal(root)?, words).is_some())
}

pub(super) fn translate(
    root: &Command,
    program: Program,
    mut words: Vec<OsString>,
) -> Result<Translated, UsageError> {
    let mut known = terminal(root)?;
    let Some(at) = cluster_at(&known, &words) else {
        return RedisCliScan::new(known, program, words).read();
    };
    if at + 1 == words.len() {
        return Err(UsageError::new("--cluster needs a verb: see --cluster help"));
    }
    let name = words.drain(at..=at + 1).next_back().unwrap_or_default();
    let name = name.to_string_lossy();
    if name == "help" && program != Program::RedisTrib {
        return Err(UsageError::wanted(program.cluster_help(known)));
    }
    if name == "help" {
        let mut line = Translated::default();
        line.flag("help");
        return Ok(line);
    }
    known.verb = model::verb(root, &name).ok_or_else(|| unknown_verb(root, &name))?;
    RedisCliScan::new(known, program, words).read()
}

/// The options that hold without `--cluster`.
pub(super) fn terminal(root: &Command) -> Result<KnownOptions<'_>, UsageError> {
    let exec = model::verb(root, EXEC).ok_or_else(|| UsageError::new("there is no verb exec"))?;
    Ok(KnownOptions { root, exec, verb: exec })
}

/// Where `--cluster` stands, if no command for a server begins before it.
fn cluster_at(known: &KnownOptions<'_>, words: &[OsString]) -> Option<usize> {
    let mut at = 0;
    while let Some(word) = words.get(at).filter(|word| is_option(word)) {
        if word == "--cluster" {
            return Some(at);
        }
        // It is not known where an unknown option ends; it is complained of in any case.
        let Some(meaning) = word.to_str().and_then(|name| known.meaning(name)) else {
            return words.iter().position(|word| word == "--cluster");
        };
        at += match meaning.arity() {
            Arity::None => 1,
            Arity::One => 2,
            Arity::Pairs => 2 + pairs_ahead(words.get(at + 2..).unwrap_or_default()),
        };
    }
    None
}

fn unknown_verb(root: &Command, name: &str) -> UsageError {
    let names = root.get_subcommands().map(|verb| verb.get_name().to_owned());
    let hint = nearest(name, names).map(|name| format!("; the nearest is {name}"));
    UsageError::in_peers_words(format_args!(
        "Unknown --cluster subcommand {name:?}{}; see --cluster help",
        hint.unwrap_or_default()
    ))
}

/// A line half read.
struct RedisCliScan<'a> {
    known: KnownOptions<'a>,
    program: Program,
    rest: IntoIter<OsString>,
    line: Translated,
    words: Vec<OsString>,
    /// The options so far, as they were written.
    given: Vec<String>,
    host: Option<OsString>,
    port: Option<OsString>,
}

impl<'a> RedisCliScan<'a> {
    fn new(known: KnownOptions<'a>, program: Program, words: Vec<OsString>) -> Self {
        let verbs = vec![known.verb.get_name().to_owned()];
        let is_terminal = known.is_terminal();
        Self {
            known,
            program,
            rest: words.into_iter(),
            line: Translated::of(program, verbs, !is_terminal),
            words: Vec::new(),
            given: Vec::new(),
            host: None,
            port: None,
        }
    }

    fn read(mut self) -> Result<Translated, UsageError> {
        while let Some(word) = self.rest.next() {
            if word == "-" && self.known.is_terminal() {
                return Err(self.unknown(&word));
            }
            if !is_option(&word) || self.is_negative_argument(&word) {
                self.words.push(word);
                if self.known.is_terminal() {
                    self.words.extend(self.rest.by_ref());
                }
            } else if word == "--" && !self.known.is_terminal() {
                self.words.extend(self.rest.by_ref());
            } else {
                self.take(&word)?;
            }
        }
        self.finish()
    }

    /// Whether a word belongs to the command of `call`, though it begins as an option does: `LRANGE list 0 -1`.
    fn is_negative_argument(&self, word: &OsStr) -> bool {
        let number = || word.to_str().is_some_and(|word| word.parse::<f64>().is_ok());
        !self.known.is_terminal()
            && model::is_trailing(self.known.verb)
            && self.words.len() > 1
            && number()
    }

    fn take(&mut self, word: &OsStr) -> Result<(), UsageError> {
        let whole = word.to_str().ok_or_else(|| self.unknown(word))?;
        let (name, inline) = match split_long(word) {
            Some((name, value @ Some(_))) => (format!("--{name}"), value),
            _ => (whole.to_owned(), None),
        };
        let meaning = self.known.meaning(&name).ok_or_else(|| self.unknown(word))?;
        let value = match meaning.arity() {
            Arity::None if inline.is_some() => {
                return Err(UsageError::new(format!("option {name} takes no value")));
            }
            Arity::None => None,
            // Theirs explain themselves where a host is missing.
            Arity::One if meaning == Meaning::Host && self.rest.len() == 0 => {
                return self.apply(&name, Meaning::Help, None);
            }
            Arity::One | Arity::Pairs => Some(inline.map_or_else(|| self.value(&name), Ok)?),
        };
        self.given.push(name.clone());
        self.apply(&name, meaning, value)
    }

    fn apply(
        &mut self,
        name: &str,
        meaning: Meaning,
        value: Option<OsString>,
    ) -> Result<(), UsageError> {
        match meaning {
            Meaning::Host => self.host = value,
            Meaning::Port => {
                let number = value.as_ref().and_then(|port| port.to_str()?.parse::<i64>().ok());
                if number.is_some_and(|port| !(0..=0xffff).contains(&port)) {
                    return Err(UsageError::in_peers_words("Invalid server port."));
                }
                self.port = value;
            }
            Meaning::Uri => self.take_uri(&value.unwrap_or_default())?,
            Meaning::Help => self.line.flag("help"),
            Meaning::Version => self.line.flag("version"),
            Meaning::Nothing(Arity::Pairs) => drop(take_pairs(&mut self.rest)),
            Meaning::Nothing(_) => {}
            Meaning::Missing(missing) => return Err(missing.refuse(name)),
            Meaning::Sets(option) if name == "-t" => {
                let value = value.as_deref().map(in_millis).transpose()?;
                self.set(name, &option, value);
            }
            Meaning::Sets(option) => self.set(name, &option, value),
        }
        Ok(())
    }

    fn set(&mut self, name: &str, option: &Opt, value: Option<OsString>) {
        self.line.spell(option, name);
        self.line.option(option, value);
        if option.arity == Arity::Pairs {
            for pair in take_pairs(&mut self.rest) {
                self.line.option(option, Some(pair));
            }
        }
    }

    fn take_uri(&mut self, text: &OsStr) -> Result<(), UsageError> {
        let uri = Uri::parse(&text.to_string_lossy()).map_err(UsageError::in_peers_words)?;
        let given = [("user", uri.user), ("pass", uri.password), ("db", uri.database)];
        for (name, value) in given {
            if let (Some(option), Some(value)) = (model::long(self.known.verb, name), value) {
                self.line.option(&option, Some(value.into()));
            }
        }
        if let (true, Some(option)) = (uri.tls, model::long(self.known.verb, "tls")) {
            self.line.option(&option, None);
        }
        self.host = uri.host.map(OsString::from).or(self.host.take());
        self.port = uri.port.map(OsString::from).or(self.port.take());
        Ok(())
    }

    fn value(&mut self, name: &str) -> Result<OsString, UsageError> {
        self.rest.next().ok_or_else(|| UsageError::bad_option(name, "it needs a value"))
    }

    fn unknown(&self, word: &OsStr) -> UsageError {
        let word = word.to_string_lossy();
        let name = if word.starts_with("-a") { "-a" } else { &*word };
        let name = name.split('=').next().unwrap_or_default();
        let hint = self.known.nearest(name).map(|nearest| format!("the nearest is --{nearest}"));
        UsageError::bad_option(name, &hint.unwrap_or_else(|| "see --help".into()))
    }

    fn finish(mut self) -> Result<Translated, UsageError> {
        if self.line.has("version") {
            return Err(UsageError::wanted(self.program.version()));
        }
        if self.line.has("help") && self.known.is_terminal() {
            return Err(UsageError::wanted(self.program.help(self.known)));
        }
        if self.line.has("help") {
            return Err(UsageError::wanted(self.program.verb_help(self.known)));
        }
        let has = |name: &str| self.given.iter().any(|given| given == name);
        if let Some((one, other)) = EXCLUSIVE.iter().find(|(one, other)| has(one) && has(other)) {
            return Err(UsageError::in_peers_words(format_args!(
                "Options {one} and {other} are mutually exclusive."
            )));
        }
        if self.program != Program::RedisTrib && !self.line.has("tls") {
            self.line = OF_TLS.into_iter().fold(self.line, Translated::without);
        }
        if self.known.is_terminal() { self.finish_terminal() } else { self.finish_verb() }
    }

    /// `exec` without a command is the prompt.
    fn finish_terminal(mut self) -> Result<Translated, UsageError> {
        let mut node = self.host.unwrap_or_else(|| "127.0.0.1".into());
        node.push(":");
        node.push(self.port.unwrap_or_else(|| "6379".into()));
        self.words.insert(0, node);
        self.line.set_words(self.words);
        if let (Program::ValkeyCli, Some(option)) =
            (self.program, model::long(self.known.exec, "as"))
        {
            self.line.option(&option, Some(self.program.name().into()));
        }
        Ok(self.line)
    }

    fn finish_verb(mut self) -> Result<Translated, UsageError> {
        if self.words.is_empty() && (self.host.is_some() || self.port.is_some()) {
            let host = self.host.unwrap_or_else(|| "127.0.0.1".into());
            let is_socket = host.as_encoded_bytes().starts_with(b"/");
            self.words.push(host);
            if !is_socket {
                self.words.push(self.port.unwrap_or_else(|| "6379".into()));
            }
        }
        let words = address::join(self.known.verb, self.words);
        if self.known.verb.get_name() == NEEDS_ID && words.len() == 1 {
            return Err(UsageError::in_peers_words(
                "[ERR] Wrong number of arguments for specified --cluster sub command: del-node HOST:PORT ID",
            ));
        }
        if NEVER_ASK.contains(&self.known.verb.get_name()) && !self.line.has("yes") {
            self.line.flag("yes");
        }
        if NEED_ALL_WELL.contains(&self.known.verb.get_name()) {
            self.line.flag("no-mend");
        }
        if self.known.verb.get_name() == TELLS_EACH_SLOT {
            self.line.flag("each-slot");
        }
        self.line.set_words(words);
        Ok(self.line)
    }
}

/// valkey-cli's seconds, decimals allowed, in our milliseconds; 0 means as long as it takes, for which a year stands.
fn in_millis(seconds: &OsStr) -> Result<OsString, UsageError> {
    let number = seconds.to_str().and_then(|text| text.parse::<f64>().ok());
    match number.filter(|number| *number == 0.0 || *number >= 0.001 && *number < 1e9) {
        Some(0.0) => Ok((365 * 86_400 * 1000_u64).to_string().into()),
        Some(number) => Ok(((number * 1000.0) as u64).to_string().into()),
        None => Err(UsageError::in_peers_words("Invalid connection timeout for -t.")),
    }
}
