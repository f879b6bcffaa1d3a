//! `top`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use redistrib_ops::Endpoint;

use super::ConnectArgs;
use super::values::{endpoint, seconds};
use crate::top::Shade;

/// Arguments of `top`.
#[derive(Clone, Debug, Args)]
pub struct TopArgs {
    /// Any node of the cluster; `HOST PORT` will do as well
    #[arg(value_name = "HOST:PORT", value_parser = endpoint, required_unless_present = "replay")]
    pub node: Option<Endpoint>,
    /// Look every so many seconds; a node that is busy, or one of very many, is asked less often
    #[arg(long, value_name = "SECONDS", value_parser = seconds, default_value = "1")]
    pub every: Duration,
    /// Print one picture as text
    #[arg(long)]
    pub once: bool,
    /// Write one picture as SVG, for a report or a wiki
    #[arg(long, value_name = "FILE", conflicts_with = "once")]
    pub svg: Option<PathBuf>,
    /// Add all that is seen to a file, one JSON document a line
    #[arg(long, value_name = "FILE", conflicts_with = "replay")]
    pub record: Option<PathBuf>,
    /// Play what --record has written; with --once and --svg its last sample is drawn
    #[arg(long, value_name = "FILE", conflicts_with = "node")]
    pub replay: Option<PathBuf>,
    /// What the slot map shows at first; Redis since 8.2 and Valkey since 8.1 report processor time and network, with
    /// cluster-slot-stats-enabled. One picture takes until all slots were asked about twice
    #[arg(long, value_name = "WHAT", value_parser = shade, default_value = "owners")]
    pub map: Shade,
    /// How many columns and lines the picture of --once or --svg has; those of the terminal, or 120x40
    #[arg(long, value_name = "COLUMNSxLINES", value_parser = screen_size)]
    pub size: Option<(u16, u16)>,
    /// Accepted on every verb; there is nothing to agree to here
    #[arg(long, hide = true)]
    pub yes: bool,
    /// How to connect.
    #[command(flatten)]
    pub connect: ConnectArgs,
}

fn shade(word: &str) -> Result<Shade, String> {
    let known = Shade::ALL.into_iter().find(|shade| shade.word() == word);
    known.ok_or_else(|| format!("it can show {}", Shade::ALL.map(Shade::word).join(", ")))
}

/// The most columns and lines of a picture.
const LARGEST: u16 = 1000;

fn screen_size(text: &str) -> Result<(u16, u16), String> {
    let read = |text: &str| text.parse().ok().filter(|count| (1..=LARGEST).contains(count));
    let size = text.split_once('x').and_then(|(wide, high)| Some((read(wide)?, read(high)?)));
    size.ok_or_else(|| format!("give columns and lines as in 120x40, each from 1 to {LARGEST}"))
}
