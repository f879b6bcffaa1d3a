//! The figures.

use std::time::Duration;

use redistrib_cluster_model::Move;
use serde::Serialize;

use super::probe::HoldUp;
use super::timeline::{Timeline, Track};
use crate::Pair;
use crate::migrate::Migrated;

/// What a bench found.
#[derive(Clone, Debug, Serialize)]
pub struct BenchReport {
    /// Between which masters the slots went; on the way back the other way round.
    pub pair: Pair,
    /// How long clients were held up while nothing moved.
    pub idle: HoldUps,
    /// The way there.
    pub there: Leg,
    /// The way back.
    pub back: Leg,
    /// When what happened; not serialized.
    #[serde(skip)]
    pub timeline: Timeline,
}

/// One way.
#[derive(Clone, Debug, Serialize)]
pub struct Leg {
    /// When it began, since the bench began.
    #[serde(rename = "begun_us", serialize_with = "crate::observer::as_micros")]
    pub begun: Duration,
    /// From the first open slot to the agreement of all nodes.
    #[serde(rename = "took_us", serialize_with = "crate::observer::as_micros")]
    pub took: Duration,
    /// Slots that moved.
    pub slots: usize,
    /// Keys that moved.
    pub keys: u64,
    /// About how many bytes of memory they took; 0 where the servers do not say.
    pub bytes: u64,
    /// Slots a second.
    pub slots_per_second: f64,
    /// Keys a second.
    pub keys_per_second: f64,
    /// Bytes a second.
    pub bytes_per_second: f64,
    /// How long clients were held up.
    pub hold_up: HoldUps,
}

/// Hold-ups by the part that a node has.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct HoldUps {
    /// Of the master that gives.
    pub source: HoldUp,
    /// Of the master that takes.
    pub target: HoldUp,
    /// Of other masters; up to three were asked.
    pub bystanders: HoldUp,
}

impl HoldUps {
    pub(super) fn of(pair: Pair, tracks: &[Track]) -> Self {
        let of = |wanted: &dyn Fn(&Track) -> bool| {
            let samples =
                tracks.iter().filter(|track| wanted(track)).flat_map(|track| &track.samples);
            HoldUp::of(samples.map(|sample| sample.held).collect())
        };
        Self {
            source: of(&|track| track.node == pair.from),
            target: of(&|track| track.node == pair.to),
            bystanders: of(&|track| track.node != pair.from && track.node != pair.to),
        }
    }
}

impl Leg {
    pub(super) fn new(step: &Move, begun: Duration, done: Migrated, tracks: &[Track]) -> Self {
        let seconds = done.took.as_secs_f64().max(1e-9);
        let pair = Pair { from: step.from, to: step.to };
        Self {
            begun,
            took: done.took,
            slots: done.slots,
            keys: done.keys,
            bytes: done.bytes,
            slots_per_second: done.slots as f64 / seconds,
            keys_per_second: done.keys as f64 / seconds,
            bytes_per_second: done.bytes as f64 / seconds,
            hold_up: HoldUps::of(pair, tracks),
        }
    }
}
