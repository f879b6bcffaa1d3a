//! Which words of a command are keys, by the server's own list of commands.

use std::collections::HashMap;

use redistrib_cluster_model::Slot;
use redistrib_resp::{Command, View};

use crate::Connection;
use crate::error::Result;

/// Where the keys of each command stand.
///
/// Read once from `COMMAND`; servers from 2.8.13 have it.
#[derive(Debug)]
pub struct CommandKeys {
    commands: HashMap<Vec<u8>, KnownCommand>,
}

/// No command's name is longer.
const LONGEST_NAME: usize = 64;

/// A command of the server's list.
#[derive(Debug)]
struct KnownCommand {
    place: KeyPosition,
    subcommands: HashMap<Vec<u8>, KeyPosition>,
}

/// Where the keys of one command stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyPosition {
    None,
    /// The first key, the last (from the end where negative), and the step between.
    Range {
        first: usize,
        last: i64,
    },
    /// The number of keys stands here, the first key behind it.
    Counted(usize),
    /// Behind the word STREAMS.
    Streams,
    /// Only the server knows: `COMMAND GETKEYS`.
    Asked,
}

/// The keys of a command, as far as routing needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoutedKeys {
    /// The slot of the first key.
    pub(super) slot: Slot,
    /// Whether there may be further keys.
    pub(super) many: bool,
}

impl CommandKeys {
    /// Asks a server.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub fn load(connection: &mut Connection) -> Result<CommandKeys> {
        let reply = connection.call(&Command::new("COMMAND"))?;
        let mut commands = HashMap::new();
        for entry in reply.view().elements() {
            add(entry, &mut commands);
        }
        Ok(CommandKeys { commands })
    }

    /// The slot of a command's keys; `None` where it has none, or does not exist.
    pub(super) fn route(
        &self,
        command: &Command,
        connection: &mut Connection,
    ) -> Result<Option<RoutedKeys>> {
        let words: Vec<&[u8]> = command.args().collect();
        let found = match self.place(&words) {
            KeyPosition::None => None,
            KeyPosition::Range { first, last } => range(&words, first, last),
            KeyPosition::Counted(at) => counted(&words, at),
            KeyPosition::Streams => streams(&words),
            KeyPosition::Asked => return ask(command, connection),
        };
        Ok(found.map(|(key, many)| RoutedKeys { slot: Slot::of_key(key), many }))
    }

    fn place(&self, words: &[&[u8]]) -> KeyPosition {
        let Some(name) = words.first() else { return KeyPosition::None };
        let mut lower = [0; LONGEST_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { return KeyPosition::None };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        let Some(known) = self.commands.get(&*lower) else { return KeyPosition::None };
        let second = words.get(1).filter(|_| !known.subcommands.is_empty());
        let subcommand = second.and_then(|name| known.subcommands.get(&name.to_ascii_lowercase()));
        subcommand.copied().unwrap_or(known.place)
    }
}

/// Adds a command of the server's list with its subcommands (servers from 7.0).
fn add(entry: View<'_>, commands: &mut HashMap<Vec<u8>, KnownCommand>) {
    let Some((name, place)) = read_place(entry) else { return };
    let mut subcommands = HashMap::new();
    for subcommand in entry.elements().nth(9).into_iter().flat_map(|list| list.elements()) {
        // Servers write `parent|name`.
        if let Some((full, place)) = read_place(subcommand) {
            let own = full.rsplit(|&byte| byte == b'|').next().unwrap_or_default();
            subcommands.insert(own.to_vec(), place);
        }
    }
    commands.insert(name, KnownCommand { place, subcommands });
}

/// The name of a command in small letters, and where its keys are.
fn read_place(entry: View<'_>) -> Option<(Vec<u8>, KeyPosition)> {
    let fields: Vec<View<'_>> = entry.elements().take(5).collect();
    let number = |at: usize| fields.get(at).and_then(View::as_int);
    let name = fields.first().and_then(View::as_bytes)?;
    let movable = fields.get(2)?.elements().any(|flag| flag.as_bytes() == Some(b"movablekeys"));
    let first = number(3).and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
    let place = match (well_known(name), first) {
        (Some(place), _) => place,
        (None, 0) if movable => KeyPosition::Asked,
        (None, 0) => KeyPosition::None,
        (None, first) => KeyPosition::Range { first, last: number(4).unwrap_or(0) },
    };
    Some((name.to_ascii_lowercase(), place))
}

