//! What a transfer would do, found out without doing it.

use redistrib_resp::Command;
use serde::Serialize;

use super::Left;
use super::ends::ServerEnd;
use super::job::TransferJob;
use super::report::{LeftKey, SkipReason};
use super::scan::Pages;
use crate::Connection;
use crate::cluster::in_parallel;
use crate::error::Result;

/// What a transfer would do with the keys that are there now.
#[derive(Debug, Default, Serialize)]
pub struct Survey {
    /// Keys that the sources showed.
    pub seen: u64,
    /// Keys that are where they belong.
    pub stayed: u64,
    /// Keys that would be copied, by where they would go.
    pub places: Vec<Place>,
    /// Keys whose names do not lead to where they lie in the fleet.
    pub strays: Left,
    /// Keys that hold a `{`, which clients of a fleet take for a hash tag.
    pub braced: u64,
    /// Keys of slots that nobody serves.
    pub homeless: u64,
}

/// A target and how many keys would go there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The server.
    pub target: String,
    /// Keys that would go there.
    pub keys: u64,
    /// How many of them have a key of the same name there already.
    pub there: u64,
}

impl Survey {
    /// How many keys would be copied.
    pub fn keys(&self) -> u64 {
        self.places.iter().map(|place| place.keys).sum()
    }

    /// How many of them have a key of the same name at their target.
    pub fn there(&self) -> u64 {
        self.places.iter().map(|place| place.there).sum()
    }

    /// This one with another of the same targets.
    pub(crate) fn add(mut self, other: Self) -> Self {
        self.strays.add(other.strays);
        self.seen += other.seen;
        self.stayed += other.stayed;
        self.braced += other.braced;
        self.homeless += other.homeless;
        for (place, more) in self.places.iter_mut().zip(other.places) {
            place.keys += more.keys;
            place.there += more.there;
        }
        self
    }
}

/// Looks through all sources at the same time.
///
/// # Errors
/// Those of connections.
pub(super) fn take(job: &TransferJob<'_>) -> Result<Survey> {
    let sources: Vec<usize> = (0..job.ends.sources.len()).collect();
    let surveys = in_parallel(&sources, |&source| Surveyor::open(job, source)?.look());
    surveys.into_iter().try_fold(empty(&job.ends.targets), |all, one| Ok(all.add(one?)))
}

fn empty(targets: &[ServerEnd]) -> Survey {
    let place = |end: &ServerEnd| Place { target: end.server.to_string(), keys: 0, there: 0 };
    Survey { places: targets.iter().map(place).collect(), ..Default::default() }
}

/// Looks through one source.
struct Surveyor<'a> {
    job: &'a TransferJob<'a>,
    source: usize,
    targets: Vec<Connection>,
    survey: Survey,
}

impl<'a> Surveyor<'a> {
    fn open(job: &'a TransferJob<'a>, source: usize) -> Result<Self> {
        let targets = job.ends.targets.iter();
        let targets = targets.map(|end| job.ends.target_for(source, &end.server).connect());
        let survey = empty(&job.ends.targets);
        Ok(Self { job, source, targets: targets.collect::<Result<_>>()?, survey })
    }

    fn look(mut self) -> Result<Survey> {
        let mut pages = Pages::open(self.job, self.source)?;
        while let Some(keys) = pages.next()? {
            let mut questions: Vec<Vec<Command>> = vec![Vec::new(); self.targets.len()];
            for key in keys {
                if let Some(target) = self.sort(&key) {
                    questions[target].push(crate::commands::exists(&key));
                }
            }
            for (number, questions) in questions.into_iter().enumerate() {
                let answers = self.targets[number].pipeline(&questions)?;
                // In a cluster under change some answers are redirections: they count as not there.
                let there = answers.iter().filter(|reply| reply.view().as_int() == Some(1)).count();
                self.survey.places[number].keys += questions.len() as u64;
                self.survey.places[number].there += there as u64;
            }
            if self.job.stops() {
                break;
            }
        }
        Ok(self.survey)
    }

    /// Counts a key; returns its target if it would be copied.
    fn sort(&mut self, key: &bytes::Bytes) -> Option<usize> {
        self.survey.seen += 1;
        let verdict = self.job.places.verdict(self.source, key);
        if self.job.places.is_fleet() && key.contains(&b'{') {
            self.survey.braced += 1;
        }
        if verdict.stray {
            let source = self.job.ends.sources[self.source].server.to_string();
            self.survey.strays.note(LeftKey {
                key: key.clone(),
                source,
                reason: SkipReason::Stray,
            });
        }
        if !verdict.take {
            self.survey.stayed += 1;
            return None;
        }
        let target = self.job.places.of(self.source, key);
        self.survey.homeless += u64::from(target.is_none());
        target
    }
}
