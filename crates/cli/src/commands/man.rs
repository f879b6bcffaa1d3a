//! `man`.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use clap::Command;

use super::Outcome;
use crate::args::{ManArgs, command, guide};
use crate::dialect::Program;
use crate::escape::Escaped;
use crate::output::{print_bytes, tell_error};

const NAME: &str = Program::RedisTrib.name();

pub(super) fn man(args: &ManArgs) -> anyhow::Result<Outcome> {
    let mut command = command();
    // Gives the verbs the full names that their pages show.
    command.build();
    if let Some(folder) = &args.all {
        return write_pages(folder, &command).map(|()| Outcome::Done);
    }
    let mut page = &command;
    for verb in &args.verb {
        let Some(found) = page.find_subcommand(verb) else {
            tell_error(format_args!("error: {} has no verb {}", page.get_name(), Escaped(verb)));
            return Ok(Outcome::Misused);
        };
        page = found;
    }
    print_bytes(&page_of(page, &args.verb.join(" "))?)?;
    Ok(Outcome::Done)
}

/// Writes the page of the program, and one for each verb, named as `git` names them: after the words with hyphens between.
fn write_pages(folder: &Path, command: &Command) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let write = |name: &str, page: &[u8]| {
        let path = folder.join(format!("{name}.1"));
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))
    };
    write(NAME, &page_of(command, "")?)?;
    for verb in verbs_below(command) {
        let words = verb.get_bin_name().unwrap_or_default();
        let words = words.strip_prefix(NAME).unwrap_or(words).trim();
        write(&format!("{NAME}-{}", words.replace(' ', "-")), &page_of(verb, words)?)?;
    }
    Ok(())
}

/// All verbs, and the verbs of verbs, without clap's own `help`.
fn verbs_below(command: &Command) -> Box<dyn Iterator<Item = &Command> + '_> {
    let verbs = command.get_subcommands().filter(|verb| verb.get_name() != "help");
    Box::new(verbs.flat_map(|verb| std::iter::once(verb).chain(verbs_below(verb))))
}

/// The page of a verb by its words; of the program itself where there are none.
fn page_of(page: &Command, words: &str) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // What stands behind the help has sections of its own here.
    let bare = page.clone().after_help(None::<&str>);
    clap_mangen::Man::new(bare).render(&mut text)?;
    let examples = guide::examples(words);
    if !examples.is_empty() {
        section(&mut text, "EXAMPLES", &examples.join("\n"))?;
    }
    section(&mut text, "ENVIRONMENT", guide::ENVIRONMENT)?;
    Ok(text)
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
