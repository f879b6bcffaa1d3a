//! A cluster looked at again and again, without being a burden to it.
//!
//! Each node is asked over a connection of its own, when its time has come: not all at once, none for more than a hundredth
//! of its time, and a node that hangs holds up none but itself. A [`Sample`] is put together from the last answers.

mod detail;
mod doubt;
mod field;
mod pace;
mod slots;
mod summary;
mod turn;

use std::hash::RandomState;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use redistrib_cluster_model::sample::{Focus, Sample};

use crate::error::Result;
use crate::{Cluster, Endpoint, Settings};
use field::{Task, WatchedNodes};
use summary::EarlierSamples;
use turn::{TurnReport, WatchLink};

/// How many nodes are asked at the same time.
const MOST_THREADS: usize = 48;
/// How long a node is waited for, at most: one that takes longer is reported as not answering.
const PATIENCE: Duration = Duration::from_secs(2);

/// A watch over a cluster. It ends when it is dropped.
///
/// ```no_run
/// use redistrib_ops::{Settings, Watch};
/// use std::time::Duration;
/// let watch = Watch::start(&"127.0.0.1:7000".parse()?, &Settings::default(), Duration::from_secs(1))?;
/// watch.await_all(Duration::from_secs(5));
/// for node in watch.sample().nodes {
///     println!("{} {} {:?}", node.address, node.state.word(), node.figures.ops);
/// }
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Watch {
    shared: Arc<WatchState>,
    memory: Mutex<EarlierSamples>,
}

#[derive(Debug)]
struct WatchState {
    field: Mutex<WatchedNodes>,
    /// Notified when a turn has ended, when there are new nodes, and at the end.
    changed: Condvar,
    settings: Settings,
    interval: Duration,
    /// Of passwords no more is kept than what shows whether two are the same.
    disguise: RandomState,
    began: Instant,
}

impl Watch {
    /// Begins with a node of the cluster, and asks all nodes about every `interval` from then on.
    ///
    /// # Errors
    /// Those of [`Cluster::discover`], where that node does not answer. Later no failure ends the watch.
    pub fn start(seed: &Endpoint, settings: &Settings, interval: Duration) -> Result<Self> {
        let settings = Settings {
            connect_timeout: settings.connect_timeout.min(PATIENCE),
            timeout: settings.timeout.min(PATIENCE),
            ..settings.clone()
        };
        let nodes = Cluster::nodes_known_to(seed, &settings)?;
        let shared = Arc::new(WatchState {
            field: Mutex::new(WatchedNodes::new(seed.clone(), nodes)),
            changed: Condvar::new(),
            settings,
            interval,
            disguise: RandomState::new(),
            began: Instant::now(),
        });
        WatchState::hire(&shared);
        Ok(Self { shared, memory: Mutex::default() })
    }

    /// Waits until every node has answered or failed to, but no longer than `most`.
    pub fn await_all(&self, most: Duration) {
        let until = Instant::now() + most;
        let mut field = self.shared.field();
        while !field.is_complete() {
            let Some(left) = until.checked_duration_since(Instant::now()) else { return };
            field = match self.shared.changed.wait_timeout(field, left) {
                Ok((field, _)) => field,
                Err(_) => return,
            };
        }
    }

    /// From the next turn on, asks about what somebody looks at, too.
    pub fn look_at(&self, focus: Focus) {
        self.shared.field().focus = focus;
    }

    /// The cluster as the last answers show it.
    pub fn sample(&self) -> Sample {
        let mut field = self.shared.field();
        let is_larger = field.follow(&self.shared.settings);
        let seen = field.seen();
        drop(field);
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if is_larger {
            WatchState::hire(&self.shared);
            self.shared.changed.notify_all();
        }
        summary::sample(seen, self.shared.began, &mut memory)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.field().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl WatchState {
    fn field(&self) -> MutexGuard<'_, WatchedNodes> {
        self.field.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has as many threads at work as there are nodes, within bounds. Where the system grants fewer, turns take longer.
    fn hire(shared: &Arc<Self>) {
        let mut field = shared.field();
        let wanted = field.len().min(MOST_THREADS);
        while field.threads < wanted {
            let own = Arc::clone(shared);
            if thread::Builder::new().spawn(move || own.work()).is_err() {
                return;
            }
            field.threads += 1;
        }
    }

    /// Asks one node after the other, whichever is due, until the watch is over.
    fn work(&self) {
        while let Some(mut task) = self.next_task() {
            let answer = self.ask(&mut task);
            self.field().take_back(task, answer, self.interval);
            self.changed.notify_all();
        }
    }

    /// Waits until a node is due.
    fn next_task(&self) -> Option<Task> {
        let mut field = self.field();
        while !field.is_over {
            let now = Instant::now();
            let due = match field.next_due() {
                Some(due) if due <= now => return field.take(now),
                Some(due) => due - now,
                None => self.interval,
            };
            field = match self.changed.wait_timeout(field, due) {
                Ok((field, _)) => field,
                Err(error) => error.into_inner().0,
            };
        }
        None
    }

    /// A link that broke is made again at the next turn; one that the server has closed meanwhile, at once.
    fn ask(&self, task: &mut Task) -> Result<TurnReport> {
        let kept = task.link.take().and_then(|mut link| link.is_alive().then_some(link));
        let mut link = match kept {
            Some(link) => link,
            None => WatchLink::open(&task.endpoint, &self.settings)?,
        };
        let answer = link.ask(&task.questions, &self.disguise)?;
        task.link = Some(link);
        Ok(answer)
    }
}
