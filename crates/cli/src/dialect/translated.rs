//! A command line in the one dialect.

use std::ffi::{OsStr, OsString};

use super::model::Opt;

/// A command line that has been understood as far as its words go: verb, options, positionals.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Translated {
    verbs: Vec<String>,
    options: Vec<(String, Option<OsString>)>,
    words: Vec<OsString>,
}

impl Translated {
    pub(super) fn new(verbs: Vec<String>) -> Self {
        Self { verbs, ..Self::default() }
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
