//! A key that a failed MIGRATE left in both places, and that a client then deleted at the source.
//!
//! While the source has the key, it alone serves it, and the target's copy is dead. If a client deletes the key
//! at the source before it is moved again, that copy would come to life. So what it was is remembered, and when
//! the source no longer has the key, the copy is removed, provided that no client has written the key at
//! the target since.

use bytes::Bytes;
use redistrib_resp::Command;

use super::pair::PairWork;
use super::settle::ask;
use crate::error::Result;

impl PairWork<'_> {
    /// What the target has under this name at present.
    pub(super) fn copy_at_target(&mut self, key: &Bytes) -> Result<Option<Bytes>> {
        let replies = ask(&mut self.target, std::iter::once(dump(key)))?;
        let copy = replies.first().and_then(|reply| Some(reply.bytes_of(non_null(reply)?)));
        Ok(copy)
    }

    /// Removes the target's copy if it still is what it was.
    pub(super) fn remove_copy(&mut self, key: &Bytes, copy: &Bytes) -> Result<()> {
        let watch = Command::new("WATCH").arg(key);
        let replies = ask(&mut self.target, [watch, dump(key)].into_iter())?;
        let now = replies.get(1).and_then(non_null).and_then(|view| view.as_bytes());
        if now != Some(&copy[..]) {
            return self.target.call_all(&[Command::new("UNWATCH")]).map(drop);
        }
        // ASKING holds for the whole transaction. That EXEC does nothing means that a client was faster.
        let delete = Command::new("DEL").arg(key);
        let transaction =
            [Command::new("ASKING"), Command::new("MULTI"), delete, Command::new("EXEC")];
        self.target.call_all(&transaction).map(drop)
    }
}

fn dump(key: &Bytes) -> Command {
    Command::new("DUMP").arg(key)
}

fn non_null(reply: &redistrib_resp::Reply) -> Option<redistrib_resp::View<'_>> {
    Some(reply.view()).filter(|view| !view.is_null())
}
