//! What a source is asked before keys are taken from it.

use std::time::Duration;

use redistrib_cluster_model::plan::large as plan;

use super::link::Link;
use super::trials;
use crate::commands::replies::info_in;
use crate::error::Result;

/// What a source has said of itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct SourceFacts {
    /// The round trip between the tool and it, without any work.
    pub(super) round_trip: Duration,
    /// Whether it holds enough for one key to be large.
    pub(super) may_have_large_keys: bool,
}

impl SourceFacts {
    pub(super) fn ask(link: &mut Link<'_>) -> Result<Self> {
        let questions = vec![super::commands::info_of("memory")];
        let replies = trials::ask(link, questions, trials::of_source())?;
        let memory = replies.first().map(info_in).unwrap_or_default();
        let dataset = memory.number("used_memory_dataset").or(memory.number("used_memory"));
        let may_have_large_keys = plan::may_be_at(dataset);
        Ok(Self { round_trip: link.round_trip()?, may_have_large_keys })
    }
}
