//! Copying keys between servers: the one engine under `copy`, `reshard-fleet` and `import`.
//!
//! Each source is scanned by one thread; several others take the keys it finds, read their values with
//! pipelined DUMP and write them with pipelined RESTORE to each key's place. What the three verbs differ
//! in is the place: one server, a place among the masters of a fleet, or the owner of a slot, who may
//! change while keys are on their way.
//!
//! Nothing is held but a window of each thread. A run that was interrupted can be begun again: a key
//! that has arrived is compared, and found to be the same.

mod compare;
mod ends;
mod fetch;
mod job;
mod lane;
mod node;
mod options;
mod places;
mod redirect;
mod report;
mod scan;
mod server;
mod survey;
mod tags;
mod write;

use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex};
use std::thread::{self, Scope};

pub use ends::{Source, Target};
pub use options::TransferOptions;
pub use report::{Left, LeftKey, SkipReason, TransferReport};
pub use server::Server;
pub use survey::{Place, Survey};
pub use tags::Tags;

use crate::error::{Error, Result};
use crate::{Context, Event, limits};
use ends::Ends;
use job::TransferJob;
use places::Places;

/// How many chunks of keys may wait for each source.
const WAITING_CHUNKS: usize = 8;

/// How many sources are copied from side by side: a server may have thousands of databases.
const MOST_SOURCES: usize = 64;

/// A transfer: from where, to where, and how.
///
/// ```no_run
/// use redistrib_ops::transfer::{Server, Source, Target, Transfer, TransferOptions};
/// use redistrib_ops::{Cancel, Context, Settings, Silent};
///
/// let from = Server::new("127.0.0.1:6379".parse()?, Settings::default());
/// let node = Server::new("127.0.0.1:7000".parse()?, Settings::default());
/// let import = Transfer::new(Source::Servers(vec![from]), Target::Cluster(node));
/// let cancel = Cancel::new();
/// let report = import.run(&TransferOptions::default(), Context::new(&Silent, &cancel))?;
/// println!("{} keys copied, {} left", report.copied, report.left.count);
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Transfer {
    source: Source,
    target: Target,
    tags: Tags,
    keeps_database: bool,
}

impl Transfer {
    /// A transfer of all keys of `source` to their places in `target`.
    pub fn new(source: Source, target: Target) -> Self {
        Self { source, target, tags: Tags::default(), keeps_database: false }
    }

    /// Each key goes to the database with the number of its source's, whatever the target's says.
    #[must_use]
    pub fn keeping_databases(self) -> Self {
        Self { keeps_database: true, ..self }
    }

    /// With the hash tags that keys of the source were written with.
    #[must_use]
    pub fn with_tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }

    /// Copies the keys. What did not go as wanted stands in the report; that includes what ended the transfer
    /// early.
    ///
    /// # Errors
    /// What prevents its beginning: those of connecting to all the servers, and
    /// [`Error::Copy`] for servers between which it cannot be.
    pub fn run(&self, options: &TransferOptions, context: Context<'_>) -> Result<TransferReport> {
        let ends = self.ends(options)?;
        context.tell(Event::TransferStarted { keys: ends.keys() });
        let job = TransferJob::new(&ends, self.places(&ends), options, context);
        let sources: Vec<usize> = (0..ends.sources.len()).collect();
        for together in sources.chunks(MOST_SOURCES) {
            thread::scope(|scope| {
                for &source in together {
                    // The databases of a server share the connections to it.
                    let lanes = options.connections / ends.databases_beside(source);
                    note(&job, copy_from(scope, &job, source, lanes.max(1)));
                }
            });
        }
        context.tell(Event::Finished);
        Ok(job.into_report())
    }

    /// Whether it could begin. Changes nothing.
    ///
    /// # Errors
    /// Those of [`Transfer::run`].
    pub fn check(&self, options: &TransferOptions) -> Result<()> {
        self.ends(options).map(drop)
    }

    /// Looks at all keys and returns what [`Transfer::run`] would do with them. Changes nothing.
    ///
    /// # Errors
    /// Those of [`Transfer::run`], and those of connections while it looks.
    pub fn survey(&self, options: &TransferOptions, context: Context<'_>) -> Result<Survey> {
        let ends = self.ends(options)?;
        survey::take(&TransferJob::new(&ends, self.places(&ends), options, context))
    }

    fn ends(&self, options: &TransferOptions) -> Result<Ends> {
        Ends::find(&self.source, &self.target, self.keeps_database, options.remove)
    }

    fn places<'a>(&'a self, ends: &'a Ends) -> Places<'a> {
        let before = matches!(self.source, Source::Fleet(_)).then_some(ends.sources.len());
        Places::new(ends, matches!(self.target, Target::Fleet(_)), before, &self.tags)
    }
}

/// Starts the scan of a source and the lanes that copy what it finds, as many as there are threads for.
fn copy_from<'scope>(
    scope: &'scope Scope<'scope, '_>,
    job: &'scope TransferJob<'_>,
    source: usize,
    lanes: usize,
) -> Result<()> {
    let (sender, receiver) = sync_channel(WAITING_CHUNKS);
    let chunks = Arc::new(Mutex::new(receiver));
    let lane = || {
        let chunks = Arc::clone(&chunks);
        limits::spawn_scoped(scope, move || note(job, lane::run(job, source, &chunks)))
    };
    let no_thread = |source| Error::Threads { source };
    lane().map_err(no_thread)?;
    (1..lanes).map_while(|_| lane().ok()).for_each(drop);
    let scanning = limits::spawn_scoped(scope, move || {
        note(job, scan::scan(job, source, &sender));
    });
    scanning.map(drop).map_err(no_thread)
}

fn note(job: &TransferJob<'_>, outcome: Result<()>) {
    if let Err(error) = outcome {
        job.fail(error);
    }
}
