//! Numbered databases: Valkey 9 has them in cluster mode, and what servers say of a slot's keys is of one of them, the
//! one that the connection has selected.
//!
//! Which databases hold keys is asked when the slots are MIGRATING: from then on no client can bring keys in. Before
//! slots are given away the source is asked again, of all databases at one moment, since an administrator may have
//! closed the slots meanwhile. Where there is one database this costs next to nothing.

use redistrib_cluster_model::{ServerInfo, Slot, SlotCounts, SlotSet};
use redistrib_resp::{Command, Reply, View};

use super::commands;
use super::counts::{add, count_in, filled, info};
use super::link::Link;
use super::pair::PairWork;
use crate::MoveError;
use crate::error::Result;

/// How often keys may turn up in slots that were empty.
const MOST_ROUNDS: usize = 20;

/// What is left in one database.
type Left = (u32, Vec<(Slot, usize)>);

impl PairWork<'_> {
    /// Copies what the slots hold in databases other than the first, and adds it to what they held.
    pub(super) fn copy_other_databases(
        &mut self,
        slots: &SlotSet,
        held: &mut SlotCounts,
    ) -> Result<()> {
        for database in self.databases.clone().into_iter().filter(|database| *database > 0) {
            let filled = count_in(&mut self.source, slots, database)?;
            add(held, &filled);
            self.copy_in(database, filled)?;
        }
        Ok(())
    }

    /// Learns in which databases the source holds keys.
    pub(super) fn ask_databases(&mut self) -> Result<()> {
        let keyspace = info(&mut self.source, "keyspace")?;
        self.databases.extend(keyspace.databases().into_keys());
        Ok(())
    }

    /// Copies the keys of one database.
    pub(super) fn copy_in(&mut self, database: u32, filled: Vec<(Slot, usize)>) -> Result<()> {
        if filled.is_empty() {
            return Ok(());
        }
        let slots: SlotSet = filled.iter().map(|(slot, _)| *slot).collect();
        let at_target = count_in(&mut self.target, &slots, database)?;
        let at_target = at_target.into_iter().map(|(slot, _)| slot).collect();
        let first = std::mem::replace(&mut self.foreign, at_target);
        self.select(database)?;
        self.copy_keys(filled)?;
        self.foreign = first;
        self.select(0)
    }

    pub(super) fn select(&mut self, database: u32) -> Result<()> {
        for node in [&mut self.source, &mut self.target] {
            node.call_when_ready(&[commands::select(database)])?;
        }
        self.database = database;
        Ok(())
    }

    /// Makes sure that the source holds no key of the slots in any database; what it does hold goes over.
    ///
    /// # Errors
    /// [`Error::Move`](crate::Error::Move) for a source that is no master any more; those of the copying.
    pub(super) fn empty(&mut self, slots: &SlotSet) -> Result<()> {
        for _ in 0..MOST_ROUNDS {
            let left = self.left_at_source(slots)?;
            if left.is_empty() {
                return Ok(());
            }
            self.take_turn();
            for (database, filled) in left {
                self.copy_in(database, filled)?;
            }
        }
        let (slots, node) = (slots.clone(), self.source.endpoint().clone());
        Err(MoveError::KeysTurnUp { slots, node }.into())
    }

    /// What the source says that it holds in these slots, in all databases at one moment.
    fn left_at_source(&mut self, slots: &SlotSet) -> Result<Vec<Left>> {
        loop {
            // The first comes last, so that it is selected afterwards.
            let databases: Vec<u32> = self.databases.iter().rev().copied().collect();
            let questions = questions(slots, &databases);
            let replies = self.source.pipeline_when_ready(&questions)?;
            let answers = at_one_moment(&self.source, &questions, &replies)?;
            let Some(([role, keyspace], counts)) = answers.split_first_chunk() else {
                let exec = &questions[questions.len() - 1];
                return Err(self.source.unexpected(exec, "not one reply for each command"));
            };
            if role.elements().next().and_then(|role| role.as_str()) != Some("master") {
                return Err(MoveError::TakenOver(self.source.endpoint().clone()).into());
            }
            let known = self.databases.len();
            let keyspace = ServerInfo::parse(keyspace.as_str().unwrap_or_default());
            self.databases.extend(keyspace.databases().into_keys());
            if self.databases.len() == known {
                let counts = databases.iter().zip(counts.chunks(1 + slots.len()));
                let left =
                    counts.map(|(database, counts)| (*database, filled(slots, &counts[1..])));
                return Ok(left.filter(|(_, filled)| !filled.is_empty()).collect());
            }
        }
    }
}

/// A transaction that asks for a node's role, its databases, and how many keys each of these has in the slots.
fn questions(slots: &SlotSet, databases: &[u32]) -> Vec<Command> {
    let mut questions = vec![Command::new("ROLE"), commands::info_of("keyspace")];
    for database in databases {
        questions.push(commands::select(*database));
        questions.extend(slots.iter().map(commands::count_keys));
    }
    commands::transaction(questions)
}

/// What a transaction gave. A server whose ACL allows no MULTI has answered each command at once.
fn at_one_moment<'r>(
    node: &Link<'_>,
    transaction: &[Command],
    replies: &'r [Reply],
) -> Result<Vec<View<'r>>> {
    let views: Vec<View<'r>> = replies.iter().map(Reply::view).collect();
    let [multi, plain @ .., exec] = &views[..] else { return Ok(Vec::new()) };
    let answers = match (multi.as_error(), exec.as_error()) {
        (None, None) => exec.elements().collect(),
        // What was refused before EXEC says more than EXEC's own refusal.
        (None, Some(_)) => views[1..].to_vec(),
        (Some(_), _) => plain.to_vec(),
    };
    let mut answered = transaction[1..].iter().zip(&answers);
    match answered.find_map(|(command, answer)| node.refusal(command, *answer)) {
        None => Ok(answers),
        Some(error) => Err(error),
    }
}
