//! Questions to the system that take no deadline.

use std::io;
use std::sync::mpsc;
use std::time::Duration;

use super::limits;

/// Asks the system for something that takes no deadline, on a thread of its own. An answer that comes too late is
/// left to end by itself.
pub(crate) fn in_time<T: Send + 'static>(
    patience: Duration,
    whom: &str,
    ask: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let (answer, answered) = mpsc::channel();
    limits::spawn(move || {
        // Nobody may be waiting any more.
        let _ = answer.send(ask());
    })?;
    answered.recv_timeout(patience).unwrap_or_else(|_| {
        let text = format!("no answer from {whom} within {} ms", patience.as_millis());
        Err(io::Error::new(io::ErrorKind::TimedOut, text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_does_not_come_is_not_waited_for() {
        let (release, held) = mpsc::channel::<()>();
        let hang = move || {
            let _ = held.recv();
            Ok(())
        };
        let error = in_time(Duration::from_millis(20), "the resolver", hang).unwrap_err();
        assert_eq!(error.to_string(), "no answer from the resolver within 20 ms");
        drop(release);
    }
}
