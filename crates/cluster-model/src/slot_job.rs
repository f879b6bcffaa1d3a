//! Migrations that servers carry out by themselves, in the words of both families.
//!
//! Sources: `CLUSTER MIGRATION STATUS` of Redis (cluster_asm.c), `CLUSTER GETSLOTMIGRATIONS` of Valkey
//! (cluster_migrateslots.c).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{NodeId, SlotSet};

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// It continues.
    Running,
    /// It has failed, and the server tries again by itself, without an end.
    Retrying,
    /// The slots have their new owner.
    Done,
    /// It has ended, and the slots have their old owner.
    Ended,
}

/// A job, as one of its two nodes describes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotJob {
    /// The servers' name for it.
    pub id: String,
    /// The slots it moves.
    pub slots: SlotSet,
    /// Who gives them.
    pub from: NodeId,
    /// Who takes them.
    pub to: NodeId,
    /// The server's own word for where it is.
    pub state: String,
    /// What that means.
    pub phase: Phase,
    /// What went wrong last, in the server's words; empty if nothing did.
    pub error: String,
    /// How often it has been tried again.
    pub retries: u64,
    /// The bytes of writes that the source has still to send, where it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<u64>,
}

impl SlotJob {
    /// Reads a job from its fields, as `field` finds them by name. `None` for what is no job.
    pub fn read(field: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let one_of = |names: [&str; 2]| names.into_iter().find_map(&field);
        let state = field("state")?;
        let takes = field("operation")?.eq_ignore_ascii_case("import");
        Some(Self {
            id: one_of(["id", "name"])?,
            slots: one_of(["slots", "slot_ranges"])?.parse().ok()?,
            from: one_of(["source", "source_node"])?.parse().ok()?,
            to: one_of(["dest", "target_node"])?.parse().ok()?,
            phase: phase(&state, field("id").is_some() && takes),
            state,
            error: one_of(["last_error", "message"]).unwrap_or_default(),
            retries: field("retries").and_then(|count| count.parse().ok()).unwrap_or_default(),
            left: field("remaining_repl_size").and_then(|bytes| bytes.parse().ok()),
        })
    }

    /// Whether the servers are still at it.
    pub fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Retrying)
    }
}

/// Redis tries failed imports again; a failed job of Valkey, and the source's part of one of Redis, have ended.
fn phase(state: &str, is_tried_again: bool) -> Phase {
    match state {
        "completed" | "success" => Phase::Done,
        "failed" if is_tried_again => Phase::Retrying,
        "failed" | "canceled" | "cancelled" => Phase::Ended,
        _ => Phase::Running,
    }
}

/// Watches a job: reports each new failure once, and when nothing has moved for too long.
///
/// A job that is tried again starts over, so that its states say nothing then: only an attempt that gets further than
/// all before it counts as progress.
#[derive(Debug)]
pub struct JobWatch {
    patience: Duration,
    /// When there was progress last, on the caller's clock.
    progress: Duration,
    state: String,
    retries: u64,
    /// The failure that was reported last.
    reported: String,
    /// The counter of bytes at the last look, and at the beginning of this attempt.
    bytes: Option<u64>,
    begun: Option<u64>,
    /// The most bytes that an attempt before this one has brought.
    best: u64,
}

/// What a look at a job gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct JobNews {
    /// A failure that was not reported before.
    pub failure: Option<String>,
    /// Whether nothing has moved for as long as the caller is patient.
    pub is_hopeless: bool,
}

impl JobWatch {
    /// Begins; the clock stands at zero.
    pub fn new(patience: Duration) -> Self {
        Self {
            patience,
            progress: Duration::ZERO,
            state: String::new(),
            retries: 0,
            reported: String::new(),
            bytes: None,
            begun: None,
            best: 0,
        }
    }

    /// Takes in what was seen at `now`. `bytes` is how many have gone over for such jobs in the server's life, if it
    /// says so.
    pub fn look(&mut self, job: &SlotJob, bytes: Option<u64>, now: Duration) -> JobNews {
        if self.has_progress(job, bytes) {
            self.progress = now;
        }
        self.state.clone_from(&job.state);
        let is_new = !job.error.is_empty() && job.error != self.reported;
        let failure = (job.is_open() && is_new).then(|| job.error.clone());
        if let Some(text) = &failure {
            self.reported.clone_from(text);
        }
        JobNews { failure, is_hopeless: now.saturating_sub(self.progress) >= self.patience }
    }

