//! `help`.

use std::io::{self, Write};

use super::commands::{Commands, HelpEntry};
use super::syntax;
use crate::escape::Escaped;
use crate::shell::options::Peer;
use crate::style::Style;
use crate::voice;

/// How help on a command is written.
#[derive(Clone, Copy)]
struct Form {
    style: Style,
    end: &'static str,
}

impl Form {
    /// Called as a peer, in its colours and with its line ends, which it writes into pipes and files, too.
    fn of_stdout() -> Self {
        match voice::peer() {
            Some(_) => Self { style: Style::wherever_wanted(), end: "\r\n" },
            None => Self { style: Style::of_stdout(), end: "\n" },
        }
    }
}

/// What `help` alone prints.
fn write_general(peer: Peer, out: &mut dyn Write) -> io::Result<()> {
    let (version, server) = (env!("CARGO_PKG_VERSION"), peer.server());
    let (name, file) = (peer.name(), peer.short_name());
    match voice::peer() {
        Some(_) => writeln!(out, "{name} {version} (redis-trib)")?,
        None => writeln!(out, "redis-trib {version}")?,
    }
    writeln!(
        out,
        "To get help about {server} commands type:
      \"help @<group>\" to get a list of commands in <group>
      \"help <command>\" for help on <command>
      \"help <tab>\" to get a list of possible help topics
      \"quit\" to exit

To set {name} preferences:
      \":set hints\" enable online hints
      \":set nohints\" disable online hints
Set your preferences in ~/.{file}rc"
    )?;
    if voice::peer().is_none() {
        writeln!(
            out,
            "\n\"connect HOST PORT\" goes to another server, \"clear\" clears the screen."
        )?;
    }
    Ok(())
}

/// Prints help on a command, on the commands of a group, or on help.
///
/// # Errors
/// Those of writing.
pub(super) fn show(topic: &[Vec<u8>], commands: &Commands, peer: Peer) -> io::Result<()> {
    let words: Vec<String> =
        topic.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut out = io::stdout().lock();
    let form = Form::of_stdout();
    match words.first() {
        None => write_general(peer, &mut out)?,
        Some(group) if group.starts_with('@') => {
            let group = group.trim_start_matches('@').to_lowercase();
            let named = commands
                .iter()
                .filter(|entry| entry.group == group || entry.group.replace('_', "-") == group);
            named.into_iter().try_for_each(|entry| write_entry(entry, false, form, &mut out))?;
            out.write_all(form.end.as_bytes())?;
        }
        Some(_) => {
            let name = words.join(" ").to_uppercase();
            let sub = format!("{name} ");
            let named =
                commands.iter().filter(|entry| entry.name == name || entry.name.starts_with(&sub));
            named.into_iter().try_for_each(|entry| write_entry(entry, true, form, &mut out))?;
            out.write_all(form.end.as_bytes())?;
        }
    }
    out.flush()
}

/// The colours are redis-cli's.
fn write_entry(
    entry: &HelpEntry,
    with_group: bool,
    Form { style, end }: Form,
    out: &mut dyn Write,
) -> io::Result<()> {
    let name = style.painted(Escaped(&entry.name), "1");
    let arguments = style.painted(Escaped(syntax::written(&entry.arguments)), "90");
    write!(out, "{end}  {name} {arguments}{end}")?;
    let lines = [("summary:", &entry.summary), ("since:", &entry.since), ("group:", &entry.group)];
    let shown = if with_group { &lines[..] } else { &lines[..2] };
    shown.iter().try_for_each(|(what, text)| {
        write!(out, "  {} {}{end}", style.painted(what, "33"), Escaped(text))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_has_the_colours_of_redis_cli_where_colours_are_wanted() {
        let commands = Commands::from_table(Peer::RedisCli);
        let entry = commands.iter().find(|entry| entry.name == "GET").unwrap();
        let written = |style| {
            let mut out = Vec::new();
            write_entry(entry, true, Form { style, end: "\n" }, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let coloured = "\n  \x1b[1mGET\x1b[0m \x1b[90mkey\x1b[0m\n  \x1b[33msummary:\x1b[0m Returns the string value of a key.\n  \x1b[33msince:\x1b[0m 1.0.0\n  \x1b[33mgroup:\x1b[0m string\n";
        assert_eq!(written(Style::COLOURED), coloured);
        assert!(!written(Style::PLAIN).contains('\x1b'));
    }
}
