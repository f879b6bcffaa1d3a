//! Ctrl-C, in two steps.

use std::cell::Cell;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, raise};
use redistrib_ops::{Cancel, Stop};

use crate::output::tell_error;

/// What shells add to the number of the signal that has ended a program.
const SIGNALLED: i32 = 128;
/// What shells report of a program that Ctrl-C has ended.
const ENDED: i32 = status(Signal::SIGINT);
/// How long what was quietly asked to stop may still take, an answer that a server owes it included.
const GRACE: Duration = Duration::from_secs(5);

/// What shells report of a program that a signal has ended.
pub(crate) const fn status(signal: Signal) -> i32 {
    SIGNALLED + signal as i32
}

/// Ends the program by a signal that it has kept back, as it would have ended without that.
pub(crate) fn end_by(signal: Signal) -> ! {
    let _ = SigSet::from(signal).thread_unblock().and_then(|()| raise(signal));
    // Only where whoever started the program has the signal ignored.
    process::exit(status(signal))
}

/// What Ctrl-C does: ends the program where it waits for the user, and has two steps where it works.
#[derive(Debug, Default)]
pub struct Interrupts {
    cancel: Cancel,
    working: Arc<AtomicBool>,
    installed: Cell<bool>,
}

impl Interrupts {
    /// What the user has requested of the work under way.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Runs work that the first Ctrl-C asks to finish what is under way, and the second to stop at once.
    ///
    /// # Errors
    /// Those of the signal handler's installation; nothing has been done then.
    pub fn during<T>(&self, work: impl FnOnce(&Cancel) -> T) -> Result<T, ctrlc::Error> {
        self.working.store(true, Ordering::SeqCst);
        if !self.installed.replace(true) {
            self.install()?;
        }
        let result = work(&self.cancel);
        self.working.store(false, Ordering::SeqCst);
        Ok(result)
    }

    fn install(&self) -> Result<(), ctrlc::Error> {
        let (cancel, working) = (self.cancel.clone(), self.working.clone());
        ctrlc::set_handler(move || {
            if !working.load(Ordering::SeqCst) {
                process::exit(ENDED);
            }
            cancel.press();
            if cancel.requested() == Stop::Finish {
                tell_error("\nFinishing what is under way; press Ctrl-C again to stop at once.");
            }
        })
    }
}

/// A request to stop that the first Ctrl-C presses, silently; the second ends the program, and so does time: a server that
/// hangs does not block one that is told to end only once.
///
/// # Errors
/// Those of the signal handler's installation.
pub fn quietly() -> Result<Cancel, ctrlc::Error> {
    quietly_and_last(|| ())
}

/// The same, with what is to be done before the program is ended here.
///
/// # Errors
/// Those of [`quietly`].
pub fn quietly_and_last(last: fn()) -> Result<Cancel, ctrlc::Error> {
    let cancel = Cancel::new();
    let pressed = cancel.clone();
    let end = move || {
        last();
        process::exit(ENDED)
    };
    ctrlc::set_handler(move || {
        if pressed.requested() != Stop::No {
            end();
        }
        pressed.press();
        // Without a thread there is still the second Ctrl-C.
        let _ = Builder::new().spawn(move || {
            thread::sleep(GRACE);
            end()
        });
    })?;
    Ok(cancel)
}
