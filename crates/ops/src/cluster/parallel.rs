//! The same work on many items at once, each on one of a few threads.

use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::limits;

/// How many items are worked on side by side: enough that a cluster of a thousand nodes far away is asked in a few
/// round trips.
pub(crate) const MOST_THREADS: usize = 128;

/// Runs `work` on all items side by side; results stand in the items' order.
pub(crate) fn in_parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let queue = Mutex::new(items.iter().enumerate());
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).next();
    let run = || -> Vec<(usize, R)> {
        std::iter::from_fn(&next).map(|(place, item)| (place, work(item))).collect()
    };
    let mut done: Vec<_> = thread::scope(|scope| {
        // The system may grant fewer threads than asked for; this one works, too, so that all is done even with none.
        let spawn = |_| limits::spawn_scoped(scope, run).ok();
        let threads: Vec<_> = (1..items.len().min(MOST_THREADS)).map_while(spawn).collect();
        let own = run();
        let join = |it: thread::ScopedJoinHandle<'_, Vec<(usize, R)>>| {
            it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        own.into_iter().chain(threads.into_iter().flat_map(join)).collect()
    });
    done.sort_unstable_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_items_than_threads_are_all_worked_on_in_their_order() {
        let items: Vec<usize> = (0..10 * MOST_THREADS).collect();
        let (now, most) = (Mutex::new(0), Mutex::new(0));
        let doubled = in_parallel(&items, |item| {
            let at_work = {
                let mut now = now.lock().unwrap();
                *now += 1;
                *now
            };
            let mut most = most.lock().unwrap();
            *most = at_work.max(*most);
            drop(most);
            *now.lock().unwrap() -= 1;
            item * 2
        });
        assert!(doubled.iter().enumerate().all(|(place, double)| *double == place * 2));
        assert!(doubled.len() == items.len() && *most.lock().unwrap() <= MOST_THREADS);
    }
}
