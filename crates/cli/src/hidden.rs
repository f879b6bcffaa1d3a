//! A password that is typed unseen. Whoever ends the program meanwhile finds a terminal that shows what is typed.

use std::fs::File;
use std::io;
use std::thread::Builder;

use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill};
use nix::sys::termios::{self, SetArg};
use nix::unistd::Pid;

use crate::interrupt::end_by;

/// What the thread that reads tells with that it has read.
const READ: Signal = Signal::SIGUSR1;
const SIGNALS: [Signal; 5] =
    [READ, Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT];

/// Asks for a password on the terminal. To be called before there are other threads: they would get the signals that are
/// waited for here.
///
/// # Errors
/// There is no terminal, or it has gone.
pub(crate) fn typed_unseen(question: &str) -> io::Result<String> {
    let terminal = File::open("/dev/tty")?;
    let settings = termios::tcgetattr(&terminal)?;
    let signals: SigSet = SIGNALS.into_iter().collect();
    let usual = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
    let question = question.to_owned();
    let reading = Builder::new().spawn(move || {
        let password = rpassword::prompt_password(question);
        // The program is always there.
        let _ = kill(Pid::this(), READ);
        password
    })?;
    let signal = signals.wait()?;
    if signal != READ {
        let _ = termios::tcsetattr(&terminal, SetArg::TCSANOW, &settings);
        // By that one alone: of a terminal that is closed the reading ends, too.
        end_by(signal);
    }
    usual.thread_set_mask()?;
    reading.join().unwrap_or_else(|_| Err(io::Error::other("the password could not be read")))
}
