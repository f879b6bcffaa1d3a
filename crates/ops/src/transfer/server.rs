//! One end of a transfer: a server, which of its databases, and what it says of itself.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use redistrib_cluster_model::ServerInfo;
use redistrib_resp::Command;

use crate::commands;
use crate::commands::replies::{count_of, info_in};
use crate::error::Result;
use crate::server_info::databases_with_keys;
use crate::{Connection, Endpoint, Settings};

/// How often a server is asked for its time, unless an answer is quick.
const MOST_ASKED_FOR_TIME: usize = 3;
/// An answer that took no longer shows a clock well enough.
const QUICK: Duration = Duration::from_millis(20);

/// A server and one of its databases.
///
/// ```
/// use redistrib_ops::Settings;
/// use redistrib_ops::transfer::Server;
///
/// let server = Server::new("127.0.0.1:6379".parse()?, Settings::default()).at_db(2);
/// assert_eq!(server.to_string(), "127.0.0.1:6379/2");
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// How to connect to it.
    pub settings: Settings,
    /// The database's number.
    pub db: u32,
}

impl Server {
    /// Database 0 of a server.
    pub fn new(endpoint: Endpoint, settings: Settings) -> Self {
        Self { endpoint, settings, db: 0 }
    }

    /// Another database of the same server.
    #[must_use]
    pub fn at_db(self, db: u32) -> Self {
        Self { db, ..self }
    }

    /// The server's databases that hold keys, by its own count; this one where none does.
    ///
    /// # Errors
    /// Those of [`Server::connect`] and of INFO.
    pub fn with_keys(&self) -> Result<Vec<Self>> {
        let numbers = databases_with_keys(&mut self.connect()?)?;
        let mut found: Vec<Self> = numbers.into_iter().map(|db| self.clone().at_db(db)).collect();
        if found.is_empty() {
            found.push(self.clone());
        }
        Ok(found)
    }

    /// A connection with the database selected.
    ///
    /// # Errors
    /// Those of [`Connection::open`], and [`Error::Refused`](crate::Error::Refused) for a database that is not there.
    pub fn connect(&self) -> Result<Connection> {
        let mut connection = Connection::open(&self.endpoint, &self.settings)?;
        if self.db != 0 {
            connection.call(&commands::select(self.db))?;
        }
        Ok(connection)
    }

    /// What the server says of itself.
    ///
    /// # Errors
    /// Those of [`Server::connect`] and of INFO and DBSIZE.
    pub(crate) fn facts(&self) -> Result<Facts> {
        let mut connection = self.connect()?;
        let command = commands::info();
        let reply = connection.call(&command)?;
        let info = info_in(&reply);
        let keys = read_size(&mut connection)?;
        Facts::read(&info, keys, self.db)
            .ok_or_else(|| connection.unexpected(&command, "it names no version or no run_id"))
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.endpoint)?;
        if self.db == 0 { Ok(()) } else { write!(f, "/{}", self.db) }
    }
}

fn read_size(connection: &mut Connection) -> Result<u64> {
    let command = Command::new("DBSIZE");
    let reply = connection.call(&command)?;
    count_of(reply.view()).ok_or_else(|| connection.unexpected(&command, "no number of keys"))
}

/// What matters of a server's INFO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    /// Its name and version, as `redis 7.0.15`.
    pub(crate) version: String,
    /// The version as far as commands go: Valkey counts on from Redis 7.2.
    pub(crate) level: (u32, u32),
    /// The same for the same process and for no other.
    pub(crate) run_id: String,
    pub(crate) is_master: bool,
    pub(crate) in_cluster_mode: bool,
    /// How many keys the database has.
    pub(crate) keys: u64,
    /// Whether some key of the database will expire.
    pub(crate) expiring: bool,
}

