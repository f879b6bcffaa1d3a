//! Live writers and readers with a model of what was acknowledged to them.
//!
//! Each writer has keys of its own, so the value that a key must have is known: at least the last one
//! acknowledged, at most the last one tried. Strings are set, counters incremented (an increment that is
//! lost or applied twice shows), and pairs of keys of one slot are written together (which is where servers
//! answer TRYAGAIN while a slot moves).

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use redistrib_ops::Error;
use redistrib_resp::{Command, Reply};

use crate::router::{Redirections, Router};

/// After a connection has broken: the node may be down.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// How many complaints are kept; the first ones say the most.
const MOST_COMPLAINTS: usize = 20;

/// Who works on the cluster.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Threads that write.
    pub writers: usize,
    /// Threads that read what the writers write.
    pub readers: usize,
    /// Keys of each writer.
    pub keys: usize,
    /// The pause of each thread between two commands.
    pub pace: Duration,
    /// Nodes may be down for a while: broken connections and slots without an owner are waited for. A write that
    /// was not answered may come later than one that was, so that all keys are counters then.
    pub outages: bool,
    /// The numbered database of all keys.
    pub database: u32,
}

impl Default for LoadOptions {
    fn default() -> Self {
        let pace = Duration::from_micros(300);
        Self { writers: 2, readers: 2, keys: 600, pace, outages: false, database: 0 }
    }
}

/// What the threads did and found.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Writes that were acknowledged.
    pub writes: u64,
    /// Writes of which nobody knows whether they were executed, since the connection broke.
    pub unanswered: u64,
    /// Reads that were answered.
    pub reads: u64,
    /// How often the threads were sent on.
    pub redirections: Redirections,
    /// The longest that one operation took, redirections included.
    pub longest: Duration,
    /// All that should not have happened: lost and wrong values, errors that are no redirection.
    pub complaints: Vec<String>,
}

/// Running writers and readers.
#[derive(Debug)]
pub struct Load {
    model: Arc<Model>,
    stop: Arc<AtomicBool>,
    ports: Vec<u16>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
struct Model {
    options: LoadOptions,
    keys: Vec<Key>,
    outcome: Mutex<Outcome>,
}

/// One key, or a pair of keys, and the bounds of its value. 0 stands for a key that is not there.
#[derive(Debug)]
struct Key {
    sort: Sort,
    name: String,
    acknowledged: AtomicU64,
    tried: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
enum Sort {
    Text,
    Counter,
    Pair,
}

impl Load {
    /// Starts to write and read on the cluster whose nodes listen on these ports of 127.0.0.1.
    pub fn start(ports: &[u16], options: LoadOptions) -> Self {
        let keys = (0..options.writers * options.keys).map(|number| Key::new(number, &options));
        let model = Arc::new(Model { keys: keys.collect(), options, outcome: Mutex::default() });
        let stop = Arc::new(AtomicBool::new(false));
        let (writers, readers) = (model.options.writers, model.options.readers);
        let threads = (0..writers + readers).map(|number| {
            let worker = Worker {
                model: Arc::clone(&model),
                stop: Arc::clone(&stop),
                router: model.router(ports),
                dice: Dice::new(number as u64 + 1),
                tally: Outcome::default(),
            };
            thread::spawn(move || worker.run((number < writers).then_some(number)))
        });
        let threads = threads.collect();
        Self { threads, model, stop, ports: ports.to_vec() }
    }

    /// All that should not have happened so far.
    pub fn complaints(&self) -> Vec<String> {
        self.model.outcome().complaints.clone()
    }

    /// Stops the threads, then reads every key once more.
    pub fn finish(mut self) -> Outcome {
        self.halt();
        let mut router = Router::new(&self.ports, true).in_database(self.model.options.database);
        for key in &self.model.keys {
            if let Err(complaint) = key.read(&mut router) {
                self.model.complain(format!("at the end: {complaint}"));
            }
        }
        self.model.outcome().clone()
    }

    fn halt(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                self.model.complain("a thread panicked".into());
            }
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.halt();
    }
}

impl Model {
    fn router(&self, ports: &[u16]) -> Router {
        Router::new(ports, self.options.outages).in_database(self.options.database)
    }

    fn outcome(&self) -> std::sync::MutexGuard<'_, Outcome> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn complain(&self, complaint: String) {
        let mut outcome = self.outcome();
        if outcome.complaints.len() < MOST_COMPLAINTS {
            outcome.complaints.push(complaint);
        }
    }
}

struct Worker {
    model: Arc<Model>,
    stop: Arc<AtomicBool>,
    router: Router,
    dice: Dice,
    tally: Outcome,
}