    fn has_progress(&mut self, job: &SlotJob, bytes: Option<u64>) -> bool {
        let brought = |now: Option<u64>, since: Option<u64>| {
            now.zip(since).map_or(0, |(now, since)| now.saturating_sub(since))
        };
        self.begun = self.begun.or(bytes);
        if job.retries != self.retries {
            self.best = self.best.max(brought(self.bytes, self.begun));
            (self.retries, self.begun) = (job.retries, bytes);
        }
        let is_first = job.retries == 0 && job.phase == Phase::Running;
        let has_moved = brought(bytes, self.bytes) > 0;
        self.bytes = bytes.or(self.bytes);
        // A tenth more: how much comes before the same failure varies a little.
        let is_furthest = brought(bytes, self.begun) > self.best + self.best / 10;
        if is_first { job.state != self.state || has_moved } else { has_moved && is_furthest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Option<SlotJob> {
        SlotJob::read(|name| {
            fields.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn of_redis(operation: &str, state: &str, retries: &str) -> SlotJob {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let fields = [
            ("id", "x"),
            ("slots", "0-9 20-29"),
            ("source", &*a),
            ("dest", &*b),
            ("operation", operation),
            ("state", state),
            ("last_error", if retries == "0" { "" } else { "lost" }),
            ("retries", retries),
        ];
        read(&fields).unwrap()
    }

    #[test]
    fn words_of_both_families_are_understood() {
        let job = of_redis("import", "accumulate-buffer", "0");
        assert_eq!((job.slots.len(), job.phase), (20, Phase::Running));
        assert_eq!(of_redis("import", "failed", "3").phase, Phase::Retrying);
        assert_eq!(of_redis("migrate", "failed", "0").phase, Phase::Ended);
        assert_eq!(of_redis("import", "canceled", "0").phase, Phase::Ended);
        assert_eq!(of_redis("import", "completed", "0").phase, Phase::Done);
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let of_valkey = |operation, state| {
            let fields = [
                ("name", "x"),
                ("operation", operation),
                ("slot_ranges", "0-9"),
                ("target_node", &*b),
                ("source_node", &*a),
                ("state", state),
                ("message", "no"),
            ];
            read(&fields).unwrap()
        };
        assert_eq!(of_valkey("EXPORT", "snapshotting").phase, Phase::Running);
        assert_eq!(of_valkey("IMPORT", "failed").phase, Phase::Ended);
        assert_eq!(of_valkey("EXPORT", "success").phase, Phase::Done);
        assert_eq!(read(&[("state", "failed")]), None);
    }

    #[test]
    fn attempts_that_get_no_further_do_not_keep_the_clock_from_running() {
        let seconds = Duration::from_secs;
        let mut watch = JobWatch::new(seconds(10));
        let mut bytes = 0;
        let mut look = |now, state, retries: u64, brought: u64| {
            bytes += brought;
            let job = of_redis("import", state, &retries.to_string());
            watch.look(&job, Some(bytes), seconds(now))
        };
        assert_eq!(look(1, "connecting", 0, 0), JobNews::default());
        assert_eq!(look(9, "accumulate-buffer", 0, 500), JobNews::default());
        assert_eq!(look(12, "failed", 1, 0).failure.as_deref(), Some("lost"));
        for now in 13..19 {
            let state = if now % 2 == 0 { "failed" } else { "accumulate-buffer" };
            assert_eq!(look(now, state, now, 500), JobNews::default(), "at {now}");
        }
        assert!(look(19, "connecting", 19, 0).is_hopeless);
    }

    #[test]
    fn what_goes_on_moving_is_waited_for() {
        let mut watch = JobWatch::new(Duration::from_secs(10));
        for now in 0..100 {
            let job = of_redis("import", "accumulate-buffer", "0");
            assert!(!watch.look(&job, Some(now), Duration::from_secs(now)).is_hopeless);
        }
    }
}
