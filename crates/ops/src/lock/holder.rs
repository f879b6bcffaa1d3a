//! Who holds a cluster, by a client's name.

use std::fmt;
use std::fs;
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What every name begins with.
const PREFIX: &str = "redis-trib:";
/// The longest field of a name; a longer one was not written by us.
const FIELD: usize = 64;

/// A tool at work on a cluster.
///
/// ```
/// use redistrib_ops::lock::Holder;
/// let mine = Holder::new("reshard");
/// assert_eq!(Holder::parse(&mine.name()), Some(mine));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The operation.
    pub verb: String,
    /// The host that the tool runs on.
    pub host: String,
    /// Its process id there.
    pub pid: u32,
    /// When it began, in milliseconds since 1970 by that host's clock, and a number that distinguishes the
    /// operations of one process.
    started: (u64, u32),
}

impl Holder {
    /// This process, beginning `verb` now.
    pub fn new(verb: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let millis = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        Self {
            verb: plain(verb),
            host: plain(&host_name()),
            pid: process::id(),
            started: (millis, COUNT.fetch_add(1, Ordering::Relaxed)),
        }
    }

    /// The client name: `redis-trib:verb:host:pid:millis-count`, letters, digits and `-._` between the colons.
    pub fn name(&self) -> String {
        self.to_string()
    }

    /// Reads a client name that may be anything; `None` for what is not ours.
    pub fn parse(name: &str) -> Option<Self> {
        let mut fields = name.strip_prefix(PREFIX)?.split(':');
        let mut next = || fields.next().filter(|field| is_plain(field));
        let (verb, host, pid, started) = (next()?, next()?, next()?, next()?);
        let (millis, count) = started.split_once('-')?;
        let started = (millis.parse().ok()?, count.parse().ok()?);
        let holder =
            Self { verb: verb.to_owned(), host: host.to_owned(), pid: pid.parse().ok()?, started };
        fields.next().is_none().then_some(holder)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (millis, count) = self.started;
        write!(f, "{PREFIX}{}:{}:{}:{millis}-{count}", self.verb, self.host, self.pid)
    }
}

/// A holder as one server's CLIENT LIST shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) holder: Holder,
    /// How long it has been connected, by the server's clock.
    pub(crate) age: Duration,
}

/// The holders in the text of CLIENT LIST, one line a client, `field=value` with blanks between. Names come
/// from strangers: a line that does not fit is not ours.
pub(super) fn holders(text: &str) -> Vec<Listed> {
    let listed = text.lines().filter_map(|line| {
        let field = |name: &str| {
            line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
        };
        let age = field("age").and_then(|age| age.parse().ok()).unwrap_or_default();
        Some(Listed { holder: Holder::parse(field("name")?)?, age: Duration::from_secs(age) })
    });
    listed.collect()
}

fn is_plain(field: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    !field.is_empty() && field.len() <= FIELD && field.chars().all(plain)
}

/// The text with everything replaced that a name could not carry.
fn plain(text: &str) -> String {
    let fit = |c: char| if is_plain(c.encode_utf8(&mut [0; 4])) { c } else { '_' };
    let text: String = text.chars().take(FIELD).map(fit).collect();
    if text.is_empty() { "unknown".into() } else { text }
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok();
    name.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_no_character_that_a_server_refuses() {
        let holder =
            Holder { verb: plain("add node\n"), host: plain("bücher:1"), ..Holder::new("") };
        assert_eq!((&*holder.verb, &*holder.host), ("add_node_", "b_cher_1"));
        assert_eq!(Holder::parse(&holder.name()), Some(holder));
        assert_eq!(Holder::new("").verb, "unknown");
    }

    #[test]
    fn names_of_strangers_are_not_believed() {
        for name in [
            "",
            "redis-trib",
            "redis-trib:",
            "redis-trib:reshard",
            "redis-trib:reshard:h:1:2",
            "redis-trib:reshard:h:x:1-2",
            "redis-trib:reshard:h:1:1-2:more",
            "redis-trib:re\u{1b}[2Jshard:h:1:1-2",
            "redis-trib::h:1:1-2",
        ] {
            assert_eq!(Holder::parse(name), None, "{name:?}");
        }
    }

    #[test]
    fn holders_are_found_among_clients() {
        let text = "id=3 addr=1:2 name= age=5 db=0\n\
                    id=4 addr=1:2 name=redis-trib:fix:db1:77:1000-0 age=12 db=0\n\
                    name=redis-trib:evil age=1\n";
        let found = holders(text);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].holder.pid, found[0].age.as_secs()), (77, 12));
    }
}
