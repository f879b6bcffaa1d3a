//! `completions` and `man`.

use std::io::{self, Write};

use anyhow::Context;

use super::Outcome;
use crate::args::{CompletionsArgs, ManArgs, command};

const NAME: &str = "redis-trib";

pub(super) fn completions(args: &CompletionsArgs) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), NAME, &mut script);
    print(&script)
}

pub(super) fn man(args: &ManArgs) -> anyhow::Result<Outcome> {
    let mut command = command();
    // Gives the verbs the full names that their pages show.
    command.build();
    let mut page = &command;
    for verb in &args.verb {
        let found = page.find_subcommand(verb);
        page = found.with_context(|| format!("{} has no verb {verb:?}", page.get_name()))?;
    }
    let mut text = Vec::new();
    clap_mangen::Man::new(page.clone()).render(&mut text)?;
    print(&text)
}

fn print(text: &[u8]) -> anyhow::Result<Outcome> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Outcome::Done),
    }
}