/// Commands whose keys we find without a question to the server for each.
fn well_known(name: &[u8]) -> Option<KeyPosition> {
    Some(match name.to_ascii_lowercase().as_slice() {
        b"eval" | b"evalsha" | b"eval_ro" | b"evalsha_ro" | b"fcall" | b"fcall_ro" | b"blmpop"
        | b"bzmpop" => KeyPosition::Counted(2),
        b"zunion" | b"zinter" | b"zdiff" | b"zintercard" | b"sintercard" | b"lmpop" | b"zmpop" => {
            KeyPosition::Counted(1)
        }
        b"xread" | b"xreadgroup" => KeyPosition::Streams,
        _ => return None,
    })
}

type Found<'a> = Option<(&'a [u8], bool)>;

fn range<'a>(words: &[&'a [u8]], first: usize, last: i64) -> Found<'a> {
    let end = if last < 0 { words.len() as i64 + last } else { last };
    Some((*words.get(first)?, end > first as i64))
}

fn counted<'a>(words: &[&'a [u8]], at: usize) -> Found<'a> {
    let count: u64 = std::str::from_utf8(words.get(at)?).ok()?.parse().ok()?;
    if count == 0 { None } else { Some((*words.get(at + 1)?, count > 1)) }
}

fn streams<'a>(words: &[&'a [u8]]) -> Found<'a> {
    let at = words.iter().position(|word| word.eq_ignore_ascii_case(b"STREAMS"))?;
    Some((*words.get(at + 1)?, words.len() > at + 3))
}

fn ask(command: &Command, connection: &mut Connection) -> Result<Option<RoutedKeys>> {
    let question = crate::commands::keys_in(command.args());
    let reply = connection.request(&question)?;
    let mut keys = reply.view().elements();
    let first = keys.next().and_then(|key| key.as_bytes());
    Ok(first.map(|key| RoutedKeys { slot: Slot::of_key(key), many: keys.len() > 0 }))
}

#[cfg(test)]
mod tests {
    use redistrib_resp::Decoder;

    use super::*;

    fn keys(list: &[u8]) -> CommandKeys {
        let mut decoder = Decoder::new();
        decoder.feed(list);
        let reply = decoder.next_reply().unwrap().unwrap();
        let mut commands = HashMap::new();
        reply.view().elements().for_each(|entry| add(entry, &mut commands));
        CommandKeys { commands }
    }

    fn first_key<'a>(keys: &CommandKeys, words: &[&'a [u8]]) -> Found<'a> {
        match keys.place(words) {
            KeyPosition::Range { first, last } => range(words, first, last),
            KeyPosition::Counted(at) => counted(words, at),
            KeyPosition::Streams => streams(words),
            KeyPosition::None | KeyPosition::Asked => None,
        }
    }

    #[test]
    fn finds_the_key_by_the_servers_list() {
        let list = b"*5\r\n\
            *6\r\n$3\r\nset\r\n:-3\r\n*0\r\n:1\r\n:1\r\n:1\r\n\
            *6\r\n$4\r\nmset\r\n:-3\r\n*0\r\n:1\r\n:-1\r\n:2\r\n\
            *6\r\n$4\r\neval\r\n:-3\r\n*1\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n\
            *6\r\n$5\r\nxread\r\n:-4\r\n*1\r\n+movablekeys\r\n:0\r\n:0\r\n:0\r\n\
            *10\r\n$6\r\nxgroup\r\n:-2\r\n*0\r\n:0\r\n:0\r\n:0\r\n*0\r\n*0\r\n*0\r\n*1\r\n\
              *6\r\n$13\r\nxgroup|create\r\n:-5\r\n*0\r\n:2\r\n:2\r\n:1\r\n";
        let keys = keys(list);
        for (line, expected) in [
            ("SET k v", Some(("k", false))),
            ("mset k v", Some(("k", true))),
            ("EVAL script 2 a b c", Some(("a", true))),
            ("EVAL script 0 c", None),
            ("EVAL script x c", None),
            ("XREAD COUNT 1 streams s 0", Some(("s", false))),
            ("XGROUP create s g 0", Some(("s", false))),
            ("XGROUP HELP", None),
            ("PING", None),
            ("SET", None),
        ] {
            let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            let expected = expected.map(|(key, many)| (key.as_bytes(), many));
            assert_eq!(first_key(&keys, &words), expected, "{line}");
        }
    }

    #[test]
    fn a_list_that_is_none_gives_no_keys() {
        assert!(keys(b"*3\r\n:1\r\n*1\r\n_\r\n*3\r\n$1\r\nx\r\n:1\r\n:2\r\n").commands.len() <= 1);
    }
}
