//! Commands on a fleet as if it were one server.

use std::collections::HashMap;
use std::time::Duration;

use redistrib_cluster_model::placement::WrittenKey;
use redistrib_resp::{Command, Reply};

use super::links::{Access, Links};
use super::policy::{Policy, Split, find};
use super::{Fleet, compose};
use crate::error::Result;
use crate::{Connection, Settings};

/// How long a command that waits on purpose may take: for as long as it likes.
const FOR_EVER: Duration = Duration::from_secs(366 * 86_400);
/// Commands that wait until there is something to give.
const WAITING: [&str; 11] = [
    "BLPOP",
    "BRPOP",
    "BRPOPLPUSH",
    "BLMOVE",
    "BLMPOP",
    "BZPOPMIN",
    "BZPOPMAX",
    "BZMPOP",
    "XREAD",
    "XREADGROUP",
    "WAIT",
];

const KEYLESS: &str = "it names no key, so there is no telling which server is meant";

/// How a [`FleetClient`] reads and understands keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FleetOptions {
    /// Reads from masters too, not from replicas.
    pub masters_only: bool,
    /// Takes braces in keys as they are, not for a hash tag.
    pub literal_keys: bool,
}

/// What a command on a fleet gives.
#[derive(Debug)]
pub enum Answer {
    /// One answer: a server's, or put together from several.
    One(Reply),
    /// Each server's own, by its name.
    Each(Vec<(String, Result<Reply>)>),
}

/// A key with its place: the index of its master, and its name there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) server: usize,
    pub(super) name: Vec<u8>,
}

/// Executes commands on a fleet. What is done with which command stands in [`policy`](super::policy).
///
/// Connections are made when they are needed, and again when they have broken. A command is never sent
/// twice.
///
/// ```no_run
/// use redistrib_ops::Settings;
/// use redistrib_ops::fleet::{Answer, Fleet, FleetClient, FleetOptions};
///
/// let fleet = Fleet::from_arguments(&["node_1=127.0.0.1:63791", "node_2=127.0.0.1:63792"], &[])?;
/// let mut client = FleetClient::new(fleet, &Settings::default(), FleetOptions::default());
/// if let Answer::One(reply) = client.execute(&["MGET", "foo", "bar{foo}"])? {
///     println!("{:?}", reply.view());
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FleetClient {
    pub(super) fleet: Fleet,
    pub(super) links: Links,
    options: FleetOptions,
    /// Which of the server's commands only read.
    accesses: HashMap<Vec<u8>, Access>,
}

impl FleetClient {
    /// A client that has yet to connect.
    pub fn new(fleet: Fleet, settings: &Settings, options: FleetOptions) -> Self {
        let links = Links::new(&fleet, settings, options.masters_only);
        Self { fleet, links, options, accesses: HashMap::new() }
    }

    /// The fleet's description.
    pub fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    /// What the user should know since the last call: replicas that could not be read from.
    pub fn take_warnings(&mut self) -> Vec<String> {
        self.links.take_warnings()
    }

    /// Executes a command, given as its words. Error replies are answers, and so is the refusal of a command
    /// that cannot be right across servers.
    ///
    /// # Errors
    /// Those of connections. What was done at other servers before stays done.
    pub fn execute<W: AsRef<[u8]>>(&mut self, words: &[W]) -> Result<Answer> {
        let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
        let Some(&name) = words.first() else {
            return Ok(Answer::One(compose::error("ERR no command")));
        };
        let Some(rule) = find(name) else { return self.at_its_keys(&words).map(Answer::One) };
        match rule.policy {
            Policy::Everywhere(gather) => self.everywhere(&words, gather),
            Policy::Anywhere => self.send(0, &command(&words), Access::Read).map(Answer::One),
            Policy::Refused(why) => Ok(Answer::One(refusal(name, why))),
            policy => self.split(policy, &words).map(Answer::One),
        }
    }

    /// A command that the table splits up.
    fn split(&mut self, policy: Policy, words: &[&[u8]]) -> Result<Reply> {
        let Some(positions) = policy.key_positions(words.len()) else {
            let name = String::from_utf8_lossy(words[0]).to_lowercase();
            let text = format!("ERR wrong number of arguments for '{name}' command");
            return Ok(compose::error(&text));
        };
        let access = policy.access(words[0]);
        let keys = self.place(words, &positions);
        if let Some(server) = one_server(&keys) {
            let whole = rename(words, &positions, &keys);
            return self.send(server, &whole, access);
        }
        match policy {
            Policy::Split(Split::Values) => self.values(words[0], &keys),
            Policy::Split(Split::Sum) => self.sum(words[0], &keys, access),
            Policy::Split(Split::Pairs) => self.set_all(&keys, words),
            Policy::SetIfNone => self.set_if_none(&keys, words),
            Policy::Sets { operation, store: false } => self.combine_sets(operation, &keys),
            Policy::Sets { operation, store: true } => self.store_sets(operation, &keys),
            Policy::MoveMember => self.move_member(&keys[0], &keys[1], words[3]),
            Policy::Rename { unless_there } => self.rename_key(&keys[0], &keys[1], unless_there),
            Policy::PopPush { blocking } => {
                let timeout = blocking.then(|| words[3]);
                self.pop_push(&keys[0], &keys[1], timeout)
            }
            // They are not split up.
            Policy::Everywhere(_) | Policy::Anywhere | Policy::Refused(_) => {
                Ok(refusal(words[0], KEYLESS))
            }
        }
    }

