//! Which pair goes next: pairs that share no node run at the same time, and small ones that do, each in a thread of its own.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use redistrib_cluster_model::Move;
use redistrib_cluster_model::fitness::{Gravity, MoveEnd, SETTINGS, is_little, judge};
use redistrib_cluster_model::plan::schedule::Schedule;

use super::atomic::{self, JobOutcome};
use super::fitness;
use super::pair::PairWork;
use super::shared::Shared;
use super::turns::Turn;
use crate::error::{Error, Result};
use crate::{Connection, Event, Method, Pair, limits, server_info};

/// How many pairs are worked on at a time, at most, and how many connections one of them may have open.
const MOST_PAIRS: usize = 128;
const LINKS_OF_A_PAIR: usize = 6;

/// The moves that wait, and what went wrong with those that did not.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Debug)]
struct State {
    schedule: Schedule,
    errors: Vec<Error>,
}

impl Queue {
    pub(super) fn new(moves: &[Move]) -> Self {
        let schedule = Schedule::new(moves.iter().cloned());
        Self { state: Mutex::new(State { schedule, errors: Vec::new() }), freed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves everything, or stops at the first error when the batches under way are finished.
    pub(super) fn run<'a>(&self, shared: &'a Shared<'a>) -> Result<()> {
        let most = MOST_PAIRS.min(limits::free_files() / LINKS_OF_A_PAIR);
        let workers = self.state().schedule.width().min(most);
        thread::scope(|scope| {
            // The system may grant fewer threads than asked for: this one works, too, so that all is done even with none.
            let spawn = |_: &usize| limits::spawn_scoped(scope, || self.work(shared)).is_ok();
            (1..workers).take_while(spawn).for_each(drop);
            self.work(shared);
        });
        gravest(std::mem::take(&mut self.state().errors))
    }

    fn work<'a>(&self, shared: &'a Shared<'a>) {
        while let Some(step) = self.take(shared) {
            let outcome = move_pair(shared, &step);
            let mut state = self.state();
            state.schedule.done(&step);
            if let Err(error) = outcome {
                shared.fail();
                state.errors.push(error);
            }
            self.freed.notify_all();
        }
    }

    /// The next pair whose nodes are free for it; waits for one, and is None when none is left.
    fn take(&self, shared: &Shared<'_>) -> Option<Move> {
        let mut state = self.state();
        loop {
            if state.schedule.slots_left() == 0 || shared.is_stopping() {
                return None;
            }
            if let Some(step) = state.schedule.next(usize::MAX) {
                return Some(step);
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Returns that keys are lost, where one of the errors says so, and the first of them otherwise: pairs that only stopped because
/// another failed say nothing new.
fn gravest(mut errors: Vec<Error>) -> Result<()> {
    let lost = errors.iter().position(|error| matches!(error, Error::KeysLost { .. }));
    if errors.is_empty() { Ok(()) } else { Err(errors.swap_remove(lost.unwrap_or(0))) }
}

fn move_pair<'a>(shared: &'a Shared<'a>, step: &Move) -> Result<()> {
    let pair = Pair { from: step.from, to: step.to };
    shared.await_news(pair)?;
    let method = atomic::choose(shared, pair)?;
    let is_small = step.slots.len() <= Schedule::FEW;
    let may_share = is_small && atomic::is_out_of_question(shared, pair);
    let mut turn = (!may_share).then(|| shared.turns.of(pair));
    if !refuse_unfit_now(shared, step)? && turn.is_none() {
        // Other pairs of its nodes may be at work for long, and it opens no slot before they are through.
        turn = Some(shared.turns.of(pair));
        refuse_unfit_now(shared, step)?;
    }
    if shared.is_stopping() {
        return Ok(());
    }
    let (slots, which) = (step.slots.len(), step.slots.clone());
    shared.context.tell(Event::PairStarted { pair, slots, which, method });
    if method == Method::Migrate {
        let mut work = PairWork::begin(shared, pair)?.with_turn(turn);
        work.run(step.slots.clone())?;
        work.end();
    } else {
        move_atomically(shared, step, method, turn)?;
    }
    if !shared.is_stopping() {
        shared.context.tell(Event::PairFinished { pair });
    }
    Ok(())
}

/// Looks again at what a pair's nodes report about themselves: they may have become unfit since the first slots moved. Returns
/// whether what moves is little. Both are asked over connections of the pair's own, so that nobody else waits.
///
/// # Errors
/// [`Error::Unfit`]; those of [`Shared::connect`].
fn refuse_unfit_now(shared: &Shared<'_>, step: &Move) -> Result<bool> {
    let (source, target, _) = shared.connect(Pair { from: step.from, to: step.to })?;
    let end = |id, mut connection: Connection| {
        let info = Some(server_info::ask_one(&mut connection, &SETTINGS)?);
        shared.idle.keep(id, connection);
        let cluster = shared.cluster();
        let member = cluster.member(id)?;
        Ok::<MoveEnd, Error>(MoveEnd {
            node: fitness::named(member),
            slots: member.node().slots.clone(),
            info,
        })
    };
    let ends = [end(step.from, source)?, end(step.to, target)?];
    let mut found = judge(&ends, std::slice::from_ref(step));
    found.retain(|obstacle| obstacle.weight() == Gravity::Refusal);
    if !found.is_empty() {
        return Err(Error::Unfit(found));
    }
    Ok(is_little(&ends[0], &step.slots))
}

/// Where the servers cannot after all, and the caller does not insist, the slots go by MIGRATE: those that have not
/// moved, once the servers have cleared away after the job.
fn move_atomically<'a>(
    shared: &'a Shared<'a>,
    step: &Move,
    method: Method,
    turn: Option<Turn<'a>>,
) -> Result<()> {
    let pair = Pair { from: step.from, to: step.to };
    let error = match atomic::run(shared, pair, &step.slots, method)? {
        JobOutcome::Moved | JobOutcome::Stopped => return Ok(()),
        JobOutcome::Impossible(error) => error,
    };
    let left = shared.look_again(pair, &step.slots)?;
    if left.is_empty() {
        return Ok(());
    }
    if shared.options.atomic.is_demanded() {
        return Err(error);
    }
    shared.context.warn(format!("{error}; going on with MIGRATE"));
    atomic::await_clearance(shared, pair, &left)?;
    // A job of somebody else's may have taken some of them meanwhile.
    let left = shared.look_again(pair, &left)?;
    PairWork::begin(shared, pair)?.with_turn(turn).run(left)
}

#[cfg(test)]
mod tests {
    use redistrib_cluster_model::{NodeId, SlotSet};

    use super::*;

    #[test]
    fn that_keys_are_lost_is_said_before_all_else() {
        let closed = || Error::Closed { node: "h:1".parse().expect("an address"), command: None };
        let [from, to] = [1, 2].map(|byte| NodeId::from_bytes([byte; 20]));
        let lost = Error::KeysLost { slots: SlotSet::new(), keys: 3, from, to };
        assert!(matches!(gravest(vec![closed(), lost, closed()]), Err(Error::KeysLost { .. })));
        assert!(matches!(gravest(vec![closed()]), Err(Error::Closed { .. })));
        assert!(gravest(Vec::new()).is_ok());
    }
}
