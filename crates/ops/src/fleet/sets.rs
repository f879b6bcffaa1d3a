//! Operations on sets that are at several servers.

use std::collections::HashSet;

use redistrib_resp::{Command, Reply};

use super::client::{FleetClient, Placed};
use super::compose;
use super::links::Access;
use super::policy::SetOperation;
use crate::commands;
use crate::error::Result;

/// How many members go into one SADD.
const MEMBERS: usize = 10_000;

impl FleetClient {
    /// SDIFF, SINTER and SUNION.
    pub(super) fn combine_sets(
        &mut self,
        operation: SetOperation,
        keys: &[Placed],
    ) -> Result<Reply> {
        let sets = self.members(keys, Access::Read)?;
        if let Some(error) = compose::first_error(&sets) {
            return Ok(error.clone());
        }
        Ok(compose::strings(combine(operation, &sets).into_iter()))
    }

    /// SDIFFSTORE, SINTERSTORE and SUNIONSTORE: the result takes the place of whatever the first key is.
    pub(super) fn store_sets(&mut self, operation: SetOperation, keys: &[Placed]) -> Result<Reply> {
        let Some((to, from)) = keys.split_first() else { return Ok(compose::integer(0)) };
        let sets = self.members(from, Access::Write)?;
        if let Some(error) = compose::first_error(&sets) {
            return Ok(error.clone());
        }
        let members = combine(operation, &sets);
        let add = |share| Command::new("SADD").arg(&to.name).args_from(share);
        let delete = commands::delete(&to.name);
        let commands =
            commands::transaction([delete].into_iter().chain(members.chunks(MEMBERS).map(add)));
        let replies = self.links.master(&self.fleet, to.server)?.pipeline(&commands)?;
        let failed = compose::first_error(&replies).cloned();
        Ok(failed
            .unwrap_or_else(|| compose::integer(i64::try_from(members.len()).unwrap_or(i64::MAX))))
    }

    fn members(&mut self, keys: &[Placed], access: Access) -> Result<Vec<Reply>> {
        let ask = |key: &Placed| (key.server, Command::new("SMEMBERS").arg(&key.name));
        let commands: Vec<_> = keys.iter().map(ask).collect();
        self.send_all(&commands, access)
    }
}

/// The members of the result, without doubles.
fn combine(operation: SetOperation, sets: &[Reply]) -> Vec<&[u8]> {
    let Some((first, others)) = sets.split_first() else { return Vec::new() };
    let mut result: Vec<&[u8]> = first.view().elements().filter_map(|it| it.as_bytes()).collect();
    for other in others {
        let there: HashSet<&[u8]> =
            other.view().elements().filter_map(|it| it.as_bytes()).collect();
        match operation {
            SetOperation::Difference => result.retain(|member| !there.contains(member)),
            SetOperation::Intersection => result.retain(|member| there.contains(member)),
            SetOperation::Union => {
                let had: HashSet<&[u8]> = result.iter().copied().collect();
                result.extend(there.into_iter().filter(|member| !had.contains(member)));
            }
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_combined_as_servers_do() {
        let set = |members: &[&str]| compose::strings(members.iter().map(|it| it.as_bytes()));
        let sets = [set(&["a1", "a2", "a3"]), set(&["b1", "a2", "b3"]), set(&[])];
        let result = |operation, count| {
            let mut members: Vec<_> = combine(operation, &sets[..count]).to_vec();
            members.sort();
            members.iter().map(|it| String::from_utf8_lossy(it)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(result(SetOperation::Difference, 2), "a1 a3");
        assert_eq!(result(SetOperation::Intersection, 2), "a2");
        assert_eq!(result(SetOperation::Union, 3), "a1 a2 a3 b1 b3");
        assert_eq!(result(SetOperation::Intersection, 3), "");
        assert_eq!(result(SetOperation::Union, 0), "");
    }
}
