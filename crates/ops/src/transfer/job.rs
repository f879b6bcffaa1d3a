//! What the threads of a transfer share.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use super::ends::Ends;
use super::places::Places;
use super::{TransferOptions, TransferReport};
use crate::error::Error;
use crate::migrate::pace::SharedRate;
use crate::{Context, Event, Stop};

/// Keys on their way from the thread that scans a source to those that copy.
pub(super) type Chunk = VecDeque<Bytes>;
pub(super) type Sender = SyncSender<Chunk>;
/// The copying threads take chunks in turns. When the last of them has gone, the scan ends.
pub(super) type Chunks = Arc<Mutex<Receiver<Chunk>>>;

/// One transfer.
pub(super) struct TransferJob<'a> {
    pub(super) ends: &'a Ends,
    pub(super) places: Places<'a>,
    pub(super) options: &'a TransferOptions,
    pub(super) context: Context<'a>,
    pub(super) pace: SharedRate,
    failed: AtomicBool,
    report: Mutex<TransferReport>,
}

impl<'a> TransferJob<'a> {
    pub(super) fn new(
        ends: &'a Ends,
        places: Places<'a>,
        options: &'a TransferOptions,
        context: Context<'a>,
    ) -> Self {
        Self {
            ends,
            places,
            options,
            context,
            pace: SharedRate::new(options.rate),
            failed: AtomicBool::new(false),
            report: Mutex::default(),
        }
    }

    /// Whether no more keys are to be begun.
    pub(super) fn stops(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.context.cancel.requested() != Stop::No
    }

    /// Whether the caller wants it to end at once.
    pub(super) fn stops_now(&self) -> bool {
        self.context.cancel.requested() == Stop::Now
    }

    /// Adds to the report and notifies the observer, also of the keys that have arrived, and where.
    pub(super) fn count(&self, counted: TransferReport, arrived: Vec<(Bytes, Arc<str>)>) {
        let (keys, copied, bytes) = (counted.handled(), counted.copied, counted.bytes);
        self.report.lock().unwrap_or_else(PoisonError::into_inner).add(counted);
        if keys > 0 {
            self.context.tell(Event::KeysTransferred { keys, copied, bytes, arrived });
        }
    }

    /// Notes what ends the transfer; the other threads finish what they have begun.
    pub(super) fn fail(&self, error: Error) {
        self.failed.store(true, Ordering::Relaxed);
        let mut report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
        report.failure.get_or_insert(error);
    }

    pub(super) fn into_report(self) -> TransferReport {
        let mut report = self.report.into_inner().unwrap_or_else(PoisonError::into_inner);
        report.expected = self.ends.keys();
        report.interrupted = self.context.cancel.requested() != Stop::No;
        report
    }
}

/// The next keys to copy; `None` when there are no more.
pub(super) fn next_chunk(chunks: &Chunks) -> Option<Chunk> {
    chunks.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}
