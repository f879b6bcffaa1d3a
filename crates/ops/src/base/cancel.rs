//! The caller's request to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How urgently an operation should stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stop {
    /// Nothing was requested.
    No,
    /// Finish what is under way, begin nothing new.
    Finish,
    /// Stop at once; what is open stays open.
    Now,
}

/// A token shared by an operation and whoever may interrupt it. Each [`Cancel::press`] is one Ctrl-C.
///
/// ```
/// use redistrib_ops::{Cancel, Stop};
/// let token = Cancel::new();
/// let handler = token.clone();
/// handler.press();
/// assert_eq!(token.requested(), Stop::Finish);
/// handler.press();
/// assert_eq!(token.requested(), Stop::Now);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicU8>);

impl Cancel {
    /// A token that nobody has pressed.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to finish; asked twice or more, to stop at once.
    pub fn press(&self) {
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            Some(count.saturating_add(1))
        });
    }

    /// Forgets what was asked: a prompt starts again with each line.
    pub fn clear(&self) {
        self.0.store(0, Ordering::SeqCst);
    }

    /// What has been requested so far.
    pub fn requested(&self) -> Stop {
        match self.0.load(Ordering::SeqCst) {
            0 => Stop::No,
            1 => Stop::Finish,
            _ => Stop::Now,
        }
    }
}
