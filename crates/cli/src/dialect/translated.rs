//! A command line in the one dialect.

use std::ffi::{OsStr, OsString};

use super::Program;
use super::model::Opt;
use super::spelling::{prefixed, respelt};

/// A command line that has been understood as far as its words go: verb, options, positionals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    verbs: Vec<String>,
    options: Vec<(String, Option<OsString>)>,
    words: Vec<OsString>,
    /// How the user wrote options that have another name here: ours, then theirs.
    spelt: Vec<(String, String)>,
    /// Whether options have `cluster-` before their names where the user comes from.
    prefixed: bool,
    /// The name by which the program was called.
    program: Program,
}

impl Translated {
    pub(super) fn new(verbs: Vec<String>) -> Self {
        Self { verbs, ..Self::default() }
    }

    /// A line in the dialect of redis-cli; with `prefixed` of a verb behind `--cluster`.
    pub(super) fn of(program: Program, verbs: Vec<String>, prefixed: bool) -> Self {
        Self { verbs, prefixed, program, ..Self::default() }
    }

    /// Remembers that the user wrote an option in this way.
    pub(super) fn spell(&mut self, option: &Opt, theirs: &str) {
        let theirs =
            if theirs.starts_with('-') { theirs.to_owned() } else { format!("--{theirs}") };
        self.spelt.push((option.name.clone(), theirs));
    }

    /// A complaint about this line in the user's words: options as they were written, or would be in that dialect.
    pub fn as_spelt(&self, complaint: &str) -> String {
        respelt(complaint, |name| match self.spelt.iter().find(|(ours, _)| ours == name) {
            Some((_, theirs)) => Some(theirs.clone()),
            None if self.prefixed => prefixed(name),
            None => None,
        })
    }

    /// What stands before the verb, as the user writes it.
    pub(crate) fn called(&self) -> String {
        let name = self.program.name();
        if self.prefixed { format!("{name} --cluster") } else { name.to_owned() }
    }

    /// Whether the program was called as redis-cli or valkey-cli.
    pub(crate) fn is_peers(&self) -> bool {
        self.program != Program::RedisTrib
    }

    /// Whether the line is of the dialect in which options have `cluster-` before their names.
    pub(crate) fn is_prefixed(&self) -> bool {
        self.prefixed
    }

    /// The first of the verbs.
    pub(crate) fn verb(&self) -> Option<&str> {
        self.verbs.first().map(String::as_str)
    }

    pub(super) fn flag(&mut self, name: &str) {
        self.options.push((name.to_owned(), None));
    }

    pub(super) fn option(&mut self, option: &Opt, value: Option<OsString>) {
        self.options.push((option.name.clone(), value));
    }

    pub(super) fn set_words(&mut self, words: Vec<OsString>) {
        self.words = words;
    }

    /// The last value given for an option, by its long name without hyphens.
    pub fn value_of(&self, name: &str) -> Option<&OsStr> {
        let mut given = self.options.iter().rev().filter(|(option, _)| option == name);
        given.next()?.1.as_deref()
    }

    /// Whether an option was given.
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(option, _)| option == name)
    }

    /// The same line without an option.
    pub fn without(mut self, name: &str) -> Self {
        self.options.retain(|(option, _)| option != name);
        self
    }

    /// The line as it is given to a program, the program's name first. It reads back as itself.
    pub fn argv(&self) -> Vec<OsString> {
        let mut argv = vec![OsString::from("redis-trib")];
        argv.extend(self.verbs.iter().map(OsString::from));
        for (name, value) in &self.options {
            let mut word = OsString::from(format!("--{name}"));
            if let Some(value) = value {
                // Joined, so that a value may begin with a hyphen.
                word.push("=");
                word.push(value);
            }
            argv.push(word);
        }
        if !self.words.is_empty() {
            argv.push("--".into());
            argv.extend(self.words.iter().cloned());
        }
        argv
    }
}
