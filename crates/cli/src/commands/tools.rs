//! `completions` and `man`.

use std::io::{self, Write};

use super::Outcome;
use crate::args::{CompletionsArgs, ManArgs, command, guide};
use crate::escape::Escaped;
use crate::output::tell_error;

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
        let Some(found) = page.find_subcommand(verb) else {
            tell_error(format_args!("error: {} has no verb {:?}", page.get_name(), Escaped(verb)));
            return Ok(Outcome::Misused);
        };
        page = found;
    }
    let mut text = Vec::new();
    // What stands behind the help has sections of its own here.
    let bare = page.clone().after_help(None::<&str>);
    clap_mangen::Man::new(bare).render(&mut text)?;
    let examples = guide::examples(&args.verb.join(" "));
    if !examples.is_empty() {
        section(&mut text, "EXAMPLES", &examples.join("\n"))?;
    }
    section(&mut text, "ENVIRONMENT", guide::ENVIRONMENT)?;
    print(&text)
}

/// A section of lines that stay as they are.
fn section(page: &mut Vec<u8>, title: &str, text: &str) -> io::Result<()> {
    writeln!(page, ".SH {title}\n.nf")?;
    for line in text.lines() {
        // A leading dot or quote would be taken for a request.
        writeln!(page, "\\&{}", line.replace('\\', "\\e").replace('-', "\\-"))?;
    }
    writeln!(page, ".fi")
}

fn print(text: &[u8]) -> anyhow::Result<Outcome> {
    match io::stdout().lock().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(Outcome::Done),
    }
}
