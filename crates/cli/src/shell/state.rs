//! What a connection has been told that later commands depend on.

use redistrib_ops::resp::{Command, Kind, Reply, View};
use redistrib_ops::{Credentials, Secret};

/// The state of the session at the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SessionState {
    /// The selected database.
    pub(super) database: u32,
    /// What the server calls the connection.
    pub(super) name: Option<Vec<u8>>,
    /// Between MULTI and EXEC or DISCARD.
    pub(super) in_transaction: bool,
    /// Between WATCH and what ends it.
    pub(super) watching: bool,
    /// What was lost with a connection and not yet ended by the user.
    pub(super) lost: Option<Lost>,
    /// The database that a SELECT waiting in the transaction will select.
    pub(super) queued_database: Option<u32>,
    /// The version HELLO asked for.
    pub(super) protocol: Option<u8>,
    /// Channels and patterns subscribed to.
    pub(super) subscriptions: i64,
    /// Channels of a shard subscribed to, which servers count by themselves.
    pub(super) shard_subscriptions: i64,
}

/// What a server forgets with the connection, though commands that are still to come count on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// The commands queued since MULTI.
    Transaction,
    /// The keys that an EXEC was to depend on.
    Watch,
}

impl Lost {
    /// What is said when it is lost.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Transaction => {
                "The transaction is gone with its connection and nothing of it is executed. No command is \
                 sent until EXEC or DISCARD ends it or MULTI begins another."
            }
            Self::Watch => {
                "The WATCH is gone with its connection. No command is sent until EXEC, DISCARD or UNWATCH \
                 ends it or WATCH begins another."
            }
        }
    }

    /// What is said of each command that is not sent for it.
    pub(super) fn refusal(self) -> &'static str {
        match self {
            Self::Transaction => "Not sent: the transaction was lost (EXEC or DISCARD ends it)",
            Self::Watch => "Not sent: the WATCH was lost (EXEC, DISCARD or UNWATCH ends it)",
        }
    }

    /// Whether a command ends it, or starts again what was lost.
    fn is_ended_by(self, name: &[u8]) -> bool {
        match name {
            b"exec" | b"discard" | b"reset" | b"quit" => true,
            b"multi" => self == Self::Transaction,
            b"watch" | b"unwatch" => self == Self::Watch,
            _ => false,
        }
    }
}

/// What a command changed beside the server's data.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SessionChange {
    None,
    /// The session speaks as somebody else now.
    Identity(Option<Credentials>),
}

impl SessionState {
    /// What a new connection must be told.
    pub(super) fn setup(&self) -> Vec<Command> {
        let hello = self.protocol.map(|version| Command::new("HELLO").arg(version));
        let select = (self.database != 0).then(|| Command::new("SELECT").arg(self.database));
        let name = self.name.as_ref().map(|name| Command::new("CLIENT").arg("SETNAME").arg(name));
        hello.into_iter().chain(name).chain(select).collect()
    }

    /// Forgets what is lost with a connection; returns what later commands may count on.
    pub(super) fn disconnected(&mut self) -> Option<Lost> {
        let lost = match (self.in_transaction, self.watching) {
            (true, _) => Some(Lost::Transaction),
            (false, true) => Some(Lost::Watch),
            (false, false) => None,
        };
        self.lost = lost.or(self.lost);
        (self.in_transaction, self.watching) = (false, false);
        self.queued_database = None;
        (self.subscriptions, self.shard_subscriptions) = (0, 0);
        lost
    }

    /// Whether commands count on what this very connection was told before.
    pub(super) fn is_bound(&self) -> bool {
        self.in_transaction || self.watching || self.is_subscribed()
    }

    /// Whether messages may come at any time.
    pub(super) fn is_subscribed(&self) -> bool {
        self.subscriptions > 0 || self.shard_subscriptions > 0
    }

