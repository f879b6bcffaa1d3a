//! Commands that take something from a key at one server to a key at another. It is written first and removed
//! then, so that nothing is lost whatever happens in between; but what is popped from a list is on its way.

use redistrib_resp::{Command, Reply};

use super::client::{FleetClient, Placed};
use super::compose;
use super::links::Access;
use crate::Refusal;
use crate::commands;
use crate::error::Result;

/// How often a key is taken again that is changed while it is renamed.
const TRIES: usize = 10;

impl FleetClient {
    /// SMOVE: added first, removed then.
    pub(super) fn move_member(
        &mut self,
        from: &Placed,
        to: &Placed,
        member: &[u8],
    ) -> Result<Reply> {
        let on = |name: &str, key: &Placed| Command::new(name).arg(&key.name).arg(member);
        let there = self.send(from.server, &on("SISMEMBER", from), Access::Write)?;
        if there.view().as_int() != Some(1) {
            return Ok(there);
        }
        let added = self.send(to.server, &on("SADD", to), Access::Write)?;
        if added.view().as_error().is_some() {
            return Ok(added);
        }
        let removed = self.send(from.server, &on("SREM", from), Access::Write)?;
        if removed.view().as_int() != Some(1) && added.view().as_int() == Some(1) {
            // Somebody else has taken it meanwhile.
            self.send(to.server, &on("SREM", to), Access::Write)?;
        }
        Ok(removed)
    }

    /// RENAME and RENAMENX: the payload goes over, with its time of expiry; the old key is removed if it is
    /// still what was taken, else it is taken again.
    pub(super) fn rename_key(
        &mut self,
        from: &Placed,
        to: &Placed,
        unless_there: bool,
    ) -> Result<Reply> {
        let mut replace = !unless_there;
        for _ in 0..TRIES {
            let Some((payload, expires_in)) = self.take(from)? else {
                self.unwatch(from)?;
                return Ok(compose::error("ERR no such key"));
            };
            let mut restore = Command::new("RESTORE").arg(&to.name).arg(expires_in).arg(payload);
            if replace {
                restore.push("REPLACE");
            }
            let restored = self.send(to.server, &restore, Access::Write)?;
            if let Some(error) = restored.view().as_error() {
                self.unwatch(from)?;
                let busy = Refusal::of(error) == Refusal::KeyExists;
                return Ok(if busy { compose::integer(0) } else { restored });
            }
            if self.remove_unchanged(from)? {
                return Ok(if unless_there { compose::integer(1) } else { compose::ok() });
            }
            // What is there now came from us.
            replace = true;
        }
        Ok(compose::error("TRYAGAIN the key is changed all the time; it is at both places now"))
    }

    /// The payload of a key and the milliseconds it has to live, 0 for ever; the key is watched from now on.
    fn take(&mut self, key: &Placed) -> Result<Option<(Vec<u8>, i64)>> {
        let on = |name: &str| Command::new(name).arg(&key.name);
        let link = self.links.master(&self.fleet, key.server)?;
        let replies = link.call_all(&[on("WATCH"), on("DUMP"), on("PTTL")])?;
        let payload = replies.get(1).and_then(|reply| reply.view().as_bytes());
        let left = replies.get(2).and_then(|reply| reply.view().as_int()).unwrap_or(-2);
        // A key whose last millisecond has begun is given one more rather than eternity.
        Ok(match (payload, left) {
            (Some(payload), -1) => Some((payload.to_vec(), 0)),
            (Some(payload), 0..) => Some((payload.to_vec(), left.max(1))),
            _ => None,
        })
    }

    fn unwatch(&mut self, key: &Placed) -> Result<()> {
        self.links.master(&self.fleet, key.server)?.call(&Command::new("UNWATCH")).map(drop)
    }

    fn remove_unchanged(&mut self, key: &Placed) -> Result<bool> {
        let commands = commands::transaction([commands::delete(&key.name)]);
        // Over another connection nothing would be watched, and a change meanwhile go unnoticed.
        let link = self.links.begun(&self.fleet, key.server, Access::Write, &commands[1])?;
        let replies = link.call_all(&commands)?;
        Ok(replies.last().is_some_and(|reply| !reply.view().is_null()))
    }

    /// RPOPLPUSH and BRPOPLPUSH. What the element is to be pushed to is looked at first; an element that
    /// cannot be pushed all the same is put back.
    pub(super) fn pop_push(
        &mut self,
        from: &Placed,
        to: &Placed,
        timeout: Option<&[u8]>,
    ) -> Result<Reply> {
        let kind = self.send(to.server, &Command::new("TYPE").arg(&to.name), Access::Write)?;
        if !matches!(kind.view().as_bytes(), Some(b"list" | b"none")) {
            let text = "WRONGTYPE Operation against a key holding the wrong kind of value";
            return Ok(compose::error(text));
        }
        let popped = match timeout {
            None => self.send(from.server, &Command::new("RPOP").arg(&from.name), Access::Write)?,
            Some(timeout) => {
                let pop = Command::new("BRPOP").arg(&from.name).arg(timeout);
                self.send(from.server, &pop, Access::Write)?
            }
        };
        let value = match timeout {
            None => popped.view(),
            Some(_) => popped.view().elements().nth(1).unwrap_or(popped.view()),
        };
        let Some(element) = value.as_bytes() else {
            return Ok(if popped.view().is_null() { compose::null() } else { popped });
        };
        let push = Command::new("LPUSH").arg(&to.name).arg(element);
        let pushed = self.send(to.server, &push, Access::Write);
        if pushed.as_ref().is_ok_and(|reply| reply.view().as_error().is_none()) {
            return Ok(compose::string(element));
        }
        let back = Command::new("RPUSH").arg(&from.name).arg(element);
        self.send(from.server, &back, Access::Write)?;
        pushed
    }
}
