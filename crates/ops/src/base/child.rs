//! Programs that we start.

use std::process::Command;

/// The variables of our environment that may hold a password.
const PASSWORDS: [&str; 3] = ["REDISCLI_AUTH", "VALKEYCLI_AUTH", "REDIS_TRIB_FROM_AUTH"];

/// Keeps the passwords that were given to us out of a program's environment: they are nobody else's.
pub(crate) fn withhold_passwords(command: &mut Command) {
    for name in PASSWORDS {
        command.env_remove(name);
    }
}
