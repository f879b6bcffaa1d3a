//! The server's commands in its own words, or in those of newer ones: for completion, hints and help.

use std::collections::HashSet;

use redistrib_ops::Connection;
use redistrib_ops::resp::{Command, View};
use serde::{Deserialize, Serialize};

use super::syntax::{self, Argument};
use crate::shell::options::Peer;

/// What there is to say about one command, or a subcommand with its parent's name before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HelpEntry {
    /// In capitals: `CLUSTER SETSLOT`.
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
    pub(super) summary: String,
    pub(super) since: String,
    pub(super) group: String,
}

/// All commands of a server, sorted by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Commands(Vec<HelpEntry>);

/// What Redis 8.6 says of its commands, an entry a line. Written by the test beside this, which tells when a server says
/// otherwise.
const OF_REDIS: &str = include_str!("commands.jsonl");

/// What Valkey 9.1 says of the commands that it alone has, and of those of which it says something else.
const OF_VALKEY: &str = include_str!("commands-valkey.jsonl");

impl Commands {
    /// Asks by COMMAND DOCS (servers from 7.0), else by COMMAND, which gives names alone: what there is to say
    /// of these comes from the table, and all of it where a server refuses both.
    pub(super) fn load(link: &mut Connection, peer: Peer) -> Self {
        if let Some(documented) = Self::documented(link) {
            return documented;
        }
        let Ok(reply) = link.call(&Command::new("COMMAND")) else {
            return Self::from_table(peer);
        };
        let names = reply.view().elements().filter_map(|entry| entry.elements().next());
        let names: HashSet<String> =
            names.filter_map(|name| Some(name.as_str()?.to_uppercase())).collect();
        Self::from_table(peer).only(names)
    }

    /// What the server documents, if it does.
    fn documented(link: &mut Connection) -> Option<Self> {
        let reply = link.call(&Command::new("COMMAND").arg("DOCS")).ok()?;
        let mut entries = Vec::new();
        for (name, doc) in reply.view().pairs() {
            add_documented("", name, doc, &mut entries);
        }
        Some(Self::new(entries))
    }

    /// What can be said without a server: where Redis and Valkey say different things, those of the tool's own server.
    pub(super) fn from_table(peer: Peer) -> Self {
        let (own, other) = match peer {
            Peer::RedisCli => (OF_REDIS, OF_VALKEY),
            Peer::ValkeyCli => (OF_VALKEY, OF_REDIS),
        };
        // The test beside this reads every line.
        let read = |line| serde_json::from_str(line).ok();
        let mut entries: Vec<HelpEntry> = own.lines().filter_map(read).collect();
        let known: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
        let more = other.lines().filter_map(read);
        entries.extend(more.filter(|entry: &HelpEntry| !known.contains(&entry.name)));
        Self::new(entries)
    }