impl Worker {
    /// Works until it is stopped: on its own keys as a writer, on all as a reader.
    fn run(mut self, writer: Option<usize>) {
        let model = Arc::clone(&self.model);
        let own = model.options.keys;
        let keys = match writer {
            Some(number) => &model.keys[number * own..(number + 1) * own],
            None => &model.keys[..],
        };
        while !self.stop.load(Ordering::SeqCst) {
            let Some(key) = keys.get(self.dice.below(keys.len())) else { return };
            let began = Instant::now();
            let outcome = match writer {
                Some(_) => key.write(&mut self.router, model.options.outages),
                None => key.read(&mut self.router).map(|()| true),
            };
            self.tally.longest = self.tally.longest.max(began.elapsed());
            match (outcome, writer) {
                (Ok(true), Some(_)) => self.tally.writes += 1,
                (Ok(true), None) => self.tally.reads += 1,
                (Ok(false), _) => {
                    self.tally.unanswered += 1;
                    thread::sleep(BETWEEN_ATTEMPTS);
                }
                (Err(complaint), _) => model.complain(complaint),
            }
            thread::sleep(model.options.pace);
        }
        self.tally.redirections = self.router.redirections();
        let mut total = model.outcome();
        total.writes += self.tally.writes;
        total.unanswered += self.tally.unanswered;
        total.reads += self.tally.reads;
        total.redirections += self.tally.redirections;
        total.longest = total.longest.max(self.tally.longest);
    }
}

impl Key {
    fn new(number: usize, options: &LoadOptions) -> Self {
        let sort = match options.outages {
            true => Sort::Counter,
            false => [Sort::Text, Sort::Counter, Sort::Pair][number % 3],
        };
        let name = format!("load:{{{}:{}}}", number / options.keys.max(1), number);
        Self { sort, name, acknowledged: AtomicU64::new(0), tried: AtomicU64::new(0) }
    }

    /// Writes the next value; false where, among outages, no answer came. A write that fails may have been executed or
    /// not: it counts as tried.
    fn write(&self, router: &mut Router, outages: bool) -> Result<bool, String> {
        let next = self.tried.fetch_add(1, Ordering::SeqCst) + 1;
        let (name, value) = (&self.name, text(next));
        let command = match self.sort {
            Sort::Text => Command::new("SET").arg(name).arg(value),
            Sort::Counter => Command::new("INCR").arg(name),
            Sort::Pair => {
                let mset = Command::new("MSET").arg(format!("{name}a")).arg(&value);
                mset.arg(format!("{name}b")).arg(&value)
            }
        };
        let reply = match router.call_once(name.as_bytes(), &command) {
            Err(_) if outages => return Ok(false),
            outcome => self.told("writing", outcome)?,
        };
        let written = match self.sort {
            Sort::Counter => reply.view().as_int().and_then(|count| u64::try_from(count).ok()),
            _ => reply.view().is_ok().then_some(next),
        };
        let least = self.acknowledged.load(Ordering::SeqCst) + 1;
        match written {
            Some(value) if (least..=next).contains(&value) => {
                self.acknowledged.store(value, Ordering::SeqCst);
                Ok(true)
            }
            _ => Err(format!("writing {name}: {least} to {next} expected, got {reply:?}")),
        }
    }

    /// Reads the value and compares it with what it may be.
    fn read(&self, router: &mut Router) -> Result<(), String> {
        let name = &self.name;
        let least = self.acknowledged.load(Ordering::SeqCst);
        let command = match self.sort {
            Sort::Text | Sort::Counter => Command::new("GET").arg(name),
            Sort::Pair => Command::new("MGET").arg(format!("{name}a")).arg(format!("{name}b")),
        };
        let reply = self.told("reading", router.call(name.as_bytes(), &command))?;
        let most = self.tried.load(Ordering::SeqCst);
        let view = reply.view();
        let value = match self.sort {
            Sort::Text | Sort::Counter => number(view),
            Sort::Pair => match view.elements().map(number).collect::<Vec<_>>().as_slice() {
                [a, b] if a == b => *a,
                _ => None,
            },
        };
        match value {
            Some(value) if (least..=most).contains(&value) => Ok(()),
            _ => Err(format!("reading {name}: {least} to {most} expected, got {reply:?}")),
        }
    }

    fn told(&self, doing: &str, outcome: Result<Reply, Error>) -> Result<Reply, String> {
        let reply = outcome.map_err(|error| format!("{doing} {}: {error}", self.name))?;
        match reply.view().as_error() {
            None => Ok(reply),
            Some(text) => Err(format!("{doing} {}: {}", self.name, text.escape_ascii())),
        }
    }
}

/// A value that carries its number and something to go wrong.
fn text(number: u64) -> String {
    format!("{number}:{}", "x".repeat((number % 97) as usize))
}

/// The number of a value; `None` for a value that nobody has written.
fn number(view: redistrib_resp::View<'_>) -> Option<u64> {
    if view.is_null() {
        return Some(0);
    }
    let found = view.as_str()?;
    match found.split_once(':') {
        None => found.parse().ok(),
        Some((digits, _)) => {
            let value = digits.parse().ok()?;
            (text(value) == found).then_some(value)
        }
    }
}

/// Numbers that look random and are the same in each run (xorshift).
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// A sequence of its own for each seed but 0.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below `bound`, and 0 where that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % bound.max(1)
    }
}
