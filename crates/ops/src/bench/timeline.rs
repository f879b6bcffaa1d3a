//! What happened when.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use redistrib_cluster_model::NodeId;

use super::probe::PingSample;
use crate::{Event, Observer};

/// Everything that was measured, by the time since the bench began: for plots.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// The probes' samples; a node has a track for each part of the bench.
    pub tracks: Vec<Track>,
    /// When how many keys had moved.
    pub progress: Vec<ArrivedKeys>,
}

/// The samples of one node.
#[derive(Clone, Debug)]
pub struct Track {
    /// Which node.
    pub node: NodeId,
    /// In the order of time.
    pub samples: Vec<PingSample>,
}

/// Keys that have arrived.
#[derive(Clone, Copy, Debug)]
pub struct ArrivedKeys {
    /// When.
    pub at: Duration,
    /// How many since the last time.
    pub keys: u64,
}

/// Writes down when keys move, and passes all events on.
pub(super) struct MoveRecorder<'a> {
    next: &'a dyn Observer,
    moved: Mutex<Vec<(Instant, u64)>>,
}

impl<'a> MoveRecorder<'a> {
    pub(super) fn new(next: &'a dyn Observer) -> Self {
        Self { next, moved: Mutex::default() }
    }

    pub(super) fn progress(&self, origin: Instant) -> Vec<ArrivedKeys> {
        let moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |at: Instant| at.saturating_duration_since(origin);
        moved.iter().map(|(at, keys)| ArrivedKeys { at: since(*at), keys: *keys }).collect()
    }
}

impl Observer for MoveRecorder<'_> {
    fn event(&self, event: &Event) {
        if let Event::KeysMoved { keys, .. } = event {
            let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
            moved.push((Instant::now(), *keys));
        }
        self.next.event(event);
    }
}