    /// Only the commands of these names, their subcommands, and names alone for those that nothing is known of.
    fn only(self, mut names: HashSet<String>) -> Self {
        let mut entries = self.0;
        entries
            .retain(|entry| entry.name.split(' ').next().is_some_and(|name| names.contains(name)));
        for entry in &entries {
            names.remove(&entry.name);
        }
        entries.extend(names.into_iter().map(|name| HelpEntry { name, ..HelpEntry::default() }));
        Self::new(entries)
    }

    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn new(mut entries: Vec<HelpEntry>) -> Self {
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Self(entries)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HelpEntry> {
        self.0.iter()
    }

    /// The command, or subcommand, that these words begin with, and how many words are its name.
    pub(super) fn find(&self, words: &[String]) -> Option<(&HelpEntry, usize)> {
        let upper: Vec<String> = words.iter().take(2).map(|word| word.to_uppercase()).collect();
        (1..=upper.len()).rev().find_map(|count| {
            let name = upper.get(..count)?.join(" ");
            let at = self.0.binary_search_by(|entry| entry.name.as_str().cmp(&name)).ok()?;
            Some((self.0.get(at)?, count))
        })
    }

    /// The names that begin so, whatever the case.
    pub(super) fn beginning<'a>(&'a self, start: &'a str) -> impl Iterator<Item = &'a HelpEntry> {
        let start = start.to_uppercase();
        self.0.iter().filter(move |entry| entry.name.starts_with(&start))
    }
}

/// Adds a command and its subcommands, which servers name `parent|sub`.
fn add_documented(parent: &str, name: View<'_>, doc: View<'_>, entries: &mut Vec<HelpEntry>) {
    let Some(name) = name.as_str() else { return };
    let own = name.rsplit('|').next().unwrap_or_default().to_uppercase();
    let name = if parent.is_empty() { own } else { format!("{parent} {own}") };
    let text =
        |key: &[u8]| doc.get(key).and_then(|value| value.as_str()).unwrap_or_default().to_owned();
    entries.push(HelpEntry {
        arguments: doc.get(b"arguments").map(syntax::read).unwrap_or_default(),
        summary: text(b"summary"),
        since: text(b"since"),
        group: text(b"group"),
        name: name.clone(),
    });
    if parent.is_empty() {
        for (sub, doc) in doc.get(b"subcommands").map(|subs| subs.pairs()).into_iter().flatten() {
            add_documented(&name, sub, doc, entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use redistrib_ops::lab::{TempLab, TestServer};
    use redistrib_ops::resp::Decoder;

    use super::*;

    fn documented_by(server: &'static str) -> Vec<HelpEntry> {
        let lab = TempLab::plain(&TestServer::named(server).unwrap(), 1).unwrap();
        let mut link = Connection::open(&lab.endpoints()[0], lab.settings()).unwrap();
        Commands::documented(&mut link).unwrap().0
    }

    fn lines<'a>(entries: impl IntoIterator<Item = &'a HelpEntry>) -> String {
        entries.into_iter().fold(String::new(), |mut lines, entry| {
            writeln!(lines, "{}", serde_json::to_string(entry).unwrap()).unwrap();
            lines
        })
    }

    /// Where it fails because a server has been replaced by a newer one, the file it names is the new table.
    #[test]
    fn the_tables_are_what_servers_say() {
        let of_redis = documented_by("redis-8.6");
        let of_valkey = documented_by("valkey-9.1");
        let otherwise = of_valkey.iter().filter(|entry| !of_redis.contains(entry));
        for (said, table, file) in [
            (lines(&of_redis), OF_REDIS, "commands.jsonl"),
            (lines(otherwise), OF_VALKEY, "commands-valkey.jsonl"),
        ] {
            if said != table {
                let new = format!("{}/../../target/{file}", env!("CARGO_MANIFEST_DIR"));
                std::fs::write(&new, &said).unwrap();
                panic!("the servers say otherwise: put {new} in the place of {file}");
            }
        }
    }

    /// As valkey-cli, people see what Valkey's SET takes, not Redis's; commands of the other are still known.
    #[test]
    fn without_a_server_the_tools_own_one_counts() {
        for (peer, condition) in [
            (Peer::RedisCli, "[NX|XX|IFEQ ifeq-value|"),
            (Peer::ValkeyCli, "[NX|XX|IFEQ comparison-value]"),
        ] {
            let commands = Commands::from_table(peer);
            let (set, _) = commands.find(&["set".into()]).unwrap();
            let arguments = syntax::written(&set.arguments);
            assert!(arguments.contains(condition), "{peer:?}: {arguments}");
            for name in ["VADD", "CLUSTER MIGRATESLOTS"] {
                assert_eq!(commands.beginning(name).count(), 1, "{peer:?}: {name}");
            }
        }
    }

    #[test]
    fn of_a_server_without_documentation_its_own_names_count() {
        let names = ["CLUSTER", "NOSUCH"].map(str::to_owned).into_iter().collect();
        let commands = Commands::from_table(Peer::RedisCli).only(names);
        assert!(commands.find(&["cluster".into(), "slots".into()]).unwrap().1 == 2);
        assert!(commands.find(&["nosuch".into()]).is_some());
        assert!(commands.find(&["get".into()]).is_none());
    }

    #[test]
    fn arguments_are_written_as_in_the_documentation() {
        // What a server says of SET's last arguments, shortened.
        let docs = b"*2\r\n$3\r\nset\r\n*6\r\n$7\r\nsummary\r\n$3\r\nset\r\n$5\r\ngroup\r\n$6\r\nstring\r\n\
            $9\r\narguments\r\n*3\r\n\
            *4\r\n$4\r\nname\r\n$3\r\nkey\r\n$4\r\ntype\r\n$3\r\nkey\r\n\
            *6\r\n$4\r\nname\r\n$1\r\nv\r\n$4\r\ntype\r\n$6\r\nstring\r\n$5\r\nflags\r\n*1\r\n+multiple\r\n\
            *8\r\n$4\r\nname\r\n$1\r\nx\r\n$4\r\ntype\r\n$5\r\noneof\r\n$5\r\nflags\r\n*1\r\n+optional\r\n\
              $9\r\narguments\r\n*2\r\n\
                *6\r\n$4\r\nname\r\n$1\r\ns\r\n$4\r\ntype\r\n$7\r\ninteger\r\n$5\r\ntoken\r\n$2\r\nEX\r\n\
                *6\r\n$4\r\nname\r\n$1\r\nk\r\n$4\r\ntype\r\n$10\r\npure-token\r\n$5\r\ntoken\r\n$7\r\nKEEPTTL\r\n";
        let mut decoder = Decoder::new();
        decoder.feed(docs);
        let reply = decoder.next_reply().unwrap().unwrap();
        let mut entries = Vec::new();
        for (name, doc) in reply.view().pairs() {
            add_documented("", name, doc, &mut entries);
        }
        let commands = Commands::new(entries);
        let (set, words) = commands.find(&["Set".into(), "k".into()]).unwrap();
        assert_eq!((set.name.as_str(), set.group.as_str(), words), ("SET", "string", 1));
        assert_eq!(syntax::written(&set.arguments), "key v [v ...] [EX s|KEEPTTL]");
        assert_eq!(commands.beginning("s").count(), 1);
    }
}
