//! Where samples come from: a cluster, or a file.

use redistrib_ops::Watch;
use redistrib_ops::model::sample::{Focus, Sample};

use super::history::History;
use super::record::{Recorder, Recording};

/// How many samples before the one that is shown are read for its history.
const BEFORE: usize = 120;

/// Where samples come from.
#[derive(Debug)]
pub enum SampleSource {
    /// A cluster, and a file that its samples are written to.
    Live(Watch, Option<Recorder>),
    /// A file, and how many of its samples have been taken.
    Recorded(Recording, usize),
}

impl SampleSource {
    /// The next sample; none at the end of a file.
    ///
    /// # Errors
    /// Those of the files.
    pub fn next_sample(&mut self) -> anyhow::Result<Option<Sample>> {
        match self {
            Self::Live(watch, recorder) => {
                let sample = watch.sample();
                if let Some(recorder) = recorder {
                    recorder.write(&sample)?;
                }
                Ok(Some(sample))
            }
            Self::Recorded(recording, taken) if *taken < recording.count() => {
                *taken += 1;
                recording.sample(*taken - 1).map(Some)
            }
            Self::Recorded(..) => Ok(None),
        }
    }

    /// Has what the user looks at asked about, too.
    pub fn look_at(&self, focus: Focus) {
        if let Self::Live(watch, _) = self {
            watch.look_at(focus);
        }
    }

    /// Goes so many samples back or on in a file, and gives the history up to there; none for a cluster.
    ///
    /// # Errors
    /// Those of the file.
    pub fn seek(&mut self, by: i64) -> anyhow::Result<Option<History>> {
        let Self::Recorded(recording, taken) = self else { return Ok(None) };
        let place = i64::try_from(*taken).unwrap_or(i64::MAX).saturating_add(by).max(1);
        *taken = usize::try_from(place).unwrap_or(1).min(recording.count());
        let mut history = History::default();
        for number in taken.saturating_sub(BEFORE)..*taken {
            history.push(recording.sample(number)?);
        }
        Ok(Some(history))
    }

    /// Whether it is a cluster.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Live(..))
    }

    /// What stands beside the name.
    pub fn label(&self, seed: &str) -> String {
        match self {
            Self::Live(..) => seed.to_owned(),
            Self::Recorded(recording, taken) => {
                format!("{seed} recorded, {taken} of {}", recording.count())
            }
        }
    }
}
