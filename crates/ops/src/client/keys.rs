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
pub struct Keys {
    places: HashMap<Vec<u8>, Place>,
}

/// Where the keys of one command stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
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
    /// Only the server can tell: `COMMAND GETKEYS`.
    Asked,
}

/// The keys of a command, as far as routing needs them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    /// The slot of the first key.
    pub(super) slot: Slot,
    /// Whether there may be further keys.
    pub(super) many: bool,
}

impl Keys {
    /// Asks a server.
    ///
    /// # Errors
    /// Those of [`Connection::call`].
    pub fn load(connection: &mut Connection) -> Result<Keys> {
        let reply = connection.call(&Command::new("COMMAND"))?;
        let mut places = HashMap::new();
        for entry in reply.view().elements() {
            add(entry, &mut places);
        }
        Ok(Keys { places })
    }

    /// The slot of a command's keys; `None` where it has none, or does not exist.
    pub(super) fn route(
        &self,
        command: &Command,
        connection: &mut Connection,
    ) -> Result<Option<Route>> {
        let words: Vec<&[u8]> = command.args().collect();
        let found = match self.place(&words) {
            Place::None => None,
            Place::Range { first, last } => range(&words, first, last),
            Place::Counted(at) => counted(&words, at),
            Place::Streams => streams(&words),
            Place::Asked => return ask(command, connection),
        };
        Ok(found.map(|(key, many)| Route { slot: Slot::of_key(key), many }))
    }

    fn place(&self, words: &[&[u8]]) -> Place {
        let lower = |at: usize| words.get(at).map(|word| word.to_ascii_lowercase());
        let Some(name) = lower(0) else { return Place::None };
        let subcommand = lower(1).map(|word| [&name[..], b"|", &word].concat());
        let found = subcommand.and_then(|name| self.places.get(&name));
        found.or_else(|| self.places.get(&name)).copied().unwrap_or(Place::None)
    }
}

/// Adds a command of the server's list, and its subcommands (servers from 7.0).
fn add(entry: View<'_>, places: &mut HashMap<Vec<u8>, Place>) {
    let fields: Vec<View<'_>> = entry.elements().collect();
    let number = |at: usize| fields.get(at).and_then(View::as_int);
    let (Some(name), Some(flags)) = (fields.first().and_then(View::as_bytes), fields.get(2)) else {
        return;
    };
    let movable = flags.elements().any(|flag| flag.as_bytes() == Some(b"movablekeys"));
    let first = number(3).and_then(|first| usize::try_from(first).ok()).unwrap_or(0);
    let place = match (well_known(name), first) {
        (Some(place), _) => place,
        (None, 0) if movable => Place::Asked,
        (None, 0) => Place::None,
        (None, first) => Place::Range { first, last: number(4).unwrap_or(0) },
    };
    places.insert(name.to_ascii_lowercase(), place);
    if let Some(subcommands) = fields.get(9) {
        // Servers nest them once.
        for subcommand in
            subcommands.elements().filter(|inner| inner.len() < 10 || fields.len() >= 10)
        {
            if subcommand.elements().next().and_then(|name| name.as_bytes()) != Some(name) {
                add(subcommand, places);
            }
        }
    }
}

/// Commands whose keys we find without a question to the server for each.
fn well_known(name: &[u8]) -> Option<Place> {
    Some(match name.to_ascii_lowercase().as_slice() {
        b"eval" | b"evalsha" | b"eval_ro" | b"evalsha_ro" | b"fcall" | b"fcall_ro" | b"blmpop"
        | b"bzmpop" => Place::Counted(2),
        b"zunion" | b"zinter" | b"zdiff" | b"zintercard" | b"sintercard" | b"lmpop" | b"zmpop" => {
            Place::Counted(1)
        }
        b"xread" | b"xreadgroup" => Place::Streams,
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

fn ask(command: &Command, connection: &mut Connection) -> Result<Option<Route>> {
    let question = Command::new("COMMAND").arg("GETKEYS").args_from(command.args());
    let reply = connection.request(&question)?;
    let mut keys = reply.view().elements();
    let first = keys.next().and_then(|key| key.as_bytes());
    Ok(first.map(|key| Route { slot: Slot::of_key(key), many: keys.len() > 0 }))
}

#[cfg(test)]
mod tests {
    use redistrib_resp::Decoder;

    use super::*;

    fn keys(list: &[u8]) -> Keys {
        let mut decoder = Decoder::new();
        decoder.feed(list);
        let reply = decoder.next_reply().unwrap().unwrap();
        let mut places = HashMap::new();
        reply.view().elements().for_each(|entry| add(entry, &mut places));
        Keys { places }
    }

    fn first_key<'a>(keys: &Keys, words: &[&'a [u8]]) -> Found<'a> {
        match keys.place(words) {
            Place::Range { first, last } => range(words, first, last),
            Place::Counted(at) => counted(words, at),
            Place::Streams => streams(words),
            Place::None | Place::Asked => None,
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
        assert!(keys(b"*3\r\n:1\r\n*1\r\n_\r\n*3\r\n$1\r\nx\r\n:1\r\n:2\r\n").places.len() <= 1);
    }
}
