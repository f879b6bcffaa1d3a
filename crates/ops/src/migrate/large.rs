//! A key so large that moving it holds the source up, whatever the pause budget: its size is asked before it is sent, so
//! that it is sent once, alone, and announced beforehand.

use std::time::{Duration, Instant};

use bytes::Bytes;
use redistrib_cluster_model::plan::large as plan;
use redistrib_resp::{Command, Reply};

use super::commands::{self, key_name};
use super::keys::{Alone, Failed, Large};
use super::pair::PairWork;
use super::trouble::Trouble;
use crate::commands::replies::count_of;
use crate::error::Result;
use crate::{Context, Event, Pair};

/// How often it is reported that a large key is still on its way.
const BETWEEN_NEWS: Duration = Duration::from_secs(1);

impl PairWork<'_> {
    /// Moves a key that was found to be large.
    pub(super) fn move_large(&mut self, large: Large) -> Result<()> {
        let Large { slot, key: mut alone } = large;
        let keys = std::slice::from_ref(&alone.key);
        let timeout = plan::timeout(alone.bytes, 0, self.options().timeout);
        let command = self.migrate_with(keys, timeout, self.options().replace);
        let reply = self.send_alone(&alone, &command, timeout)?;
        let Some(text) = reply.view().as_error() else { return Ok(()) };
        let trouble = Trouble::of(text);
        if trouble == Trouble::Other {
            return self.source.accept(&command, reply).map(drop);
        }
        self.doubtful += 1;
        alone.tries = u32::from(trouble == Trouble::Doubtful);
        let reply = String::from_utf8_lossy(text).into_owned();
        self.settle(Failed { slot, keys: keys.to_vec(), trouble, reply, tries: alone.tries })
    }

    /// Sends MIGRATE for one key, waits as long as a key of that size may take, and returns what came of it.
    pub(super) fn send_alone(
        &mut self,
        alone: &Alone,
        command: &Command,
        timeout: Duration,
    ) -> Result<Reply> {
        let started = Instant::now();
        let large = alone.bytes.filter(|bytes| *bytes >= plan::LARGE);
        let reply = if let Some(bytes) = large {
            let expected = self.large_pace.of(bytes);
            let news = news(self.shared.context, self.pair, key_name(&alone.key), bytes, expected);
            let patience = self.source.patience() + timeout;
            self.source.send(std::slice::from_ref(command))?;
            self.source.receive_patiently(command, patience, news)?
        } else {
            self.source.send(std::slice::from_ref(command))?;
            self.source.receive(command)?
        };
        if reply.view().is_ok() {
            let (bytes, took) = (alone.bytes.unwrap_or_default(), started.elapsed());
            self.tell_moved(1, bytes, took);
            self.warn_of_large_key(&alone.key, bytes, took);
            large.iter().for_each(|bytes| self.large_pace.observe(*bytes, took));
        }
        Ok(reply)
    }

    /// What keys take in the source's memory, as far as it reports it.
    pub(super) fn weigh_at_source(&mut self, keys: &[(Bytes, bool)]) -> Result<Vec<Option<u64>>> {
        let questions: Vec<Command> =
            keys.iter().map(|(key, _)| commands::memory_usage(key)).collect();
        let replies = self.source.pipeline_when_ready(&questions)?;
        Ok(replies.iter().map(|reply| count_of(reply.view())).collect())
    }
}

/// Reports a large key at once, and repeatedly as long as it is on its way.
fn news(
    context: Context<'_>,
    pair: Pair,
    key: String,
    bytes: u64,
    expected: Duration,
) -> impl FnMut(Duration) {
    let mut due = Duration::ZERO;
    let mut tell = move |elapsed| {
        if elapsed >= due {
            due = elapsed + BETWEEN_NEWS;
            let key = key.clone();
            context.tell(Event::LargeKey { pair, key, bytes, expected, elapsed });
        }
    };
    tell(Duration::ZERO);
    tell
}
