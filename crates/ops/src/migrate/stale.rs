//! A key that a failed MIGRATE left in both places, and that a client then deleted at the source.
//!
//! While the source has the key, it alone serves it, and the target's copy is dead. If a client deletes the key
//! at the source before it is moved again, that copy would come to life. So it is watched, and when the source no longer has
//! the key, the copy is removed, provided that no client has written the key at the target since. A WATCH costs the
//! same whatever the size of the copy.

use bytes::Bytes;
use redistrib_resp::Command;

use super::commands;
use super::pair::PairWork;
use crate::error::Result;

impl PairWork<'_> {
    /// From now on the target takes note of whether this key changes.
    pub(super) fn watch_copy(&mut self, key: &Bytes) -> Result<()> {
        // A key that is watched already stays changed if it was.
        self.forget_copy()?;
        let watch = Command::new("WATCH").arg(key);
        self.target.call_all(&[commands::asking(), watch]).map(drop)
    }

    /// Ends the watch, as of a copy that has become the key: the target would execute no transaction after it.
    pub(super) fn forget_copy(&mut self) -> Result<()> {
        self.target.call_all(&[Command::new("UNWATCH")]).map(drop)
    }

    /// Removes the target's copy if nobody has changed it since it is watched.
    pub(super) fn remove_copy(&mut self, key: &Bytes) -> Result<()> {
        // ASKING holds for the whole transaction. That EXEC does nothing means that a client was faster.
        let mut steps = vec![commands::asking()];
        steps.extend(commands::transaction([commands::delete(key)]));
        self.target.call_all(&steps).map(drop)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use redistrib_cluster_model::{Slot, SlotSet};

    use super::super::keys::Failed;
    use super::super::shared::Shared;
    use super::super::trouble::Trouble;
    use super::*;
    use crate::lab::{TempLab, TestServer};
    use crate::migrate::MigrateOptions;
    use crate::{Cancel, Cluster, Context, Member, Pair, Silent};

    /// A dead copy goes; what a client has made of it meanwhile stays; and one that the key replaces is watched no more, so
    /// that the slot can be taken.
    fn only_what_nobody_changed_goes(name: &'static str) {
        let lab = TempLab::cluster(&TestServer::named(name).unwrap(), 3, 0).unwrap();
        let mut cluster = Cluster::discover(&lab.endpoints()[0], lab.settings()).unwrap();
        let slot = Slot::of_key(b"a");
        let from = cluster.owner(slot).unwrap().id();
        let to = cluster.masters().map(Member::id).find(|id| *id != from).unwrap();
        let mut client = cluster.connect(to).unwrap();
        let mut source = cluster.connect(from).unwrap();
        source.call(&Command::from_args(["SET", "{a}2", "2"])).unwrap();
        let (cancel, options) = (Cancel::new(), MigrateOptions::default());
        let shared = Shared::new(&mut cluster, &options, Context::new(&Silent, &cancel));
        let mut work = PairWork::begin(&shared, Pair { from, to }).unwrap();
        let slots = SlotSet::from_iter([slot]);
        work.open_slots(&slots).unwrap();
        let key = Bytes::from("{a}1");
        let mut say = |line: &str| {
            let replies = ["ASKING", line]
                .map(|line| client.call(&Command::from_args(line.split(' '))).unwrap());
            let value = replies[1].view();
            value.as_int().or(value.as_str().and_then(|it| it.parse().ok()))
        };
        say("SET {a}1 old");
        work.watch_copy(&key).unwrap();
        work.remove_copy(&key).unwrap();
        assert_eq!(say("EXISTS {a}1"), Some(0), "{name}");
        say("SET {a}1 old");
        work.watch_copy(&key).unwrap();
        say("SET {a}1 new");
        work.remove_copy(&key).unwrap();
        assert_eq!(say("EXISTS {a}1"), Some(1), "{name}");
        say("SET {a}2 1");
        let (trouble, keys) = (Trouble::Doubtful, vec![Bytes::from("{a}2")]);
        let failed = Failed { slot, keys, trouble, reply: String::new(), tries: 0 };
        work.settle(failed).unwrap();
        work.commit(&slots).unwrap();
        assert_eq!(say("GET {a}2"), Some(2), "{name}");
    }

    #[test]
    fn only_a_copy_that_nobody_changed_goes() {
        only_what_nobody_changed_goes("redis-7.0");
        only_what_nobody_changed_goes("valkey-9.1");
    }
}
