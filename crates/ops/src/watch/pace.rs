//! How often a node is asked.

use std::time::Duration;

/// At most one part in so many of a node's time is taken.
const PART: u32 = 100;
/// Nor is a node left alone for longer than that.
const LONGEST: Duration = Duration::from_secs(60);
/// A node that does not answer is asked again after that long at the latest, unless all are asked less often.
const LONGEST_SILENCE: Duration = Duration::from_secs(5);
/// How many nodes are asked a second, all together: each answers with a description of all.
const MOST_A_SECOND: f64 = 250.0;

/// How long a node is left alone after it was asked, with `asking` the time that its answers took beyond a PING's: the
/// time that it worked, and the network's for what it sent. `nodes` are watched; this one has failed to answer
/// `failures` times on end.
pub(super) fn pause(interval: Duration, asking: Duration, nodes: usize, failures: u32) -> Duration {
    let crowd = Duration::from_secs_f64(nodes as f64 / MOST_A_SECOND);
    let usual = interval.max(crowd);
    if failures > 0 {
        let longer = usual.saturating_mul(1 << failures.min(8));
        return longer.min(LONGEST_SILENCE).max(usual);
    }
    usual.max(asking.saturating_mul(PART - 1)).min(LONGEST.max(usual))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_give_a_hundredth_of_their_time_at_most() {
        let second = Duration::from_secs(1);
        let millis = Duration::from_millis;
        assert_eq!(pause(second, millis(1), 12, 0), second);
        assert_eq!(pause(second, millis(20), 12, 0), millis(1980));
        assert_eq!(pause(second, second * 30, 12, 0), LONGEST);
        assert_eq!(pause(second, millis(1), 1000, 0), second * 4, "a crowd is asked less often");
    }

    #[test]
    fn silent_nodes_are_asked_less_and_less_often() {
        let second = Duration::from_secs(1);
        let pauses = (1..5).map(|failures| pause(second, Duration::ZERO, 3, failures).as_secs());
        assert_eq!(pauses.collect::<Vec<_>>(), [2, 4, 5, 5]);
        assert_eq!(pause(second * 60, Duration::ZERO, 3, 9), second * 60);
    }
}
