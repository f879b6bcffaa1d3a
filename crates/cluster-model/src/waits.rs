//! How long servers take until they serve clients, and replicas until they have their data, by the servers' own settings.

use std::time::Duration;

use crate::ServerInfo;

/// How long a server waits after its start before it serves (`CLUSTER_WRITABLE_DELAY` of cluster.c).
const AFTER_START: Duration = Duration::from_secs(2);
/// The bounds of the time that a master waits after it has seen a majority of masters (`CLUSTER_MIN_REJOIN_DELAY`,
/// `CLUSTER_MAX_REJOIN_DELAY`); between them it is the node timeout.
const REJOIN_DELAYS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(5)];
/// The least time that servers give an election.
const LEAST_ELECTION: Duration = Duration::from_secs(2);
/// What a machine under load may add.
const SLACK: Duration = Duration::from_secs(10);

/// The settings of a cluster's nodes that decide how long to wait for them; of each the longest.
///
/// ```
/// use redistrib_cluster_model::Waits;
/// // What servers have by default.
/// assert_eq!(Waits::default().serving().as_secs(), 30);
/// assert_eq!(Waits::default().standstill().as_secs(), 75);
/// assert_eq!(Waits::default().votes().as_secs(), 60);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// `cluster-node-timeout`.
    pub node_timeout: Duration,
    /// `repl-diskless-sync-delay`: how long a master waits for more replicas before it sends its data.
    pub sync_delay: Duration,
    /// `repl-timeout`: after such a silence either side gives up the transfer of data.
    pub link_timeout: Duration,
}

impl Default for Waits {
    fn default() -> Self {
        let [node_timeout, sync_delay, link_timeout] = [15, 5, 60].map(Duration::from_secs);
        Self { node_timeout, sync_delay, link_timeout }
    }
}

impl Waits {
    /// The settings that are read.
    pub const SETTINGS: [&'static str; 3] =
        ["cluster-node-timeout", "repl-diskless-sync-delay", "repl-timeout"];

    /// By what servers reported about themselves. What none of them reported is what servers have by default.
    pub fn of<'a>(servers: impl IntoIterator<Item = &'a ServerInfo>) -> Self {
        let mut longest = [None; 3];
        for server in servers {
            for (most, setting) in longest.iter_mut().zip(Self::SETTINGS) {
                *most = (*most).max(server.setting_number(setting));
            }
        }
        let default = Self::default();
        let [timeout, delay, link] = longest;
        Self {
            node_timeout: timeout.map_or(default.node_timeout, Duration::from_millis),
            sync_delay: delay.map_or(default.sync_delay, Duration::from_secs),
            link_timeout: link.map_or(default.link_timeout, Duration::from_secs),
        }
    }

    /// How long a server that has just started waits before it serves.
    pub fn after_start(&self) -> Duration {
        AFTER_START
    }

    /// How long a master waits that sees a majority of masters again, or for the first time.
    pub fn after_majority(&self) -> Duration {
        self.node_timeout.clamp(REJOIN_DELAYS[0], REJOIN_DELAYS[1])
    }

    /// How long after a server of Redis was voted for it begins no new election (`auth_retry_time` of `clusterHandleSlaveFailover`).
    pub fn votes(&self) -> Duration {
        2 * self.node_timeout.saturating_mul(2).max(LEAST_ELECTION)
    }

    /// The longest that nodes which can reach each other take until all of them serve: news of a node may take a node timeout.
    pub fn serving(&self) -> Duration {
        self.after_majority().saturating_add(self.node_timeout).saturating_add(SLACK)
    }

    /// How long a server that restarts may be away, or make no progress, and the others take until they serve: a master that they considered
    /// failed stays so for two node timeouts more (`CLUSTER_FAIL_UNDO_TIME_MULT`).
    pub fn returning(&self) -> Duration {
        self.standstill().max(self.node_timeout.saturating_mul(3).saturating_add(SLACK))
    }

    /// How long the copy of a master's data may stand still: the delay before it begins, and the silence after which the
    /// servers give it up.
    pub fn standstill(&self) -> Duration {
        self.sync_delay.saturating_add(self.link_timeout).saturating_add(SLACK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_server_counts() {
        let server = |settings: &[(&str, &str)]| {
            let mut info = ServerInfo::default();
            settings.iter().for_each(|(name, value)| info.enter_setting(*name, *value));
            info
        };
        let fast = server(&[("cluster-node-timeout", "100"), ("repl-diskless-sync-delay", "0")]);
        let slow = server(&[("cluster-node-timeout", "60000"), ("repl-timeout", "5")]);
        let waits = Waits::of([&fast]);
        assert_eq!(waits.after_majority(), Duration::from_millis(500));
        assert_eq!(waits.serving(), Duration::from_millis(10_600));
        assert_eq!(waits.standstill(), Duration::from_secs(70));
        let waits = Waits::of([&fast, &slow]);
        assert_eq!(waits.after_majority(), Duration::from_secs(5));
        assert_eq!(waits.serving(), Duration::from_secs(75));
        assert_eq!(waits.standstill(), Duration::from_secs(15));
        assert_eq!(waits.returning(), Duration::from_secs(190));
        assert_eq!(Waits::of([]), Waits::default());
        assert_eq!(Waits::default().returning(), Waits::default().standstill());
    }

    #[test]
    fn absurd_settings_do_not_overflow() {
        let mut info = ServerInfo::default();
        info.enter_setting("cluster-node-timeout", u64::MAX.to_string());
        info.enter_setting("repl-timeout", u64::MAX.to_string());
        info.enter_setting("repl-diskless-sync-delay", u64::MAX.to_string());
        let waits = Waits::of([&info]);
        assert!(
            waits.serving() > waits.after_majority() && waits.standstill() >= waits.link_timeout
        );
    }
}
