//! What a server reports about itself: the fields of `INFO` and what `CONFIG GET` gives.

use std::collections::BTreeMap;

/// No version is longer, in characters; what goes beyond is no version, and is cut off.
const LONGEST_VERSION: usize = 100;

/// A server's own account of its state and its configuration.
///
/// A server may leave out any of it: older ones lack fields, and an ACL can forbid `CONFIG GET`. What was not reported
/// is `None`, and never taken for a value.
///
/// ```
/// use redistrib_cluster_model::ServerInfo;
/// let info = ServerInfo::parse("# Server\r\nredis_version:8.6.2\r\n# Keyspace\r\ndb0:keys=3,expires=0\r\n");
/// assert_eq!(info.version().as_deref(), Some("Redis 8.6.2"));
/// assert_eq!(info.keys(), 3);
/// assert_eq!(info.number("used_memory"), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// Lines of `name:value`, as they came: they take a fraction of the room of a map, and few are asked for.
    fields: String,
    settings: BTreeMap<String, String>,
}

impl ServerInfo {
    /// Reads a reply to `INFO`: lines of `name:value`; all others are passed over.
    pub fn parse(info: &str) -> Self {
        let mut parsed = Self::default();
        parsed.read(info);
        parsed
    }

    /// Reads another reply of the same form beside it, as that to `CLUSTER INFO`.
    pub fn read(&mut self, info: &str) {
        let lines = info.lines().filter(|line| !line.starts_with('#') && line.contains(':'));
        self.fields.reserve_exact(info.len());
        lines.for_each(|line| self.fields.extend([line.trim_end(), "\n"]));
        self.fields.shrink_to_fit();
    }

    /// Enters a setting as `CONFIG GET` gives it.
    pub fn enter_setting(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.settings.insert(name.into(), value.into());
    }

    /// Has the settings that another account has.
    pub fn take_settings_of(&mut self, other: &Self) {
        self.settings.clone_from(&other.settings);
    }

    /// A field of `INFO`; of several with one name the last.
    pub fn field(&self, name: &str) -> Option<&str> {
        let mut lines = self.fields.rsplit('\n');
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
    }

    /// All fields of `INFO`.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.lines().filter_map(|line| line.split_once(':'))
    }

    /// A field of `INFO` that is a number without sign.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.field(name)?.parse().ok()
    }

    /// A figure of a command (`INFO commandstats`: `cmdstat_get:calls=3,usec=12,…`).
    pub(crate) fn of_command(&self, command: &str, figure: &str) -> Option<u64> {
        let line = self.field(&format!("cmdstat_{command}"))?;
        let mut words = line.split(',').filter_map(|word| word.split_once('='));
        words.find(|(word, _)| *word == figure)?.1.parse().ok()
    }

    /// A setting.
    pub fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    /// A setting that is a number without sign; sizes are given in bytes by servers, times in the setting's unit.
    pub fn setting_number(&self, name: &str) -> Option<u64> {
        self.setting(name)?.parse().ok()
    }

    /// The server's family and version, as in `Redis 7.0.15`: Valkey gives its own version beside the one of Redis
    /// that it is compatible with.
    pub fn version(&self) -> Option<String> {
        let named = |family: &str, field| {
            let version = self.field(field)?.chars().take(LONGEST_VERSION).collect::<String>();
            Some(format!("{family} {version}"))
        };
        named("Valkey", "valkey_version").or_else(|| named("Redis", "redis_version"))
    }

    /// The databases that hold keys, with how many (`db0:keys=12,expires=0,…`).
    pub fn databases(&self) -> BTreeMap<u32, u64> {
        let database = |(name, value): (&str, &str)| {
            let number = name.strip_prefix("db")?.parse().ok()?;
            let keys = value.strip_prefix("keys=")?.split(',').next()?.parse().ok()?;
            Some((number, keys))
        };
        self.fields().filter_map(database).filter(|(_, keys)| *keys > 0).collect()
    }

    /// The keys of all databases.
    pub fn keys(&self) -> u64 {
        self.databases().values().copied().fold(0, u64::saturating_add)
    }

    /// The memory that its keys take, in bytes: `used_memory_dataset`, which is more than 0 without a key, too.
    pub fn memory_of_keys(&self) -> u64 {
        self.number("used_memory_dataset").filter(|_| self.keys() > 0).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_all_databases_count() {
        let info = |text| ServerInfo::parse(text);
        let two = info("# Keyspace\r\ndb0:keys=3,expires=0\r\ndb5:keys=4,expires=1\r\n");
        assert_eq!(two.databases(), BTreeMap::from([(0, 3), (5, 4)]));
        assert_eq!(two.keys(), 7);
        assert_eq!(info("# Keyspace\r\n").keys(), 0);
        let odd = info("db0:keys=x\r\ndb1:keys=18446744073709551615\r\ndb2:keys=9\r\ndbsize:1\r\n");
        assert_eq!(odd.keys(), u64::MAX);
    }

    #[test]
    fn a_valkey_server_is_called_so() {
        let version = |text| ServerInfo::parse(text).version().unwrap_or_default();
        assert_eq!(version("redis_version:7.2.4\r\nvalkey_version:9.1.2\r\n"), "Valkey 9.1.2");
        assert_eq!(version("redis_version:7.0.15\r\n"), "Redis 7.0.15");
        let endless = format!("redis_version:{}\r\n", "7".repeat(1000));
        assert_eq!(version(&endless).len(), "Redis ".len() + LONGEST_VERSION);
    }

    #[test]
    fn what_was_not_told_is_none() {
        let mut info = ServerInfo::parse("role:master\r\nused_memory:-1\r\nexecutable:/a:b\r\n");
        assert_eq!((info.number("role"), info.number("used_memory")), (None, None));
        assert_eq!(info.field("executable"), Some("/a:b"));
        assert_eq!(info.setting("maxmemory"), None);
        info.enter_setting("maxmemory", "104857600");
        assert_eq!(info.setting_number("maxmemory"), Some(104_857_600));
    }
}
