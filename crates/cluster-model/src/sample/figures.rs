//! The figures of a server that change from moment to moment.

use serde::{Deserialize, Serialize};

use crate::ServerInfo;

/// What a server reports about itself in `INFO`. A field that it did not report is none, and never taken for 0.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// The keys of all its databases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<u64>,
    /// The bytes of memory it uses.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Its `maxmemory` in bytes; 0 where it has no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_memory: Option<u64>,
    /// Commands a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ops: Option<u64>,
    /// Bytes a second that come in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_in: Option<u64>,
    /// Bytes a second that go out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub net_out: Option<u64>,
    /// Keys that were looked up and found, since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hits: Option<u64>,
    /// Keys that were looked up in vain, since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misses: Option<u64>,
    /// Clients that are connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<u64>,
    /// Clients that wait in a blocking command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blocked: Option<u64>,
    /// Keys evicted for want of memory, since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evicted: Option<u64>,
    /// Keys that have expired, since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired: Option<u64>,
    /// Connections refused for `maxclients`, since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<u64>,
    /// Milliseconds of processor time, since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// Seconds since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<u64>,
    /// How long the last fork took, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork_us: Option<u64>,
    /// Changes since the last save.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsaved: Option<u64>,
    /// By how many bytes of the replication stream a replica is behind its master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_bytes: Option<u64>,
    /// Since how many seconds its master has not heard from it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<u64>,
    /// The bytes that are to come before a replica has all its master's data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sync_left: Option<u64>,
    /// How many MIGRATEs it has carried out since its start; reported while it gives slots away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrates: Option<u64>,
    /// How many microseconds these took: it did nothing else meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub migrate_us: Option<u64>,
    /// Bytes that servers' own migrations of slots have brought to it, or taken from it, since its start.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_bytes: Option<u64>,
    /// How long a PING took, there and back, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ping_us: Option<u64>,
    /// How long all that the watch asks took beyond that, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asking_us: Option<u64>,
    /// What it is at beside its clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub busy: Option<Busy>,
    /// Its server's name and version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What a server is at beside its clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Busy {
    /// It reads its data from disk.
    Load,
    /// A child process writes its data to disk, or to a replica.
    Save,
    /// A child process writes its append-only file again.
    Rewrite,
}

impl Figures {
    /// The figures that stand in `INFO`. Lag and times of asking are not among them.
    ///
    /// ```
    /// use redistrib_cluster_model::{ServerInfo, sample::Figures};
    /// let info = ServerInfo::parse("used_memory:7\r\ninstantaneous_input_kbps:1.50\r\ndb0:keys=3,expires=0\r\n");
    /// let figures = Figures::of(&info);
    /// assert_eq!((figures.keys, figures.memory, figures.net_in), (Some(3), Some(7), Some(1536)));
    /// assert_eq!(figures.ops, None);
    /// ```
    pub fn of(info: &ServerInfo) -> Self {
        let decimal = |name: &str| info.field(name)?.parse::<f64>().ok().filter(|it| *it >= 0.0);
        // A cast of what is too large gives the largest number.
        let rate = |name| decimal(name).map(|kib| (kib * 1024.0) as u64);
        let cpu = decimal("used_cpu_user").zip(decimal("used_cpu_sys"));
        Self {
            keys: Some(info.keys()),
            net_in: rate("instantaneous_input_kbps"),
            net_out: rate("instantaneous_output_kbps"),
            cpu_ms: cpu.map(|(user, system)| ((user + system) * 1000.0) as u64),
            busy: Busy::of(info),
            version: info.version(),
            memory: info.number("used_memory"),
            max_memory: info.number("maxmemory"),
            ops: info.number("instantaneous_ops_per_sec"),
            hits: info.number("keyspace_hits"),
            misses: info.number("keyspace_misses"),
            clients: info.number("connected_clients"),
            blocked: info.number("blocked_clients"),
            evicted: info.number("evicted_keys"),
            expired: info.number("expired_keys"),
            refused: info.number("rejected_connections"),
            uptime: info.number("uptime_in_seconds"),
            fork_us: info.number("latest_fork_usec"),
            unsaved: info.number("rdb_changes_since_last_save"),
            sync_left: info.number("master_sync_left_bytes"),
            migrates: info.of_command("migrate", "calls"),
            migrate_us: info.of_command("migrate", "usec"),
            job_bytes: job_bytes(info),
            ..Self::default()
        }
    }

    /// The part of its memory that is used, in percent; none without a limit.
    pub fn memory_percent(&self) -> Option<u64> {
        let limit = self.max_memory.filter(|limit| *limit > 0)?;
        Some(self.memory?.saturating_mul(100) / limit)
    }
}

/// Valkey counts what its exports send. Redis counts what imports receive as what comes from a master, which a master has
/// none of but for these.
fn job_bytes(info: &ServerInfo) -> Option<u64> {
    let as_master = info.field("role") == Some("master");
    let received = info.number("total_net_repl_input_bytes").filter(|_| as_master);
    info.number("total_net_cluster_slot_export_bytes").or(received)
}

impl Busy {
    fn of(info: &ServerInfo) -> Option<Self> {
        let is_on = |name| info.field(name) == Some("1");
        if is_on("loading") {
            Some(Self::Load)
        } else if is_on("rdb_bgsave_in_progress") {
            Some(Self::Save)
        } else if is_on("aof_rewrite_in_progress") {
            Some(Self::Rewrite)
        } else {
            None
        }
    }

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Load => "load",
            Self::Save => "save",
            Self::Rewrite => "rewrite",
        }
    }
}
