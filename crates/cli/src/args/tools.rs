//! `completions` and `man`: what is made of the argument model itself.

use std::path::PathBuf;

use clap::{Args, ValueHint};
use clap_complete::Shell;

use crate::dialect::Program;

/// Arguments of `completions`.
#[derive(Clone, Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
    /// The name that the program is called by
    #[arg(long, value_name = "NAME", value_enum, default_value_t = Program::RedisTrib)]
    pub name: Program,
}

/// Arguments of `man`.
#[derive(Clone, Debug, Args)]
pub struct ManArgs {
    /// A verb, or a verb of `lab` behind it
    #[arg(value_name = "VERB")]
    pub verb: Vec<String>,
    /// Write every page into this folder instead
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, conflicts_with = "verb")]
    pub all: Option<PathBuf>,
}
