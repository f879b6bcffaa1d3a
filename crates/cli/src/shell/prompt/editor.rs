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

use redistrib_ops::words::{Word, split_words};

use super::commands::Commands;
use super::history;
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
        hint(&self.commands, line).map(|hint| hint.chars().take(room).collect())
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
    let mut tokens: Vec<String> = entry
        .arguments
        .iter()
        .flat_map(|part| tokens(part))
        .filter(|token| token.starts_with(&typed))
        .map(str::to_owned)
        .collect();
    tokens.dedup();
    (from, tokens)
}

/// The capital words of an argument: they stand in the command as they are.
fn tokens(part: &str) -> impl Iterator<Item = &str> {
    part.split(|c: char| !c.is_ascii_uppercase() && c != '-' && c != '_')
        .filter(|token| token.len() > 1)
}

fn is_word(token: &str, words: &[String]) -> bool {
    words.iter().any(|word| word.eq_ignore_ascii_case(token))
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

/// The arguments that are still to come.
fn hint(commands: &Commands, line: &str) -> Option<String> {
    let words: Vec<Word> = split_words(line.as_bytes()).ok()?;
    let text: Vec<String> =
        words.iter().map(|word| String::from_utf8_lossy(&word.bytes).into_owned()).collect();
    let (entry, named) = commands.find(&text)?;
    let complete = line.ends_with(char::is_whitespace);
    let given = text.len() - named;
    let fixed = entry.arguments.iter().take_while(|part| !part.starts_with('[')).count();
    let given_words = text.get(named..).unwrap_or_default();
    // Parts that repeat stay on show, and optional ones until one of their words is there.
    let is_left = |part: &&String| !tokens(part).any(|token| is_word(token, given_words));
    let rest: Vec<&str> = entry
        .arguments
        .get(given.min(fixed)..)?
        .iter()
        .filter(is_left)
        .map(String::as_str)
        .collect();
    let rest = rest.join(" ");
    if rest.is_empty() {
        return None;
    }
    let rest = crate::escape::Escaped(rest).to_string();
    Some(if complete { rest } else { format!(" {rest}") })
}

#[cfg(test)]
mod tests {
    use super::super::commands::Entry;
    use super::*;

    fn commands() -> Commands {
        let entry = |name: &str, arguments: &[&str], group: &str| Entry {
            name: name.into(),
            arguments: arguments.iter().map(|part| (*part).to_owned()).collect(),
            group: group.into(),
            ..Entry::default()
        };
        Commands::new(vec![
            entry("CLUSTER", &[], "cluster"),
            entry(
                "CLUSTER SETSLOT",
                &["slot", "IMPORTING node-id|MIGRATING node-id|STABLE"],
                "cluster",
            ),
            entry("CLUSTER SLOTS", &[], "cluster"),
            entry("GET", &["key"], "string"),
            entry("SET", &["key", "value", "[NX|XX]", "[EX seconds|KEEPTTL]"], "string"),
        ])
    }

    #[test]
    fn completes_names_subcommands_and_capital_words() {
        for (typed, from, expected) in [
            ("ge", 0, &["get"][..]),
            ("CLU", 0, &["CLUSTER"]),
            ("cluster s", 0, &["cluster setslot", "cluster slots"]),
            ("set k v K", 8, &["KEEPTTL"]),
            ("set k v ", 8, &[]),
            ("help @s", 5, &["@string"]),
            ("help cluster se", 5, &["CLUSTER SETSLOT"]),
            ("nosuch x", 8, &[]),
            ("", 0, &[]),
        ] {
            let (at, names) = complete(&commands(), typed);
            assert_eq!(
                (at, names),
                (from, expected.iter().map(|s| (*s).to_owned()).collect()),
                "{typed:?}"
            );
        }
    }

    #[test]
    fn hints_what_is_still_to_come() {
        let hint = |line: &str| hint(&commands(), line);
        assert_eq!(hint("get").as_deref(), Some(" key"));
        assert_eq!(hint("get ").as_deref(), Some("key"));
        assert_eq!(hint("get k"), None);
        assert_eq!(hint("set k").as_deref(), Some(" value [NX|XX] [EX seconds|KEEPTTL]"));
        assert_eq!(hint("set k v ").as_deref(), Some("[NX|XX] [EX seconds|KEEPTTL]"));
        assert_eq!(hint("set k v nx ").as_deref(), Some("[EX seconds|KEEPTTL]"));
        assert_eq!(hint("set k v EX 1 NX"), None);
        assert_eq!(
            hint("cluster setslot 1 ").as_deref(),
            Some("IMPORTING node-id|MIGRATING node-id|STABLE")
        );
        assert_eq!(hint("get \"k"), None);
        assert_eq!(hint("nosuch"), None);
    }
}
