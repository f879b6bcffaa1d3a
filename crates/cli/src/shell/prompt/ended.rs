//! A session that is ended from outside leaves the terminal as it found it.

use std::io;
use std::thread;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::termios::{self, SetArg};

use crate::interrupt::end_by;

/// From here on SIGTERM, SIGHUP and SIGQUIT end the program, once the terminal has the settings back that it has now. To be
/// called before there are other threads.
pub(super) fn end_on_signals() {
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT].into_iter().collect();
    let Ok(settings) = termios::tcgetattr(io::stdin()) else { return };
    if signals.thread_block().is_err() {
        return;
    }
    let waiting = thread::Builder::new().spawn(move || {
        let Ok(signal) = signals.wait() else { return };
        let _ = termios::tcsetattr(io::stdin(), SetArg::TCSANOW, &settings);
        end_by(signal);
    });
    if waiting.is_err() {
        // Then they end the program as they would any other.
        let _ = signals.thread_unblock();
    }
}
