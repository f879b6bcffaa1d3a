//! `help`.

use std::io::{self, Write};

use super::commands::{Commands, Entry};
use super::syntax;
use crate::escape::Escaped;
use crate::shell::options::Peer;

/// What `help` alone prints.
fn write_general(peer: Peer, out: &mut dyn Write) -> io::Result<()> {
    let (version, server) = (env!("CARGO_PKG_VERSION"), peer.server());
    let (name, file) = (peer.name(), peer.short_name());
    writeln!(
        out,
        "redis-trib {version}
To get help about {server} commands type:
      \"help @<group>\" to get a list of commands in <group>
      \"help <command>\" for help on <command>
      \"help <tab>\" to get a list of possible help topics
      \"quit\" to exit

To set {name} preferences:
      \":set hints\" enable online hints
      \":set nohints\" disable online hints
Set your preferences in ~/.{file}rc

\"connect HOST PORT\" goes to another server, \"clear\" clears the screen."
    )
}

/// Prints help on a command, on the commands of a group, or on help.
///
/// # Errors
/// Those of writing.
pub(super) fn show(topic: &[Vec<u8>], commands: &Commands, peer: Peer) -> io::Result<()> {
    let words: Vec<String> =
        topic.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    let mut out = io::stdout().lock();
    match words.first() {
        None => write_general(peer, &mut out)?,
        Some(group) if group.starts_with('@') => {
            let group = group.trim_start_matches('@').to_lowercase();
            let named = commands
                .iter()
                .filter(|entry| entry.group == group || entry.group.replace('_', "-") == group);
            named.into_iter().try_for_each(|entry| write_entry(entry, false, &mut out))?;
            writeln!(out)?;
        }
        Some(_) => {
            let name = words.join(" ").to_uppercase();
            let sub = format!("{name} ");
            let named =
                commands.iter().filter(|entry| entry.name == name || entry.name.starts_with(&sub));
            named.into_iter().try_for_each(|entry| write_entry(entry, true, &mut out))?;
            writeln!(out)?;
        }
    }
    out.flush()
}

fn write_entry(entry: &Entry, with_group: bool, out: &mut dyn Write) -> io::Result<()> {
    let arguments = Escaped(syntax::written(&entry.arguments)).to_string();
    writeln!(out, "\n  {} {arguments}", Escaped(&entry.name))?;
    writeln!(out, "  summary: {}", Escaped(&entry.summary))?;
    writeln!(out, "  since: {}", Escaped(&entry.since))?;
    if with_group {
        writeln!(out, "  group: {}", Escaped(&entry.group))?;
    }
    Ok(())
}
