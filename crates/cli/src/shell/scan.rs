//! All keys of a server, or of all masters of a cluster, in the batches that SCAN gives.

use std::thread;

use anyhow::{Result, bail};
use redistrib_ops::resp::{Command, Reply};
use redistrib_ops::{Cluster, Endpoint, Stop};

use super::options::{Options, Scan};
use super::session::{OutputReader, ShellSession};
use crate::interrupt;

/// Lists the keys, until Ctrl-C.
pub(super) fn run(options: &Options, scan: &Scan) -> Result<bool> {
    let cancel = interrupt::quietly()?;
    for node in nodes(options)? {
        let mut session = session_with(options, &node)?;
        let mut cursor = Cursor::new(scan);
        while let Some(keys) = cursor.next(&mut session)? {
            for key in keys.elements() {
                session.printer.reply(&[], key)?;
            }
            if cancel.requested() != Stop::No {
                return Ok(true);
            }
            thread::sleep(scan.interval);
        }
    }
    Ok(true)
}

/// The servers whose keys are meant: with `-c` all masters of the cluster.
pub(super) fn nodes(options: &Options) -> Result<Vec<Endpoint>> {
    if !options.cluster {
        return Ok(vec![options.endpoint.clone()]);
    }
    let cluster = Cluster::discover(&options.endpoint, &options.settings)?;
    Ok(cluster.masters().map(|member| member.endpoint().clone()).collect())
}

/// A connected session with one of these servers.
pub(super) fn session_with(options: &Options, node: &Endpoint) -> Result<ShellSession> {
    let options = Options { endpoint: node.clone(), cluster: false, ..options.clone() };
    let mut session = ShellSession::new(&options, OutputReader::Program);
    session.connect()?;
    if session.state.database != options.database {
        // What is true of another database must not pass for the answer.
        bail!("nothing has been looked at: there is no database {}", options.database);
    }
    Ok(session)
}

/// A walk over a server's keys.
#[derive(Debug)]
pub(super) struct Cursor {
    scan: Scan,
    /// Where to continue; `None` at the end.
    at: Option<Vec<u8>>,
    /// How many SCANs were sent.
    pub(super) steps: u64,
}

/// The keys of one step.
#[derive(Debug)]
pub(super) struct ScannedKeys(Reply);

impl ScannedKeys {
    pub(super) fn elements(&self) -> redistrib_ops::resp::Elements<'_> {
        let mut halves = self.0.view().elements();
        halves.nth(1).map_or_else(|| halves.clone(), |keys| keys.elements())
    }
}

impl Cursor {
    pub(super) fn new(scan: &Scan) -> Self {
        Self { scan: scan.clone(), at: Some(scan.cursor.to_string().into_bytes()), steps: 0 }
    }

    /// Where the walk continues, as SCAN takes it; `None` at the end.
    pub(super) fn position(&self) -> Option<String> {
        let at = self.at.as_deref()?;
        Some(String::from_utf8_lossy(at).into_owned())
    }

    /// Asks for the next keys; `None` when the walk is over.
    ///
    /// # Errors
    /// The server's refusal, or no connection.
    pub(super) fn next(&mut self, session: &mut ShellSession) -> Result<Option<ScannedKeys>> {
        let Some(at) = self.at.take() else { return Ok(None) };
        let mut command = Command::new("SCAN").arg(&at);
        if let Some(pattern) = &self.scan.pattern {
            command = command.arg("MATCH").arg(pattern);
        }
        if let Some(count) = self.scan.count {
            command = command.arg("COUNT").arg(count);
        }
        let reply = session.client.connection()?.request(&command)?;
        if let Some(text) = reply.view().as_error() {
            bail!("SCAN error: {}", String::from_utf8_lossy(text));
        }
        self.steps += 1;
        let mut halves = reply.view().elements();
        match halves.next().and_then(|cursor| cursor.as_bytes()) {
            Some(b"0") => {}
            Some(next) => self.at = Some(next.to_vec()),
            None => bail!("the answer to SCAN has no cursor"),
        }
        Ok(Some(ScannedKeys(reply)))
    }
}
