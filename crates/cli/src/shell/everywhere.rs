//! One command on many nodes.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::{Result, bail};
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{Cluster, Endpoint, Error, Which};

use super::failure::explain;
use super::format::{ReplyForm, write_lossless};
use super::options::{Options, Peer};
use super::printer::Printer;
use crate::escape::Escaped;

/// Sends a command to the nodes of a cluster and prints each node's reply under its address; returns whether
/// none failed. In the lossless form each line is an object with `node` and `reply` or `failure`.
pub(super) fn run(options: &Options, which: Which, words: &[Vec<u8>]) -> Result<bool> {
    let mut cluster = Cluster::discover(&options.endpoint, &options.settings)?;
    let printer = Printer::new(&options.output);
    let mut fine = true;
    if options.database != 0 {
        // The command must not be executed on another database than the one asked for, on any node.
        let select = Command::new("SELECT").arg(options.database);
        for (node, answer) in redistrib_ops::call(&mut cluster, which, &select) {
            let Ok(reply) = answer else { continue };
            if let Some(text) = reply.view().as_error() {
                let text = String::from_utf8_lossy(text);
                bail!("{node}: SELECT {} failed: {text}", options.database);
            }
        }
    }
    for (node, answer) in redistrib_ops::call(&mut cluster, which, &Command::from_args(words)) {
        let failure = cluster.members().iter().find(|member| *member.endpoint() == node);
        let failure = failure.and_then(|member| member.failure());
        let answer = answer.as_ref().map_err(|error| failure.unwrap_or(error));
        fine &= answer.is_ok_and(|reply| reply.view().as_error().is_none());
        if printer.form() == ReplyForm::Lossless {
            print_json(&node, answer)?;
        } else {
            print_text(&printer, words, &node, answer, options.peer)?;
        }
    }
    Ok(fine)
}

fn print_text(
    printer: &Printer,
    words: &[Vec<u8>],
    node: &Endpoint,
    answer: Result<&Reply, &Error>,
    peer: Peer,
) -> io::Result<()> {
    match answer {
        Ok(reply) => {
            printer.line(&Escaped(node).to_string())?;
            printer.reply(words, reply.view())
        }
        Err(error) => writeln!(io::stderr(), "{}", explain(error, peer)),
    }
}

/// An object with `node` and `reply` or `failure`, on a line of its own.
pub(super) fn print_json(node: impl Display, answer: Result<&Reply, &Error>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    write!(out, "{{\"node\":{},", serde_json::to_string(&node.to_string())?)?;
    match answer {
        Ok(reply) => {
            out.write_all(b"\"reply\":")?;
            write_lossless(reply.view(), &mut out)?;
        }
        Err(error) => {
            write!(out, "\"failure\":{}", serde_json::to_string(&error.to_string())?)?;
        }
    }
    out.write_all(b"}\n")
}
