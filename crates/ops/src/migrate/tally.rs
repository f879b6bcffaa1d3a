//! Whether the target has, after slots moved, the keys that their source had before.

use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

use redistrib_cluster_model::{Loss, ServerInfo, SlotCounts, SlotSet, restored, unexplained_loss};

use super::counts;
use super::link::Link;
use crate::Pair;
use crate::error::{Error, Result};

/// How often the target is asked before keys are called lost, and how long is waited in between.
const LOOKS: usize = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// What is written down before slots move.
#[derive(Debug)]
pub(super) struct SlotTally {
    pair: Pair,
    /// What the target reported about itself before the first key came.
    earlier: ServerInfo,
    /// The keys that are to be on the target in the end.
    pub(super) before: SlotCounts,
    /// How many keys MIGRATE brought to the target while this pair's were copied.
    pub(super) brought: u64,
}

impl SlotTally {
    /// Begins, before the first key of the slots goes over.
    pub(super) fn begin(pair: Pair, target: &mut Link<'_>) -> Result<Self> {
        let earlier = counts::info(target, "all")?;
        Ok(Self { pair, earlier, before: SlotCounts::new(), brought: 0 })
    }

    /// Notes, when the last key has gone over, how many MIGRATE has brought: from now on other pairs' keys may come.
    pub(super) fn end_copying(&mut self, target: &mut Link<'_>) -> Result<()> {
        self.brought = restored(&self.earlier, &counts::info(target, "all")?);
        Ok(())
    }

    /// Compares, when the slots have changed hands, and returns how many keys are on the target; `databases` are those that
    /// the source had. `removed` returns how many keys may have been taken away meanwhile, and is given what the target reported
    /// about itself before and what it reports now.
    ///
    /// # Errors
    /// [`Error::KeysLost`].
    pub(super) fn close(
        &self,
        target: &mut Link<'_>,
        databases: &BTreeSet<u32>,
        mut removed: impl FnMut(&ServerInfo, &ServerInfo) -> u64,
    ) -> Result<u64> {
        let slots: SlotSet = self.before.keys().copied().collect();
        let mut databases = databases.clone();
        let (mut loss, mut arrived) = (None, 0);
        for look in 0..LOOKS {
            if look > 0 {
                thread::sleep(PAUSE);
            }
            let after = counts::count(target, &slots, &databases)?;
            arrived = after.values().sum();
            if unexplained_loss(&self.before, &after, 0).is_none() {
                return Ok(arrived);
            }
            let now = counts::info(target, "all")?;
            loss = unexplained_loss(&self.before, &after, removed(&self.earlier, &now));
            if loss.is_none() {
                return Ok(arrived);
            }
            databases.extend(now.databases().into_keys());
        }
        let Pair { from, to } = self.pair;
        loss.map_or(Ok(arrived), |Loss { slots, keys }| {
            Err(Error::KeysLost { slots, keys, from, to })
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write;
    use std::net::TcpListener;

    use redistrib_cluster_model::{NodeId, Slot, most_removed};
    use redistrib_resp::Decoder;

    use super::*;
    use crate::{Cancel, Connection, Endpoint, Settings};

    /// A target that has four keys in each slot, and to which MIGRATE has brought so many and done nothing else.
    fn target(brought: u64) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut decoder, mut asked) = (Decoder::new(), false);
            while matches!(decoder.read_from(&mut stream), Ok(1..)) {
                while let Ok(Some(command)) = decoder.next_reply() {
                    let is_info =
                        command.view().elements().next().unwrap().as_str() == Some("INFO");
                    let keys = if asked { brought } else { 0 };
                    let info = format!(
                        "run_id:a\r\nrdb_last_save_time:1\r\nrdb_changes_since_last_save:{keys}\r\nexpired_keys:0\r\n\
                         evicted_keys:0\r\ncmdstat_restore-asking:calls={keys},failed_calls=0\r\n"
                    );
                    asked |= is_info;
                    let reply = format!("${}\r\n{info}\r\n", info.len());
                    let reply = if is_info { reply } else { ":4\r\n".into() };
                    stream.write_all(reply.as_bytes()).unwrap();
                }
            }
        });
        Connection::open(&Endpoint::tcp("127.0.0.1", port), &Settings::default()).unwrap()
    }

    fn close(held: [u64; 2], brought: u64) -> Result<()> {
        let cancel = Cancel::new();
        let mut target = Link::new(target(brought), &cancel);
        let [from, to] = [1, 2].map(|id| NodeId::from_bytes([id; 20]));
        let mut tally = SlotTally::begin(Pair { from, to }, &mut target)?;
        let slot = |number| Slot::new(number).unwrap();
        tally.before = SlotCounts::from([(slot(1), held[0]), (slot(2), held[1])]);
        let gone = |arrived| held.iter().sum::<u64>().saturating_sub(arrived);
        let removed =
            |earlier: &_, now: &_| most_removed(earlier, now) + gone(restored(earlier, now));
        tally.close(&mut target, &BTreeSet::from([0]), removed).map(drop)
    }

    #[test]
    fn keys_that_came_and_are_not_there_are_lost() {
        let error = close([5, 5], 10).unwrap_err();
        assert!(matches!(error, Error::KeysLost { keys: 2, .. }), "{error}");
        assert!(error.to_string().contains("slots 1-2"), "{error}");
    }

    #[test]
    fn keys_that_did_not_come_are_not_missed_at_the_target() {
        close([6, 6], 8).unwrap();
        close([4, 4], 8).unwrap();
    }
}
