//! Bringing back what `backup` has saved: each file is loaded by a server of this machine that lasts as long as it takes, and
//! its keys are copied from there to where they belong.
//!
//! All that can be known beforehand is looked at before anything changes, for which each file is loaded twice, one after the
//! other: this machine needs memory for the largest of them, not for all. A run that was interrupted is begun again: keys that
//! have arrived are compared, and found to be the same.

mod archive;
mod destination;
mod loaded;

use std::path::{Path, PathBuf};

use serde::Serialize;

pub use archive::{Archive, ArchivedFile};

use crate::error::{Error, Result};
use crate::functions::Libraries;
use crate::lab::find_server;
use crate::transfer::{Server, Source, Survey, Transfer, TransferOptions, TransferReport};
use crate::{BackupError, Context, CopyError, Event, Stop};
use destination::Destination;
use loaded::Loaded;

/// A backup that can be brought back to where it is to go.
///
/// ```no_run
/// use redistrib_ops::restore::{Archive, Restore};
/// use redistrib_ops::transfer::{Server, TransferOptions};
/// use redistrib_ops::{Context, Settings};
/// let archive = Archive::open("/var/backups/redis".as_ref())?;
/// let to = Server::new("127.0.0.1:7000".parse()?, Settings::default());
/// let (options, context) = (TransferOptions::default(), Context::default());
/// let mut restore = Restore::prepare(archive, None, to, &options, context)?;
/// let restored = restore.run(&options, context)?;
/// println!("{} keys copied", restored.transfer.copied);
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Debug)]
pub struct Restore {
    archive: Archive,
    program: PathBuf,
    destination: Destination,
    keys: u64,
    functions: Libraries,
    lacking: Vec<String>,
    /// The server that has been looked at last, with the number of its file.
    kept: Option<(usize, Loaded)>,
}

/// What a restore has done.
#[derive(Debug, Serialize)]
pub struct Restored {
    /// How many files there are.
    pub files: usize,
    /// The libraries of functions that some master had not, or had with other code.
    pub functions: Vec<String>,
    /// What became of the keys of all files.
    #[serde(flatten)]
    pub transfer: TransferReport,
}

impl Restore {
    /// Verifies the files, has each loaded once, and looks whether what is to take the keys is fit for all of them: a cluster, by any of its
    /// nodes, or a server that is in none. `program` is the server program that loads the files, see [`find_server`]. Changes
    /// nothing.
    ///
    /// # Errors
    /// [`Error::Backup`]; those of [`Transfer::run`] for its beginning; [`Error::Cancelled`].
    pub fn prepare(
        archive: Archive,
        program: Option<&Path>,
        to: Server,
        options: &TransferOptions,
        context: Context<'_>,
    ) -> Result<Self> {
        let program =
            find_server(program).map_err(|none| BackupError::NoServer(none.to_string()))?;
        let destination = Destination::find(to)?;
        destination.require_fit(0)?;
        context.note(format!("Verifying {} files", archive.files().len()));
        archive.verify(context.cancel)?;
        let (keys, functions) = (0, Libraries::new());
        let mut restore = Self {
            archive,
            program,
            destination,
            keys,
            functions,
            lacking: Vec::new(),
            kept: None,
        };
        restore.look(options, context).map_err(|error| match error {
            Error::Cancelled(_) => Error::Cancelled("nothing was changed".into()),
            other => other,
        })?;
        Ok(restore)
    }

    /// Loads each file and sees whether all that is in it can be taken.
    fn look(&mut self, options: &TransferOptions, context: Context<'_>) -> Result<()> {
        let mut memory = 0_u64;
        for number in 0..self.archive.files().len() {
            let name = self.archive.files()[number].name();
            context.note(format!("Loading {name} into a server of its own"));
            let loaded = self.load(number, context)?;
            let content = loaded.look()?;
            self.transfer(&loaded)?.check(options).map_err(in_our_words)?;
            if let Some(sample) = content.sample.as_ref().and_then(|it| it.view().as_bytes()) {
                self.destination.require_reads(sample)?;
            }
            self.keys += content.keys;
            memory = memory.saturating_add(content.memory);
            for (library, code) in content.functions {
                if *self.functions.entry(library.clone()).or_insert_with(|| code.clone()) != code {
                    let library = String::from_utf8_lossy(&library).into_owned();
                    context.warn(format!("not all files have the same functions in {library}: those of the first are taken, not those of {name}"));
                }
            }
            self.kept = Some((number, loaded));
        }
        self.destination.require_fit(memory)?;
        self.lacking = self.destination.lacking(&self.functions, options.replace)?;
        Ok(())
    }