    /// Takes note of what came while subscribed: a confirmation says how many subscriptions there are.
    pub(super) fn note_message(&mut self, message: View<'_>) {
        let Some(sort) = self.message_sort(message).filter(|sort| sort.ends_with(b"subscribe"))
        else {
            return;
        };
        let Some(count) = message.elements().nth(2).and_then(|count| count.as_int()) else {
            return;
        };
        match sort {
            b"ssubscribe" | b"sunsubscribe" => self.shard_subscriptions = count,
            _ => self.subscriptions = count,
        }
    }

    /// The first word of what belongs to a subscription: `message`, `subscribe` and the like. RESP3 marks it, so that
    /// an array is a reply there, whatever its words.
    pub(super) fn message_sort<'a>(&self, view: View<'a>) -> Option<&'a [u8]> {
        let marked = if self.protocol == Some(3) { Kind::Push } else { Kind::Array };
        let several = view.kind() == marked && view.len() >= 3;
        let sort = several.then(|| view.elements().next()?.as_bytes()).flatten()?;
        (sort.ends_with(b"message") || sort.ends_with(b"subscribe")).then_some(sort)
    }

    /// Why a command must not be sent: it would be executed by itself, though it was meant to be with others or
    /// under a condition. The command that ends this may go.
    pub(super) fn refuse(&mut self, words: &[Vec<u8>]) -> Option<Lost> {
        let name = words.first().map(|name| name.to_ascii_lowercase()).unwrap_or_default();
        self.lost = self.lost.filter(|lost| !lost.is_ended_by(&name));
        self.lost
    }

    /// No transaction, and none lost.
    pub(super) fn end_transaction(&mut self) {
        (self.in_transaction, self.watching, self.lost) = (false, false, None);
    }

    /// Takes note of a command and its reply.
    pub(super) fn note(&mut self, words: &[Vec<u8>], reply: &Reply) -> SessionChange {
        self.note_message(reply.view());
        if self.message_sort(reply.view()).is_some() {
            return SessionChange::None;
        }
        let word = |at: usize| words.get(at).map(|word| word.to_ascii_lowercase());
        let name = word(0).unwrap_or_default();
        if name == b"exec" || name == b"discard" {
            self.end_transaction();
        }
        let queued = reply.view().as_bytes() == Some(b"QUEUED");
        let selected = || word(1).and_then(parse);
        match name.as_slice() {
            b"select" if queued => self.queued_database = selected(),
            b"exec" | b"discard" | b"reset" => {
                let waited = self.queued_database.take();
                // No array: nothing of the transaction has been executed.
                let executed = name == b"exec" && reply.view().kind() == Kind::Array;
                self.database = waited.filter(|_| executed).unwrap_or(self.database);
            }
            _ => {}
        }
        if reply.view().as_error().is_some() || queued {
            return SessionChange::None;
        }
        match name.as_slice() {
            b"multi" => self.in_transaction = true,
            b"watch" => self.watching = true,
            b"unwatch" => self.watching = false,
            b"select" => self.database = selected().unwrap_or(self.database),
            b"swapdb" => {}
            b"reset" => {
                *self = Self::default();
                return SessionChange::Identity(None);
            }
            b"auth" => {
                return SessionChange::Identity(credentials(words.get(1..).unwrap_or_default()));
            }
            b"hello" => {
                self.protocol = word(1).and_then(parse).or(self.protocol);
                let auth = words.iter().position(|word| word.eq_ignore_ascii_case(b"auth"));
                if let Some(pair) = auth.and_then(|at| words.get(at + 1..at + 3)) {
                    return SessionChange::Identity(credentials(pair));
                }
            }
            _ => {}
        }
        SessionChange::None
    }
}

fn parse<N: std::str::FromStr>(word: Vec<u8>) -> Option<N> {
    String::from_utf8(word).ok()?.parse().ok()
}

/// `[user] password`.
fn credentials(words: &[Vec<u8>]) -> Option<Credentials> {
    let text = |word: &Vec<u8>| String::from_utf8(word.clone()).ok();
    let (user, password) = match words {
        [password] => (None, text(password)?),
        [user, password] => (Some(text(user)?), text(password)?),
        _ => return None,
    };
    Some(Credentials { user, password: Secret::new(password) })
}

#[cfg(test)]
mod tests {
    use redistrib_ops::resp::Decoder;

