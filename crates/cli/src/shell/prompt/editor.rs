//! The line editor: history, completion, hints.

use rustyline::completion::{Completer, Pair};
use rustyline::config::Configurer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::MemHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, ExternalPrinter, Helper};
use std::borrow::Cow;
use std::path::PathBuf;

use super::commands::Commands;
use super::{hints, history, syntax};
use crate::shell::lines::is_sensitive;
use crate::shell::options::Peer;

/// Reads lines from the terminal.
pub(super) struct Editor {
    line: rustyline::Editor<Assistant, MemHistory>,
    file: Option<PathBuf>,
}

impl Editor {
    pub(super) fn new(commands: Commands, peer: Peer) -> rustyline::Result<Self> {
        let config = Config::builder()
            .max_history_size(history::MOST_LINES)?
            .history_ignore_dups(true)?
            .completion_type(CompletionType::Circular)
            // A line that is pasted is executed as one that is typed, as redis-cli does.
            .bracketed_paste(false)
            .build();
        let history = MemHistory::with_config(&config);
        let mut line = rustyline::Editor::with_history(config, history)?;
        line.set_auto_add_history(false);
        line.set_helper(Some(Assistant { commands, hints: true, room: 0 }));
        let file = history::file(peer);
        if let Some(file) = &file {
            for earlier in history::load(file) {
                line.add_history_entry(earlier)?;
            }
        }
        Ok(Self { line, file })
    }

    /// Reads a line, or several that a terminal has pasted as one text, and remembers each.
    pub(super) fn read(&mut self, prompt: &str) -> rustyline::Result<String> {
        let columns =
            self.line.dimensions().map_or(usize::MAX, |(columns, _)| usize::from(columns));
        if let Some(assistant) = self.line.helper_mut() {
            assistant.room = columns.saturating_sub(prompt.chars().count());
        }
        let text = self.line.readline(prompt)?;
        for line in text.lines() {
            self.remember(line)?;
        }
        Ok(text)
    }

    /// Prints while a line is read, above it.
    pub(super) fn printer(&mut self) -> rustyline::Result<impl ExternalPrinter + Send + use<>> {
        self.line.create_external_printer()
    }

    /// Remembers a line, unless it can hold a secret or begins with a blank.
    fn remember(&mut self, line: &str) -> rustyline::Result<()> {
        if !line.trim().is_empty() && !line.starts_with(' ') && !is_sensitive(line) {
            let is_new = self.line.add_history_entry(line)?;
            if let Some(file) = self.file.as_deref().filter(|_| is_new) {
                // A history that cannot be kept is no reason to stop.
                let _ = history::append(file, line);
            }
        }
        Ok(())
    }

    pub(super) fn show_hints(&mut self, hints: bool) {
        if let Some(assistant) = self.line.helper_mut() {
            assistant.hints = hints;
        }
    }

    pub(super) fn set_commands(&mut self, commands: Commands) {
        if let Some(assistant) = self.line.helper_mut() {
            assistant.commands = commands;
        }
    }

    pub(super) fn commands(&self) -> &Commands {
        static NONE: Commands = Commands::none();
        self.line.helper().map_or(&NONE, |assistant| &assistant.commands)
    }
}

/// Completes and hints by what the server says of its commands.
struct Assistant {
    commands: Commands,
    hints: bool,
    /// How many columns of the terminal there are behind the prompt.
    room: usize,
}

impl Helper for Assistant {}
impl Validator for Assistant {}

impl Highlighter for Assistant {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(format!("\x1b[90m{hint}\x1b[0m"))
    }
}

impl Completer for Assistant {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        let before = line.get(..position).unwrap_or(line);
        let (from, names) = complete(&self.commands, before);
        let pairs = names.into_iter().map(|name| Pair { display: name.clone(), replacement: name });
        Ok((from, pairs.collect()))
    }
}

impl Hinter for Assistant {
    type Hint = String;

    fn hint(&self, line: &str, position: usize, _context: &Context<'_>) -> Option<String> {
        if !self.hints || position < line.len() {
            return None;
        }
        // A hint that went on in the next line would have to be taken back there with each key.
        let room = self.room.saturating_sub(line.chars().count() + 1);
        let hint = hints::hint(&self.commands, line).filter(|hint| !hint.is_empty())?;
        let gap = if line.ends_with(char::is_whitespace) { "" } else { " " };
        Some(gap.chars().chain(hint.chars()).take(room).collect())
    }
}

/// What the word before the cursor can become, and where it begins: a command's name, a subcommand's, or
/// one of the capital words among its arguments.
fn complete(commands: &Commands, before: &str) -> (usize, Vec<String>) {
    let start = before.trim_start();
    let indent = before.len() - start.len();
    if let Some(topic) = start.strip_prefix("help ").or_else(|| start.strip_prefix("? ")) {
        return (before.len() - topic.len(), topics(commands, topic));
    }
    let names: Vec<String> = commands.beginning(start).map(|entry| entry.name.clone()).collect();
    if !names.is_empty() && !start.is_empty() {
        // `CLUSTER` alone stands for many: its subcommands follow once a blank is typed.
        let shallow = |name: &String| start.contains(' ') || !name.contains(' ');
        return (
            indent,
            names.into_iter().filter(shallow).map(|name| in_case_of(start, name)).collect(),
        );
    }
    let words: Vec<String> = start.split_whitespace().map(str::to_owned).collect();
    let from = before.rfind(char::is_whitespace).map_or(0, |at| at + 1);
    let typed = before.get(from..).unwrap_or_default().to_uppercase();
    let Some((entry, _)) = commands.find(&words).filter(|_| !typed.is_empty()) else {
        return (before.len(), Vec::new());
    };
    let mut tokens: Vec<String> = syntax::tokens(&entry.arguments)
        .into_iter()
        .filter(|token| token.starts_with(&typed))
        .map(str::to_owned)
        .collect();
    tokens.dedup();
    (from, tokens)
}

fn topics(commands: &Commands, typed: &str) -> Vec<String> {
    if let Some(group) = typed.strip_prefix('@') {
        let mut groups: Vec<String> = commands
            .iter()
            .map(|entry| entry.group.clone())
            .filter(|name| name.starts_with(group))
            .collect();
        groups.sort();
        groups.dedup();
        return groups.iter().map(|group| format!("@{group}")).collect();
    }
    commands.beginning(typed).map(|entry| entry.name.clone()).collect()
}

/// Who types small letters gets small letters.
fn in_case_of(typed: &str, name: String) -> String {
    if typed.chars().any(|c| c.is_ascii_lowercase()) { name.to_lowercase() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn completes_names_subcommands_and_capital_words() {
        for (typed, from, expected) in [
            ("getr", 0, &["getrange"][..]),
            ("CLUSTERS", 0, &["CLUSTERSCAN"]),
            ("cluster sl", 0, &["cluster slaves", "cluster slot-stats", "cluster slots"]),
            ("set k v K", 8, &["KEEPTTL"]),
            ("set k v ", 8, &[]),
            ("help @str", 5, &["@stream", "@string"]),
            ("help cluster sets", 5, &["CLUSTER SETSLOT"]),
            ("nosuch x", 8, &[]),
            ("", 0, &[]),
        ] {
            let (at, names) = complete(&Commands::from_table(Peer::RedisCli), typed);
            assert_eq!(
                (at, names),
                (from, expected.iter().map(|s| (*s).to_owned()).collect()),
                "{typed:?}"
            );
        }
    }
}
