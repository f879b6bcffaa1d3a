//! Ctrl-C, in two steps.

use redistrib_ops::{Cancel, Stop};

use crate::output::tell_error;

/// From now on the first Ctrl-C asks the operation to finish what is under way, the second to stop at once.
/// Until this is called, at prompts above all, Ctrl-C just ends the program.
///
/// # Errors
/// Those of the signal handler's installation.
pub fn install(cancel: &Cancel) -> Result<(), ctrlc::Error> {
    let cancel = cancel.clone();
    ctrlc::set_handler(move || {
        cancel.press();
        if cancel.wish() == Stop::Finish {
            tell_error("\nFinishing what is under way; press Ctrl-C again to stop at once.");
        }
    })
}