    use super::*;

    fn note(state: &mut SessionState, line: &str, wire: &[u8]) -> SessionChange {
        let mut decoder = Decoder::new();
        decoder.feed(wire);
        let words = redistrib_ops::words::split(line.as_bytes()).unwrap();
        state.note(&words, &decoder.next_reply().unwrap().unwrap())
    }

    #[test]
    fn follows_what_the_server_accepted() {
        let mut state = SessionState::default();
        note(&mut state, "SELECT 3", b"+OK\r\n");
        note(&mut state, "select 99", b"-ERR DB index is out of range\r\n");
        assert_eq!(state.database, 3);
        note(&mut state, "MULTI", b"+OK\r\n");
        note(&mut state, "SELECT 4", b"+QUEUED\r\n");
        assert!(state.in_transaction && state.database == 3);
        note(&mut state, "EXEC", b"-EXECABORT\r\n");
        assert!(!state.in_transaction && state.database == 3);
        for (reply, database) in [(&b"*-1\r\n"[..], 3), (b"*1\r\n+OK\r\n", 4)] {
            note(&mut state, "MULTI", b"+OK\r\n");
            note(&mut state, "SELECT 4", b"+QUEUED\r\n");
            note(&mut state, "EXEC", reply);
            assert_eq!(state.database, database);
        }
        note(&mut state, "subscribe a", b"*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
        assert_eq!(state.subscriptions, 1);
        assert_eq!(note(&mut state, "reset", b"+RESET\r\n"), SessionChange::Identity(None));
        assert_eq!(state, SessionState::default());
    }

    #[test]
    fn only_what_resp3_marks_is_a_message_there() {
        let sort = |protocol, wire: &[u8]| {
            let mut decoder = Decoder::new();
            decoder.feed(wire);
            let state = SessionState { protocol: Some(protocol), ..SessionState::default() };
            let reply = decoder.next_reply().unwrap().unwrap();
            state.message_sort(reply.view()).is_some()
        };
        let array = b"*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n";
        assert!(sort(2, array));
        assert!(!sort(3, array));
        assert!(sort(3, b">3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"));
        assert!(!sort(3, b">3\r\n$6\r\ntotals\r\n$1\r\nc\r\n:1\r\n"));
    }

    #[test]
    fn what_counted_on_a_lost_connection_is_not_sent() {
        let words = |line: &str| redistrib_ops::words::split(line.as_bytes()).unwrap();
        for (begun, lost, refused, ends) in [
            ("MULTI", Lost::Transaction, "unwatch", "multi"),
            ("WATCH k", Lost::Watch, "multi", "unwatch"),
            ("WATCH k", Lost::Watch, "set k 1", "Exec"),
        ] {
            let mut state = SessionState::default();
            assert_eq!((state.disconnected(), state.refuse(&words("set k 1"))), (None, None));
            note(&mut state, begun, b"+OK\r\n");
            assert!(state.is_bound());
            assert_eq!(state.disconnected(), Some(lost));
            // That no connection is there yet is no news.
            assert_eq!(state.disconnected(), None);
            assert_eq!(state.refuse(&words(refused)), Some(lost));
            assert_eq!(state.refuse(&words("get k")), Some(lost));
            assert_eq!(state.refuse(&words(ends)), None);
            assert_eq!(state.refuse(&words("get k")), None);
        }
    }

    #[test]
    fn remembers_who_we_are() {
        let mut state = SessionState::default();
        let bob = Credentials { user: Some("bob".into()), password: Secret::new("pw") };
        assert_eq!(
            note(&mut state, "auth bob pw", b"+OK\r\n"),
            SessionChange::Identity(Some(bob.clone()))
        );
        assert_eq!(note(&mut state, "AUTH bob no", b"-WRONGPASS x\r\n"), SessionChange::None);
        let change = note(&mut state, "HELLO 3 AUTH bob pw", b"%0\r\n");
        assert_eq!((change, state.protocol), (SessionChange::Identity(Some(bob)), Some(3)));
        assert_eq!(state.setup().len(), 1);
    }
}