impl Facts {
    fn read(info: &ServerInfo, keys: u64, db: u32) -> Option<Self> {
        let redis = info.field("redis_version")?;
        let version = match info.field("valkey_version") {
            Some(valkey) => format!("valkey {valkey}"),
            None => format!("redis {redis}"),
        };
        let mut numbers = redis.split('.').map(|number| number.parse().unwrap_or(0));
        Some(Self {
            version,
            level: (numbers.next()?, numbers.next().unwrap_or(0)),
            run_id: info.field("run_id")?.to_owned(),
            is_master: info.field("role") == Some("master"),
            in_cluster_mode: info.field("cluster_enabled") == Some("1"),
            keys,
            expiring: has_expiring_keys(info, db),
        })
    }

    /// Whether it is said when a key expires (`PEXPIRETIME`), not only in how long.
    pub(crate) fn tells_expiry_time(&self) -> bool {
        self.level >= (7, 0)
    }

    /// Whether RESTORE takes the time of expiry (`ABSTTL`) rather than the time to live.
    pub(crate) fn takes_expiry_time(&self) -> bool {
        self.level >= (5, 0)
    }

    /// Whether the two are the same process.
    pub(crate) fn is_same_server(&self, other: &Self) -> bool {
        self.run_id == other.run_id
    }
}

/// Whether the `# Keyspace` part of INFO counts keys that expire in a database.
pub(crate) fn has_expiring_keys(info: &ServerInfo, db: u32) -> bool {
    let counts = info.field(&format!("db{db}")).unwrap_or_default();
    let expires = counts.split(',').find_map(|count| count.strip_prefix("expires="));
    expires.is_some_and(|number| number != "0")
}

/// By how many milliseconds a server's clock is ahead of ours.
///
/// # Errors
/// Those of [`Connection::call`] for TIME.
pub(crate) fn clock_offset(connection: &mut Connection) -> Result<i64> {
    let command = Command::new("TIME");
    let mut best = (Duration::MAX, 0);
    // What makes an answer slow may be on one way alone: the quickest of some shows it best.
    for _ in 0..MOST_ASKED_FOR_TIME {
        let (asked, clock) = (Instant::now(), unix_time_ms());
        let reply = connection.call(&command)?;
        let took = asked.elapsed();
        let half_way = i64::try_from(took.as_millis() / 2).unwrap_or(0);
        let there = read_time(&reply.view());
        let there = there.ok_or_else(|| connection.unexpected(&command, "no time"))?;
        if took < best.0 {
            best = (took, there.saturating_sub(clock).saturating_sub(half_way));
        }
        if took < QUICK {
            break;
        }
    }
    Ok(best.1)
}

/// The milliseconds since 1970 in a reply to TIME.
pub(crate) fn read_time(reply: &redistrib_resp::View<'_>) -> Option<i64> {
    let mut numbers = reply.elements().map(|number| number.as_str()?.parse::<i64>().ok());
    let (seconds, micros) = (numbers.next()??, numbers.next()??);
    seconds.checked_mul(1000)?.checked_add(micros / 1000)
}

/// Our clock, in milliseconds since 1970.
pub(crate) fn unix_time_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INFO: &str = "# Server\r\nredis_version:7.2.4\r\nvalkey_version:8.1.0\r\nrun_id:ab\r\n\
        # Replication\r\nrole:master\r\n# Cluster\r\ncluster_enabled:0\r\n# Keyspace\r\n\
        db0:keys=3,expires=0,avg_ttl=0\r\ndb10:keys=1,expires=1,avg_ttl=9\r\n";

    #[test]
    fn info_tells_versions_roles_and_expiring_keys() {
        let read = |info, keys, db| Facts::read(&ServerInfo::parse(info), keys, db);
        let facts = read(INFO, 3, 0).unwrap();
        assert_eq!((facts.version.as_str(), facts.level), ("valkey 8.1.0", (7, 2)));
        assert!(facts.is_master && !facts.in_cluster_mode && !facts.expiring);
        assert!(read(INFO, 1, 10).unwrap().expiring);
        assert!(!read(INFO, 0, 1).unwrap().expiring);
        assert_eq!(read("no such server", 0, 0), None);
    }
}
