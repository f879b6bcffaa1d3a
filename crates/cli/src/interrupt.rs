//! Ctrl-C, in two steps.

use std::cell::Cell;
use std::fs;
use std::io;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Builder};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal, raise};
use redistrib_ops::{Cancel, Stop};

use crate::output::tell_error;

/// What shells add to the number of the signal that has ended a program.
const SIGNALLED: i32 = 128;
/// What shells report of a program that Ctrl-C has ended.
const ENDED: i32 = status(Signal::SIGINT);
/// What asks a program to end.
pub(crate) const ENDING: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];
/// How long what was quietly asked to stop may still take, an answer that a server owes it included.
const GRACE: Duration = Duration::from_secs(5);

/// What shells report of a program that a signal has ended.
const fn status(signal: Signal) -> i32 {
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
/// hangs does not block one that is told to end only once. Other signals that ask a program to end do so at once. To be
/// called before there are other threads: they would get the signals that are waited for here.
///
/// # Errors
/// Those of the system calls.
pub fn quietly() -> io::Result<Cancel> {
    quietly_and_last(|| ())
}

/// The same, with what is to be done before the program is ended here.
///
/// # Errors
/// Those of [`quietly`].
pub fn quietly_and_last(last: fn()) -> io::Result<Cancel> {
    let ending = Ending::default();
    ending.await_signals(|signal| signal == Signal::SIGINT, last)?;
    Ok(ending.cancel)
}

/// A program that tidies up before it is ended by a signal.
#[derive(Clone, Debug, Default)]
pub struct Ending {
    cancel: Cancel,
    by: Arc<OnceLock<Signal>>,
}

impl Ending {
    /// As [`quietly`], but that every signal presses.
    ///
    /// # Errors
    /// Those of [`quietly`].
    pub fn tidily() -> io::Result<Self> {
        let ending = Self::default();
        ending.await_signals(|_| true, || ())?;
        Ok(ending)
    }

    /// What the signals press.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// Ends the program by the signal that has asked for it, if one has.
    pub fn heed(&self) {
        if let Some(signal) = self.by.get() {
            end_by(*signal);
        }
    }

    fn await_signals(&self, presses: fn(Signal) -> bool, last: fn()) -> io::Result<()> {
        let is_heeded = |signal: &Signal| *signal == Signal::SIGINT || !is_ignored(*signal);
        let signals: SigSet = ENDING.into_iter().filter(is_heeded).collect();
        let end = move |signal| {
            last();
            end_by(signal)
        };
        let ending = self.clone();
        signals.thread_block()?;
        let waiting = Builder::new().spawn(move || {
            while let Ok(signal) = signals.wait() {
                if !presses(signal) || ending.by.set(signal).is_err() {
                    end(signal);
                }
                ending.cancel.press();
                // Without a thread there is still the second signal.
                let _ = Builder::new().spawn(move || {
                    thread::sleep(GRACE);
                    end(signal)
                });
            }
        });
        if waiting.is_err() {
            // Then they end the program as they would any other.
            signals.thread_unblock()?;
        }
        Ok(())
    }
}

/// Whether the program was started with a signal ignored, as `nohup` does with SIGHUP. Where the system does not tell, it was not.
fn is_ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask, 16).ok()).unwrap_or(0);
    mask >> (signal as u32 - 1) & 1 == 1
}
