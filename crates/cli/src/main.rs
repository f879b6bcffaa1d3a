//! The terminal tool for Redis and Valkey clusters.

use std::process::ExitCode;

use redistrib_cli::args::{self, UsageError};
use redistrib_cli::commands::{self, Outcome};
use redistrib_cli::output::tell_error;
use redistrib_cli::{dialect, secrets, voice};
use redistrib_ops::limits;

fn main() -> ExitCode {
    match run() {
        Ok(outcome) => outcome.into(),
        Err(usage) => commands::tell_usage(&usage),
    }
}

/// Understands the line, hides its passwords, and does what it says.
fn run() -> Result<Outcome, UsageError> {
    let argv: Vec<_> = std::env::args_os().collect();
    dialect::called_as(&argv).into_iter().for_each(voice::speak_as);
    let line = dialect::translate(argv)?;
    let line = dialect::heed_environment(line, |name| std::env::var_os(name));
    let cli = args::parse_translated(&line)?;
    if let Err(error) = secrets::hide(&line) {
        tell_error(format_args!(
            "Warning: the password stays visible in the process list: {error}"
        ));
    }
    if let Err(error) = limits::raise_open_files() {
        tell_error(format_args!("Warning: the limit of open files stays as it is: {error}"));
    }
    Ok(commands::run(cli.verb))
}