    /// A command that the table does not know: it goes to the server of its keys, as the server says
    /// which of its words are keys.
    fn at_its_keys(&mut self, words: &[&[u8]]) -> Result<Reply> {
        let question = crate::commands::keys_in(words.iter().copied());
        let reply = self.links.master(&self.fleet, 0)?.request(&question)?;
        let keys: Vec<&[u8]> = reply.view().elements().filter_map(|key| key.as_bytes()).collect();
        if keys.is_empty() {
            let malformed =
                reply.view().as_error().filter(|text| !text.ends_with(b"no key arguments"));
            return Ok(malformed.map_or_else(|| refusal(words[0], KEYLESS), |_| reply.clone()));
        }
        let Some(positions) = find_keys(words, &keys) else {
            let why = "it cannot be told which of its words are keys: write them without hash tags";
            return Ok(refusal(words[0], why));
        };
        let placed = self.place(words, &positions);
        let Some(server) = one_server(&placed) else {
            return Ok(refusal(words[0], &self.apart(&placed)));
        };
        let access = self.access(words[0])?;
        self.send(server, &rename(words, &positions, &placed), access)
    }

    /// What a command does, as the server has it.
    fn access(&mut self, name: &[u8]) -> Result<Access> {
        let name = name.to_ascii_lowercase();
        if let Some(&access) = self.accesses.get(&name) {
            return Ok(access);
        }
        let question = crate::commands::about_command(&name);
        let reply = self.links.master(&self.fleet, 0)?.request(&question)?;
        let flags = reply.view().elements().next().and_then(|info| info.elements().nth(2));
        let reads = flags
            .is_some_and(|flags| flags.elements().any(|flag| flag.as_bytes() == Some(b"readonly")));
        let access = if reads { Access::Read } else { Access::Write };
        self.accesses.insert(name, access);
        Ok(access)
    }

    /// The places of a command's keys. A first key with a hash tag takes all the others along, by their
    /// names as they stand: so does the library.
    fn place(&self, words: &[&[u8]], positions: &[usize]) -> Vec<Placed> {
        let written = |&at: &usize| self.parse(words[at]);
        let leader = positions.first().map(written).filter(WrittenKey::leads);
        let place = |(number, at): (usize, &usize)| match leader {
            Some(leader) => Placed {
                server: self.fleet.index_of(&leader),
                name: if number == 0 { leader.stored } else { words[*at] }.to_vec(),
            },
            None => {
                let key = written(at);
                Placed { server: self.fleet.index_of(&key), name: key.stored.to_vec() }
            }
        };
        positions.iter().enumerate().map(place).collect()
    }

    fn parse<'k>(&self, key: &'k [u8]) -> WrittenKey<'k> {
        if self.options.literal_keys { WrittenKey::literal(key) } else { WrittenKey::parse(key) }
    }

    /// Why a command cannot be done whose keys are at several servers.
    fn apart(&self, keys: &[Placed]) -> String {
        let place = |key: &Placed| {
            let name = &self.fleet.masters()[key.server].name;
            format!("\"{}\" at {name}", key.name.escape_ascii())
        };
        let first = keys.first();
        let other = keys.iter().find(|key| first.is_some_and(|first| key.server != first.server));
        let places: Vec<String> = first.into_iter().chain(other).map(place).collect();
        format!(
            "its keys are at several servers ({}): write the first as a{{b}} to have all of them at the place of b",
            places.join(", ")
        )
    }

    /// Sends a command to one server.
    pub(super) fn send(
        &mut self,
        server: usize,
        command: &Command,
        access: Access,
    ) -> Result<Reply> {
        let link = self.link(server, access)?;
        let waits = WAITING.iter().any(|name| command.name().eq_ignore_ascii_case(name.as_bytes()));
        let usual = link.timeout();
        if waits {
            link.set_timeout(FOR_EVER);
        }
        let reply = link.request(command);
        link.set_timeout(usual);
        reply
    }

    /// Sends commands to servers, all before the first answer is awaited. Answers stand in the commands' order.
    pub(super) fn send_all(
        &mut self,
        commands: &[(usize, Command)],
        access: Access,
    ) -> Result<Vec<Reply>> {
        for (server, command) in commands {
            self.link(*server, access)?.send(std::slice::from_ref(command))?;
        }
        let receive = |(server, command): &(usize, Command)| {
            self.links.begun(&self.fleet, *server, access, command)?.receive(command)
        };
        commands.iter().map(receive).collect()
    }

    fn link(&mut self, server: usize, access: Access) -> Result<&mut Connection> {
        match access {
            Access::Read => self.links.reader(&self.fleet, server),
            Access::Write => self.links.master(&self.fleet, server),
        }
    }
}

