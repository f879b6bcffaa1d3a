//! `top`.

use std::time::Duration;

use clap::Args;

use super::ConnectArgs;
use super::common::SeedArgs;
use super::values::seconds;

/// Arguments of `top`.
#[derive(Clone, Debug, Args)]
pub struct TopArgs {
    /// Which cluster.
    #[command(flatten)]
    pub seed: SeedArgs,
    /// Look every so many seconds; a node that is busy, or one of very many, is asked less often
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub every: Duration,
    /// Print one picture as text
    #[arg(long)]
    pub once: bool,
    /// How many columns and lines the picture of --once has; those of the terminal, or 120x40
    #[arg(long, value_name = "COLUMNSxLINES", value_parser = screen_size, requires = "once")]
    pub size: Option<(u16, u16)>,
    /// Accepted on every verb; there is nothing to agree to here
    #[arg(long, hide = true)]
    pub yes: bool,
    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

/// The most columns and lines of a picture.
const LARGEST: u16 = 1000;

fn screen_size(text: &str) -> Result<(u16, u16), String> {
    let read = |text: &str| text.parse().ok().filter(|count| (1..=LARGEST).contains(count));
    let size = text.split_once('x').and_then(|(wide, high)| Some((read(wide)?, read(high)?)));
    size.ok_or_else(|| format!("give columns and lines as in 120x40, each from 1 to {LARGEST}"))
}
