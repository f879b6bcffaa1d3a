//! redis-trib's own dialect: options before or after the verb and its arguments, the spellings of
//! redis-trib.rb, and those of redis-trib.py with its `--existing-addr` style of naming addresses.

use std::ffi::{OsStr, OsString};
use std::vec::IntoIter;

use clap::Command;

use super::model::{self, Arity, Opt};
use super::nearest::nearest;
use super::{Translated, address, hyphenated, is_option, split_long, theirs};
use crate::args::UsageError;

/// The options in which redis-trib.py's later versions take addresses, in the order in which ours stand as
/// positionals.
const NAMED_ADDRESSES: [(&str, &[&str]); 9] = [
    ("add-node", &["new-addr", "existing-addr"]),
    ("call", &["addr"]),
    ("del-node", &["addr"]),
    ("fix", &["addr"]),
    ("list", &["addr"]),
    ("migrate-slots", &["src-addr", "dst-addr"]),
    ("replicate", &["master-addr", "slave-addr"]),
    ("rescue", &["existing-addr", "new-addr"]),
    ("shutdown", &["addr"]),
];

pub(super) fn translate(root: &Command, words: Vec<OsString>) -> Result<Translated, UsageError> {
    let mut scan = TribScan {
        root,
        command: root,
        rest: words.into_iter(),
        verbs: Vec::new(),
        options: Vec::new(),
        spelt: Vec::new(),
        addresses: Vec::new(),
        words: Vec::new(),
        help: false,
        version: false,
    };
    while let Some(word) = scan.rest.next() {
        scan.take(word)?;
    }
    scan.finish()
}

/// A line half read.
struct TribScan<'a> {
    root: &'a Command,
    /// The verb as far as it is known.
    command: &'a Command,
    rest: IntoIter<OsString>,
    verbs: Vec<String>,
    options: Vec<(Opt, Option<OsString>)>,
    /// Options as they were written.
    spelt: Vec<(Opt, String)>,
    /// Addresses given by name.
    addresses: Vec<(&'static str, OsString)>,
    words: Vec<OsString>,
    help: bool,
    version: bool,
}

