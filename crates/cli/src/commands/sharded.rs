//! `sharded`: commands on a fleet of plain servers.

use std::ffi::OsStr;

use anyhow::Result;
use redistrib_ops::fleet::FleetClient;
use redistrib_ops::model::placement::WrittenKey;
use serde::Serialize;

use super::{Outcome, terminal};
use crate::args::{FleetSessionArgs, NodeForArgs, ShardedVerb};
use crate::escape::Escaped;
use crate::output::Output;
use crate::secrets;
use crate::shell::{FleetSession, is_broken_pipe};

pub(super) fn sharded(verb: &ShardedVerb) -> Result<Outcome> {
    let finished = match verb {
        ShardedVerb::NodeFor(args) => return node_for(args),
        ShardedVerb::Exec(args) => session(&args.session).and_then(|mut session| {
            let words: Vec<Vec<u8>> = args.command.iter().map(|it| terminal::bytes(it)).collect();
            session.execute(&words)
        }),
        ShardedVerb::Shell(args) => session(&args.session).and_then(|mut session| session.run()),
    };
    match finished {
        Ok(true) => Ok(Outcome::Done),
        Ok(false) => Ok(Outcome::Failed),
        // Nobody reads any more.
        Err(error) if is_broken_pipe(&error) => Ok(Outcome::Done),
        Err(error) => Err(error),
    }
}

fn session(args: &FleetSessionArgs) -> Result<FleetSession> {
    let settings = secrets::settings(&args.connect)?;
    let client = FleetClient::new(args.fleet.fleet()?, &settings, args.options());
    Ok(FleetSession::new(client, &terminal::output(&args.output)))
}

/// Where one key is.
#[derive(Serialize)]
struct PlaceDocument<'a> {
    key: String,
    /// Its name at the server.
    stored: String,
    node: &'a str,
    address: String,
}

fn node_for(args: &NodeForArgs) -> Result<Outcome> {
    let output = Output::new(args.report.json);
    let fleet = args.fleet.fleet()?;
    for written in &args.keys {
        let written = terminal::bytes(written as &OsStr);
        let key = if args.literal_keys {
            WrittenKey::literal(&written)
        } else {
            WrittenKey::parse(&written)
        };
        let node = fleet.place_of(&key);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (shown, stored) = (text(&written), text(key.stored));
        let name = if key.is_tagged() { format!(", as {stored:?}") } else { String::new() };
        output.line(format_args!(
            "{} is at {} ({}){name}",
            Escaped(&shown),
            node.name,
            node.endpoint
        ));
        let address = node.endpoint.to_string();
        output.document(&PlaceDocument { key: shown, stored, node: &node.name, address });
    }
    Ok(Outcome::Done)
}