/// The server of all keys, if it is one.
fn one_server(keys: &[Placed]) -> Option<usize> {
    let first = keys.first()?.server;
    keys.iter().all(|key| key.server == first).then_some(first)
}

fn command(words: &[&[u8]]) -> Command {
    Command::from_args(words.iter().copied())
}

/// The command with the keys' names as their server has them.
fn rename(words: &[&[u8]], positions: &[usize], keys: &[Placed]) -> Command {
    let mut words = words.to_vec();
    for (&at, key) in positions.iter().zip(keys) {
        words[at] = &key.name;
    }
    command(&words)
}

/// Where the keys stand that the server has found among the words. It does not matter which of two equal
/// words is meant, unless the key has a brace and so would be renamed.
fn find_keys(words: &[&[u8]], keys: &[&[u8]]) -> Option<Vec<usize>> {
    let mut positions = Vec::new();
    for key in keys {
        let from = positions.last().map_or(1, |last| last + 1);
        let at = (from..words.len()).find(|&at| words[at] == *key)?;
        positions.push(at);
    }
    let is_clear = |&at: &usize| {
        let twins = words.iter().skip(1).filter(|word| **word == words[at]).count();
        let as_keys = keys.iter().filter(|key| **key == words[at]).count();
        !words[at].contains(&b'{') || twins == as_keys
    };
    positions.iter().all(is_clear).then_some(positions)
}

/// The refusal of a command.
fn refusal(name: &[u8], why: &str) -> Reply {
    let name = String::from_utf8_lossy(name).to_uppercase();
    compose::error(&format!("ERR {name} is not for a fleet: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(options: FleetOptions) -> FleetClient {
        let fleet = Fleet::from_arguments(&["node_1=127.0.0.1:1", "node_2=127.0.0.1:2"], &[]);
        FleetClient::new(fleet.unwrap(), &Settings::default(), options)
    }

    fn places(client: &FleetClient, keys: &[&str]) -> Vec<(usize, String)> {
        let words: Vec<&[u8]> =
            std::iter::once("MGET").chain(keys.iter().copied()).map(str::as_bytes).collect();
        let positions: Vec<usize> = (1..words.len()).collect();
        let placed = client.place(&words, &positions).into_iter();
        placed.map(|key| (key.server, String::from_utf8(key.name).unwrap())).collect()
    }

    // Of two masters, foo is at node_2 (index 1), bar at node_1 (index 0).

    #[test]
    fn a_first_key_with_a_tag_takes_the_others_along() {
        let client = client(FleetOptions::default());
        let place = |keys: &[&str]| places(&client, keys);
        assert_eq!(place(&["bar{foo}", "foo"]), [(1, "bar".into()), (1, "foo".into())]);
        assert_eq!(
            place(&["foo{bar}", "foo", "x{y}"]),
            [(0, "foo".into()), (0, "foo".into()), (0, "x{y}".into())]
        );
        assert_eq!(place(&["foo", "foo{bar}"]), [(1, "foo".into()), (0, "foo".into())]);
        assert_eq!(place(&["{bar}", "foo"]), [(0, String::new()), (1, "foo".into())]);
    }

    #[test]
    fn braces_can_be_taken_as_they_are() {
        let client = client(FleetOptions { literal_keys: true, ..Default::default() });
        assert_eq!(places(&client, &["bar{foo}"])[0].1, "bar{foo}");
    }

    #[test]
    fn keys_are_found_among_the_words() {
        let find = |words: &[&str], keys: &[&str]| {
            let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
            let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
            find_keys(&words, &keys)
        };
        assert_eq!(find(&["SET", "k", "k"], &["k"]), Some(vec![1]));
        assert_eq!(find(&["EVAL", "a{b}", "1", "a{b}"], &["a{b}"]), None);
        assert_eq!(
            find(&["ZUNIONSTORE", "d", "2", "a{b}", "c"], &["d", "a{b}", "c"]),
            Some(vec![1, 3, 4])
        );
        assert_eq!(find(&["GET", "k"], &["other"]), None);
    }

    #[test]
    fn refusals_need_no_server() {
        let mut client = client(FleetOptions::default());
        for (words, expected) in [
            (&["multi"][..], "MULTI is not for a fleet"),
            (&["SUBSCRIBE", "c"], "never ends"),
            (&["SCAN", "0"], "use KEYS"),
            (&["MSET", "a"], "wrong number of arguments for 'mset'"),
            (&[], "no command"),
        ] {
            let Answer::One(reply) = client.execute(words).unwrap() else { panic!("{words:?}") };
            let text = String::from_utf8_lossy(reply.view().as_error().unwrap()).into_owned();
            assert!(text.contains(expected), "{words:?}: {text}");
        }
    }
}