    /// How many keys the files hold that have not expired.
    pub fn keys(&self) -> u64 {
        self.keys
    }

    /// The libraries of functions that some master has not, or has with other code.
    pub fn functions(&self) -> &[String] {
        &self.lacking
    }

    /// What [`Restore::run`] would do with the keys. Changes nothing.
    ///
    /// # Errors
    /// Those of [`Transfer::survey`]; [`Error::Cancelled`].
    pub fn survey(&mut self, options: &TransferOptions, context: Context<'_>) -> Result<Survey> {
        let mut all: Option<Survey> = None;
        for number in self.order() {
            let loaded = self.load(number, context)?;
            let survey = self.transfer(&loaded)?.survey(options, context)?;
            all = Some(match all {
                Some(all) => all.add(survey),
                None => survey,
            });
        }
        Ok(all.unwrap_or_default())
    }

    /// Loads the functions, and copies the keys of each file. What did not go as wanted stands in the report.
    ///
    /// # Errors
    /// Those of loading functions and files, and of [`Transfer::run`] for its beginning.
    pub fn run(&mut self, options: &TransferOptions, context: Context<'_>) -> Result<Restored> {
        if !self.lacking.is_empty() {
            context.note(format!("Loading functions: {}", self.lacking.join(", ")));
            self.destination.load(&self.functions)?;
        }
        context.tell(Event::TransferStarted { keys: self.keys });
        // There is one beginning and one end, however many files there are.
        let within = |event: &Event| match event {
            Event::TransferStarted { .. } | Event::Finished => {}
            other => context.observer.event(other),
        };
        let mut all = TransferReport::default();
        for number in self.order() {
            let loaded = match self.load(number, context) {
                Err(Error::Cancelled(_)) => break,
                loaded => loaded?,
            };
            context.note(format!("Restoring {}", self.archive.files()[number].name()));
            let context = Context::new(&within, context.cancel);
            let mut report = self.transfer(&loaded)?.run(options, context)?;
            loaded.name_sources(&mut report);
            all.add(report);
            if all.failure.is_some() || context.cancel.requested() != Stop::No {
                break;
            }
        }
        all.expected = self.keys;
        all.interrupted = context.cancel.requested() != Stop::No;
        context.tell(Event::Finished);
        let (files, functions) = (self.archive.files().len(), self.lacking.clone());
        Ok(Restored { files, functions, transfer: all })
    }

    /// The numbers of the files, first that which is loaded already.
    fn order(&self) -> Vec<usize> {
        let kept = self.kept.as_ref().map(|(number, _)| *number);
        let others = (0..self.archive.files().len()).filter(|number| Some(*number) != kept);
        kept.into_iter().chain(others).collect()
    }

    /// The server that has this file loaded.
    fn load(&mut self, number: usize, context: Context<'_>) -> Result<Loaded> {
        // Another one ends before the next begins.
        match self.kept.take().filter(|(kept, _)| *kept == number) {
            Some((_, loaded)) => Ok(loaded),
            None => Loaded::start(&self.program, &self.archive.files()[number], context.cancel),
        }
    }

    fn transfer(&self, loaded: &Loaded) -> Result<Transfer> {
        let source = Source::Servers(loaded.databases()?);
        Ok(Transfer::new(source, self.destination.target()).keeping_databases())
    }
}

/// Databases of a backup cannot be named one by one, as those of a server can.
fn in_our_words(error: Error) -> Error {
    let Error::Copy(CopyError::MissingDatabases { server, databases, reply }) = error else {
        return error;
    };
    let why = format!(
        "does not have all of the databases that hold keys ({databases}): {reply}; set cluster-databases, or databases, in its \
         configuration and restart it"
    );
    BackupError::Unfit { server, why }.into()
}
