//! `completions` and `man`: what is made of the argument model itself.

use clap::Args;
use clap_complete::Shell;

/// Arguments of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// Arguments of `man`.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// A verb, or a verb of `lab` behind it
    #[arg(value_name = "VERB")]
    pub verb: Vec<String>,
}
