//! What a source is asked before keys are taken from it.

use std::time::Duration;

use redistrib_cluster_model::plan::large as plan;

use super::link::Link;
use super::trials;
use crate::commands::replies::info_in;
use crate::error::Result;

/// What a source has said of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Source {
    /// The round trip between the tool and it, without any work.
    pub(super) round_trip: Duration,
    /// Whether it holds enough for one key to be large.
    pub(super) may_have_large_keys: bool,
}

impl Source {
    pub(super) fn ask(link: &mut Link<'_>) -> Result<Self> {
        let mut questions = vec![super::commands::info_of("memory")];
        questions.extend(trials::of_source());
        let replies = link.pipeline(&questions)?;
        let Some((memory, tried)) = replies.split_first() else {
            return Err(link.unexpected(&questions[0], "no reply"));
        };
        trials::judge(link, &questions[1..], tried)?;
        let memory = info_in(memory);
        let dataset = memory.number("used_memory_dataset").or(memory.number("used_memory"));
        let may_have_large_keys = plan::may_be_at(dataset);
        Ok(Self { round_trip: link.round_trip()?, may_have_large_keys })
    }
}
