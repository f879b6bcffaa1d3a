//! Commands on many keys that are at several servers.

use std::collections::BTreeMap;

use redistrib_resp::{Command, Reply, View};

use super::client::{FleetClient, Placed};
use super::compose;
use super::links::Access;
use crate::error::Result;

impl FleetClient {
    /// MGET: each server's share in one command, the values in the order of the keys.
    pub(super) fn values(&mut self, name: &[u8], keys: &[Placed]) -> Result<Reply> {
        let shares = shares(keys);
        let commands = commands(name, keys, &shares);
        let replies = self.send_all(&commands, Access::Read)?;
        if let Some(error) = compose::first_error(&replies) {
            return Ok(error.clone());
        }
        let mut values: Vec<Option<View<'_>>> = vec![None; keys.len()];
        for (share, reply) in shares.values().zip(&replies) {
            for (&number, value) in share.iter().zip(reply.view().elements()) {
                values[number] = Some(value);
            }
        }
        let null = compose::null();
        Ok(compose::array(values.into_iter().map(|value| value.unwrap_or(null.view()))))
    }

    /// DEL, EXISTS and the like: the sum of the servers' numbers.
    pub(super) fn sum(&mut self, name: &[u8], keys: &[Placed], access: Access) -> Result<Reply> {
        let replies = self.send_all(&commands(name, keys, &shares(keys)), access)?;
        if let Some(error) = compose::first_error(&replies) {
            return Ok(error.clone());
        }
        Ok(compose::integer(replies.iter().filter_map(|reply| reply.view().as_int()).sum()))
    }

    /// MSET: each server's share in one command.
    pub(super) fn set_all(&mut self, keys: &[Placed], words: &[&[u8]]) -> Result<Reply> {
        let commands: Vec<_> = setters("MSET", keys, words).into_values().collect();
        let replies = self.send_all(&commands, Access::Write)?;
        Ok(compose::first_error(&replies).cloned().unwrap_or_else(compose::ok))
    }

    /// MSETNX: no key may be there at any server. Each server sets its share only if none of it is there, so
    /// a client that comes in between is noticed, and what was set is taken back.
    pub(super) fn set_if_none(&mut self, keys: &[Placed], words: &[&[u8]]) -> Result<Reply> {
        let shares = shares(keys);
        let there = self.send_all(&commands(b"EXISTS", keys, &shares), Access::Write)?;
        if let Some(error) = compose::first_error(&there) {
            return Ok(error.clone());
        }
        if there.iter().any(|reply| reply.view().as_int() != Some(0)) {
            return Ok(compose::integer(0));
        }
        let mut set = BTreeMap::new();
        for (server, setter) in setters("MSETNX", keys, words) {
            let reply = self.send(server, &setter.1, Access::Write)?;
            if reply.view().as_int() != Some(1) {
                self.send_all(&commands(b"DEL", keys, &set), Access::Write)?;
                return Ok(reply);
            }
            set.insert(server, shares[&server].clone());
        }
        Ok(compose::integer(1))
    }
}

/// For each server the numbers of the keys that are there.
fn shares(keys: &[Placed]) -> BTreeMap<usize, Vec<usize>> {
    let mut shares: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (number, key) in keys.iter().enumerate() {
        shares.entry(key.server).or_default().push(number);
    }
    shares
}

/// The command for each server with its share of the keys.
fn commands(
    name: &[u8],
    keys: &[Placed],
    shares: &BTreeMap<usize, Vec<usize>>,
) -> Vec<(usize, Command)> {
    let command = |share: &Vec<usize>| {
        Command::new(name).args_from(share.iter().map(|&number| &keys[number].name))
    };
    shares.iter().map(|(&server, share)| (server, command(share))).collect()
}

/// The command for each server with its share of the pairs: `words` are the name, then keys and values in
/// turns.
fn setters(name: &str, keys: &[Placed], words: &[&[u8]]) -> BTreeMap<usize, (usize, Command)> {
    let values = words.iter().skip(2).step_by(2);
    let mut setters = BTreeMap::new();
    for (key, value) in keys.iter().zip(values) {
        let (_, command) =
            setters.entry(key.server).or_insert_with(|| (key.server, Command::new(name)));
        command.push(&key.name);
        command.push(value);
    }
    setters
}
