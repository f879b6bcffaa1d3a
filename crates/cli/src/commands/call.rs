//! `call`: one command on all nodes.

use std::io::{self, Write};

use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{Endpoint, Result, call as ask, without_secrets};

use super::inspect::{is_left_out, tell_silent};
use super::{Outcome, Session};
use crate::args::CallArgs;
use crate::escape::Escaped;
use crate::shell::format::{LineEnds, write_harmless, write_lossless, write_raw};
use crate::voice;

pub(super) fn call(args: &CallArgs) -> anyhow::Result<Outcome> {
    let session = Session::for_report(&args.report)?;
    let mut cluster = session.discover(&args.seed.node)?;
    tell_silent(&cluster);
    let command = Command::from_args(args.command.iter().map(|word| word.as_encoded_bytes()));
    session.output.line(format_args!(">>> Calling {}", without_secrets(&command)));
    let mut out = io::stdout().lock();
    let mut fine = true;
    for (node, answer) in ask(&mut cluster, args.which(), &command) {
        if is_left_out(&answer) {
            continue;
        }
        fine &= answer.as_ref().is_ok_and(|reply| reply.view().as_error().is_none());
        if session.output.is_json() {
            tell_json(&mut out, &node, &answer)?;
        } else {
            tell(&mut out, &node, &answer)?;
        }
    }
    // A script of theirs continues where a node has answered with an error, as replicas do to writes.
    Ok(if fine || voice::peer().is_some() { Outcome::Done } else { Outcome::Failed })
}

/// `host:port: reply`, as redis-cli prints it.
fn tell(out: &mut dyn Write, node: &Endpoint, answer: &Result<Reply>) -> io::Result<()> {
    write!(out, "{}: ", Escaped(node))?;
    match answer {
        Ok(reply) => {
            let mut text = Vec::new();
            write_raw(reply.view(), b"\n", &mut text)?;
            write_harmless(&text, LineEnds::Many, out)?;
        }
        // The connection has broken meanwhile.
        Err(_) if voice::peer().is_some() => write!(out, "Failed!")?,
        Err(error) => write!(out, "{}", Escaped(error))?,
    }
    writeln!(out)
}

/// One object a line, with `reply` or `failure`.
fn tell_json(out: &mut dyn Write, node: &Endpoint, answer: &Result<Reply>) -> io::Result<()> {
    write!(out, "{{\"node\":{},", serde_json::to_string(&node.to_string())?)?;
    match answer {
        Ok(reply) => {
            write!(out, "\"reply\":")?;
            write_lossless(reply.view(), out)?;
        }
        Err(error) => write!(out, "\"failure\":{}", serde_json::to_string(&error.to_string())?)?,
    }
    writeln!(out, "}}")
}