impl TribScan<'_> {
    fn take(&mut self, word: OsString) -> Result<(), UsageError> {
        if word == "--" {
            self.words.extend(self.rest.by_ref());
            Ok(())
        } else if !is_option(&word) {
            self.take_word(word)
        } else if word.as_encoded_bytes().starts_with(b"--") {
            self.take_long(&word)
        } else {
            self.take_short(&word)
        }
    }

    fn take_word(&mut self, word: OsString) -> Result<(), UsageError> {
        if self.command.has_subcommands() {
            return self.take_verb(&word);
        }
        self.words.push(word);
        let leading = self.command.get_positionals().count().saturating_sub(1);
        let leading = leading.saturating_sub(self.addresses.len());
        if model::is_trailing(self.command) && self.words.len() > leading {
            self.words.extend(self.rest.by_ref());
        }
        Ok(())
    }

    fn take_verb(&mut self, word: &OsStr) -> Result<(), UsageError> {
        let name = word.to_string_lossy();
        if self.verbs.is_empty() && name == "help" {
            self.help = true;
            return Ok(());
        }
        let Some(verb) = model::verb(self.command, &name) else {
            let names = self.command.get_subcommands().map(|verb| verb.get_name().to_owned());
            let hint = nearest(&hyphenated(&name), names)
                .map(|name| format!("; the nearest is {name}"))
                .unwrap_or_default();
            return Err(UsageError::new(format!(
                "unknown verb {name:?}{hint}; see redis-trib help"
            )));
        };
        self.verbs.push(verb.get_name().to_owned());
        self.command = verb;
        Ok(())
    }

    fn take_long(&mut self, word: &OsStr) -> Result<(), UsageError> {
        let Some((name, value)) = split_long(word) else { return Err(self.unknown(word)) };
        match name.as_str() {
            "help" => self.help = true,
            "version" => self.version = true,
            _ => match (self.find_long(&name), self.address_name(&name)) {
                (Some(option), _) => {
                    self.spelt.push((option.clone(), name));
                    self.take_value(option, value)?;
                }
                (None, Some(place)) => {
                    let value = value.or_else(|| self.rest.next());
                    let value = value.ok_or_else(|| UsageError::without_value(&name))?;
                    self.addresses.push((place, value));
                }
                (None, None) => return Err(self.unknown(word)),
            },
        }
        Ok(())
    }

    fn find_long(&self, name: &str) -> Option<Opt> {
        if self.command.has_subcommands() {
            model::long_anywhere(self.root, name)
        } else {
            model::long(self.command, name)
        }
    }

    /// `-x`, `-x value` or `-xvalue`.
    fn take_short(&mut self, word: &OsStr) -> Result<(), UsageError> {
        let text = word.to_str().ok_or_else(|| self.unknown(word))?;
        let mut letters = text.chars().skip(1);
        let letter = letters.next().ok_or_else(|| self.unknown(word))?;
        let inline: String = letters.collect();
        let found = if self.command.has_subcommands() {
            model::short_anywhere(self.root, letter)
        } else {
            model::short(self.command, letter)
        };
        match (letter, found) {
            (_, Some(option)) if option.arity != Arity::None => {
                self.take_value(option, (!inline.is_empty()).then(|| inline.into()))
            }
            (_, Some(option)) if inline.is_empty() => self.take_value(option, None),
            ('h', None) if inline.is_empty() => {
                self.help = true;
                Ok(())
            }
            ('V' | 'v', None) if inline.is_empty() => {
                self.version = true;
                Ok(())
            }
            _ => Err(self.unknown(word)),
        }
    }

    fn take_value(&mut self, option: Opt, inline: Option<OsString>) -> Result<(), UsageError> {
        if option.arity == Arity::None {
            if inline.is_some() {
                return Err(UsageError::new(format!("option --{} takes no value", option.name)));
            }
            self.options.push((option, None));
            return Ok(());
        }
        let value = inline.or_else(|| self.rest.next());
        let value = value.ok_or_else(|| UsageError::without_value(&option.name))?;
        self.options.push((option.clone(), Some(value)));
        if option.arity == Arity::Pairs {
            for pair in take_pairs(&mut self.rest) {
                self.options.push((option.clone(), Some(pair)));
            }
        }
        Ok(())
    }

    fn address_names(&self) -> &'static [&'static str] {
        let verb = self.verbs.last().map_or("", String::as_str);
        NAMED_ADDRESSES.iter().find(|(name, _)| *name == verb).map_or(&[], |(_, names)| names)
    }

    fn address_name(&self, name: &str) -> Option<&'static str> {
        let name = hyphenated(name);
        self.address_names().iter().find(|place| **place == name).copied()
    }

    fn unknown(&self, word: &OsStr) -> UsageError {
        let word = word.to_string_lossy();
        let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
        let verb = self.verbs.join(" ");
        let names: Vec<String> = if self.command.has_subcommands() {
            self.root.get_subcommands().flat_map(model::long_names).collect()
        } else {
            model::long_names(self.command).collect()
        };
        // `--cluster-from` for `--from` is redis-cli's spelling, not a slip of the finger.
        let name = name.strip_prefix("cluster-").unwrap_or(name);
        if let Some(refusal) = theirs::refusal(&format!("--{name}")) {
            return refusal;
        }
        let near = nearest(&hyphenated(name), names.into_iter());
        let hint = near.map(|near| format!("the nearest is --{near}"));
        UsageError::unknown_option(&word, &verb, hint.or_else(|| self.who_has(name)))
    }

    /// The other verbs that have an option.
    fn who_has(&self, name: &str) -> Option<String> {
        let verbs = self.root.get_subcommands().filter(|verb| model::long(verb, name).is_some());
        let names: Vec<&str> = verbs.map(Command::get_name).collect();
        (!names.is_empty()).then(|| format!("it is an option of {}", names.join(", ")))
    }

    /// Options before a verb were taken for any verb's. Where words may begin with a hyphen, one of another verb
    /// would be taken for a word.
    fn refuse_strangers(&self) -> Result<(), UsageError> {
        if self.command.has_subcommands() {
            return Ok(());
        }
        let is_stranger = |option: &Opt| model::long(self.command, &option.name).is_none();
        match self.options.iter().find(|(option, _)| is_stranger(option)) {
            Some((option, _)) => Err(self.unknown(OsStr::new(&format!("--{}", option.name)))),
            None => Ok(()),
        }
    }

    fn finish(self) -> Result<Translated, UsageError> {
        let order = self.address_names();
        if self.help || self.version {
            let (verbs, wish) =
                if self.help { (self.verbs, "help") } else { (Vec::new(), "version") };
            let mut line = Translated::new(verbs);
            line.flag(wish);
            return Ok(line);
        }
        self.refuse_strangers()?;
        let mut line = Translated::new(self.verbs);
        for (option, theirs) in self.spelt {
            line.spell(&option, &theirs);
        }
        for (option, value) in self.options {
            line.option(&option, value);
        }
        let mut words = Vec::new();
        for place in order {
            words.extend(
                self.addresses.iter().filter(|(at, _)| at == place).map(|(_, v)| v.clone()),
            );
        }
        words.extend(self.words);
        line.set_words(address::join(self.command, words));
        Ok(line)
    }
}

/// The words of the form `a=b` that come next.
pub(super) fn take_pairs(rest: &mut IntoIter<OsString>) -> Vec<OsString> {
    let count = pairs_ahead(rest.as_slice());
    rest.by_ref().take(count).collect()
}

/// How many words of the form `a=b` stand first.
pub(super) fn pairs_ahead(words: &[OsString]) -> usize {
    let is_pair = |word: &&OsString| !is_option(word) && word.as_encoded_bytes().contains(&b'=');
    words.iter().take_while(is_pair).count()
}
