//! After a MIGRATE failed: where each of its keys is, and how the rest gets over.
//!
//! A key that is still at the source is served there and nowhere else, so of a key in both places the
//! source's value is the one that clients know. The target's may still be of another origin; it is
//! overwritten only where that loses nothing: the slot was empty there when it was opened, both values are
//! the same, or the caller said so (`replace`).

use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use redistrib_cluster_model::Slot;
use redistrib_cluster_model::plan::large;
use redistrib_resp::{Command, Reply};

use super::commands::{self, key_name};
use super::keys::{Alone, Failed};
use super::link::Link;
use super::pair::PairWork;
use super::trouble::Trouble;
use crate::Refusal;
use crate::error::{Error, Result};
use crate::served::is_ok;

/// How many keys are asked for in one go.
const PIECE: usize = 500;
/// How long to wait before trying again what a node was not ready for.
const PASSING_PAUSE: Duration = Duration::from_millis(100);
/// How many names an error shows.
const NAMES: usize = 10;

impl PairWork<'_> {
    /// Brings the keys of a failed MIGRATE over, or says why that cannot be.
    pub(super) fn settle(&mut self, failed: Failed) -> Result<()> {
        if failed.trouble == Trouble::Passing {
            return self.wait_and_see(failed.slot, &failed.reply);
        }
        self.passing_since = None;
        for keys in failed.keys.chunks(PIECE) {
            let here = self.exist_at_source(keys)?;
            let there = self.exist_at_target(keys)?;
            let gone_over = here.iter().zip(&there).filter(|(here, there)| !**here && **there);
            self.tell_moved(gone_over.count() as u64, 0, Duration::ZERO);
            let places = here.into_iter().zip(there);
            let left = keys.iter().zip(places).filter(|(_, (here, _))| *here);
            let left: Vec<(Bytes, bool)> =
                left.map(|(key, (_, there))| (key.clone(), there)).collect();
            self.refuse_conflicts(failed.slot, &left)?;
            let sizes = self.weigh_at_source(&left)?;
            for ((key, doubled), bytes) in left.into_iter().zip(sizes) {
                self.move_alone(&Alone { key, bytes, tries: failed.tries }, doubled)?;
            }
        }
        Ok(())
    }

    /// Waits for a node that is not ready, but not for ever. It is asked, not tried: each MIGRATE would send
    /// the whole value before it is refused, and so hold both nodes up for nothing.
    fn wait_and_see(&mut self, slot: Slot, reply: &str) -> Result<()> {
        let since = *self.passing_since.get_or_insert_with(Instant::now);
        loop {
            thread::sleep(PASSING_PAUSE);
            if since.elapsed() > self.options().settle {
                let source = self.source.endpoint();
                let what = format!("slot {slot} cannot be moved: {source} said: {reply}");
                return Err(Error::NotSettled { what, after: self.options().settle });
            }
            if is_ready(&mut self.target)? && is_ready(&mut self.source)? {
                return Ok(());
            }
        }
    }

    /// Which keys the source has. In a slot that is MIGRATING it answers ASK for those it has not.
    pub(super) fn exist_at_source(&mut self, keys: &[Bytes]) -> Result<Vec<bool>> {
        let commands: Vec<Command> = keys.iter().map(|key| commands::exists(key)).collect();
        let replies = self.source.pipeline_when_ready(&asking(&commands))?;
        let replies = replies.into_iter().skip(1).step_by(2);
        let found = commands.iter().zip(replies).map(|(command, reply)| {
            if reply.view().as_error().map(Refusal::of) == Some(Refusal::Ask) {
                return Ok(false);
            }
            Ok(self.source.accept(command, reply)?.view().as_int() == Some(1))
        });
        found.collect()
    }

    /// Which keys the target has.
    fn exist_at_target(&mut self, keys: &[Bytes]) -> Result<Vec<bool>> {
        let replies = ask(&mut self.target, keys.iter().map(|key| commands::exists(key)))?;
        Ok(replies.iter().map(|reply| reply.view().as_int() == Some(1)).collect())
    }

    /// An error that names the keys whose two values are both worth keeping.
    fn refuse_conflicts(&mut self, slot: Slot, keys: &[(Bytes, bool)]) -> Result<()> {
        if self.options().replace || !self.foreign.contains(&slot) {
            return Ok(());
        }
        let mut conflicts = Vec::new();
        for (key, _) in keys.iter().filter(|(_, doubled)| *doubled) {
            if !self.is_same_at_both(key)? {
                conflicts.push(key_name(key));
            }
        }
        if conflicts.is_empty() {
            return Ok(());
        }
        let count = conflicts.len();
        conflicts.truncate(NAMES);
        let more = if count > NAMES { ", …" } else { "" };
        Err(Error::KeysInBothPlaces { slot, keys: conflicts.join(", ") + more, count })
    }

    fn is_same_at_both(&mut self, key: &Bytes) -> Result<bool> {
        let dump = commands::dump(key);
        let here = ask(&mut self.source, std::iter::once(dump.clone()))?;
        let there = ask(&mut self.target, std::iter::once(dump))?;
        let values = here.first().zip(there.first());
        Ok(values.is_some_and(|(here, there)| here.view().as_bytes() == there.view().as_bytes()))
    }

    /// One key in one MIGRATE, with more and more time.
    fn move_alone(&mut self, alone: &Alone, mut doubled: bool) -> Result<()> {
        let (keys, most) = (std::slice::from_ref(&alone.key), self.options().timeout);
        for tries in alone.tries.. {
            if doubled {
                self.watch_copy(&alone.key)?;
            }
            let timeout = large::timeout(alone.bytes, tries, most);
            let replace = doubled || self.options().replace;
            let command = self.migrate_with(keys, timeout, replace);
            let reply = self.send_alone(alone, &command, timeout)?;
            match reply.view().as_error().map(Trouble::of) {
                None if doubled && !reply.view().is_ok() => return self.remove_copy(&alone.key),
                None if doubled => return self.forget_copy(),
                None => return Ok(()),
                Some(Trouble::Doubtful) if timeout < most => {
                    doubled = self.exist_at_target(keys)?.contains(&true);
                }
                // What an earlier MIGRATE sent has arrived since the target was asked.
                Some(Trouble::Taken) if !replace => doubled = true,
                Some(Trouble::Passing) => {
                    let text = reply.view().as_error().unwrap_or_default();
                    let text = String::from_utf8_lossy(text);
                    self.wait_and_see(Slot::of_key(&alone.key), &text)?;
                }
                Some(_) => return self.source.accept(&command, reply).map(drop),
            }
        }
        Ok(())
    }

    /// Warns of a key that alone holds the servers up for longer than they may be.
    pub(super) fn name_large_key(&mut self, keys: &[Bytes], hold_up: Duration) -> Result<()> {
        let sizes = ask(&mut self.target, keys.iter().map(|key| commands::memory_usage(key)));
        let Ok(sizes) = sizes else { return Ok(()) };
        let sizes: Vec<i64> =
            sizes.iter().map(|size| size.view().as_int().unwrap_or_default().max(0)).collect();
        let total: i64 = sizes.iter().sum();
        let Some((size, key)) = sizes.iter().zip(keys).max() else { return Ok(()) };
        let share = hold_up.mul_f64(*size as f64 / total.max(1) as f64);
        self.warn_of_large_key(key, u64::try_from(*size).unwrap_or_default(), share);
        Ok(())
    }
}

/// Sends commands to a node, each as a client would that was redirected: it is served whether the node owns the
/// slot or imports it.
pub(super) fn ask(
    node: &mut Link<'_>,
    commands: impl Iterator<Item = Command>,
) -> Result<Vec<Reply>> {
    let commands: Vec<Command> = commands.collect();
    let replies = node.call_when_ready(&asking(&commands))?;
    Ok(replies.into_iter().skip(1).step_by(2).collect())
}

/// ASKING before each command.
fn asking(commands: &[Command]) -> Vec<Command> {
    commands.iter().flat_map(|command| [commands::asking(), command.clone()]).collect()
}

/// Whether a node says that it serves its slots.
fn is_ready(link: &mut Link<'_>) -> Result<bool> {
    let replies = link.pipeline(&[commands::cluster_info()])?;
    Ok(replies.first().is_some_and(is_ok))
}
