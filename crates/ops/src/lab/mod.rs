//! The lab: servers on this machine, for trying things out, for tests, benches and the demo.
//!
//! A lab is a folder with one folder for each server, named after its port, which holds the server's own
//! `redis.conf`, `nodes.conf`, log, pid file and data, and a record of it all in `lab.json`. [`Lab`] is
//! the lasting kind that `redis-trib lab` works with: it is brought up and taken down by different
//! processes and keeps its data. [`TempLab`] is the passing kind for tests: on ports of its own choice,
//! and gone, processes and files, when the value is dropped.

mod config;
mod failure;
mod node;
mod options;
mod ports;
mod program;
mod record;
mod single;
mod status;
mod temporary;
#[cfg(feature = "testing")]
mod testing;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use failure::{BUS_OFFSET, Failure, TakenPort};
pub use options::{DEFAULT_NODES, DEFAULT_PORT, LabOptions};
pub use ports::free_ports;
pub use program::{SERVER_VARIABLE, find_server};
pub use record::Layout;
pub use status::{ServerState, ServerStatus};
pub use temporary::TempLab;
#[cfg(feature = "testing")]
pub use testing::{NoTestServer, TEST_SERVERS_VARIABLE, TestServer};

use redistrib_cluster_model::plan::create::Dealing;

use crate::cluster::in_parallel;
use crate::served::{self, Unserved};
use crate::wait::until_settled;
use crate::{Candidates, Context, Credentials, Endpoint, Error, Settings, Stop};
use config::Config;
use node::{LabServer, Presence};
use record::{Record, file_error};

/// How long the nodes of a cluster that comes up again may take to find each other.
const SETTLE_DEADLINE: Duration = Duration::from_secs(30);

/// Local servers in a folder.
///
/// ```no_run
/// use redistrib_ops::lab::{Lab, LabOptions};
/// use redistrib_ops::{Cancel, Context, Settings, Silent};
/// let cancel = Cancel::new();
/// let context = Context::new(&Silent, &cancel);
/// let lab = Lab::up("lab".as_ref(), &LabOptions::default(), &Settings::default(), context)?;
/// println!("{:?}", lab.endpoints());
/// lab.down()?;
/// # Ok::<(), redistrib_ops::lab::Failure>(())
/// ```
#[derive(Debug)]
pub struct Lab {
    dir: PathBuf,
    record: Record,
    settings: Settings,
    nodes: Vec<LabServer>,
}

impl Lab {
    /// Makes a lab in `dir` and starts it, or starts what does not run of the one that is there; returns when
    /// all servers are ready and a cluster's nodes agree that it is healthy. The servers outlive this process.
    ///
    /// Where a new lab does not come up, what was made of it is taken down and removed again; where an old
    /// one does not, the servers that this call has started are ended.
    ///
    /// # Errors
    /// A [`Failure`] for what the ports, the folder or a server's start lack; in [`Failure::Other`], [`Error::File`],
    /// [`Error::Cancelled`], [`Error::NotSettled`], and those of [`Candidates::create`].
    pub fn up(
        dir: &Path,
        options: &LabOptions,
        settings: &Settings,
        context: Context<'_>,
    ) -> Result<Self, Failure> {
        match Record::read(dir)? {
            Some(record) => Self::reopen(dir, record, options, settings, context),
            None => Self::found(dir, options, settings, context),
        }
    }

    /// The lab in `dir`, whether it runs or not.
    ///
    /// # Errors
    /// [`Failure::NotALab`]; [`Failure::Record`]; [`Error::File`].
    pub fn open(dir: &Path, settings: &Settings) -> Result<Self, Failure> {
        let record = Record::read(dir)?.ok_or_else(|| Failure::NotALab { dir: dir.to_owned() })?;
        let mut lab = Self::new(dir, record, settings)?;
        lab.learn_password()?;
        Ok(lab)
    }

    fn new(dir: &Path, record: Record, settings: &Settings) -> Result<Self, Failure> {
        // The servers know their folders by their real paths, and so must we.
        let dir = fs::canonicalize(dir).map_err(|source| file_error(dir, source))?;
        let nodes = record.ports.iter().map(|&port| LabServer::new(&dir, port)).collect();
        Ok(Self { dir, record, settings: settings.clone(), nodes })
    }

    /// Without credentials from the caller, those in the lab's own configuration do.
    fn learn_password(&mut self) -> Result<(), Failure> {
        if let (None, Some(node)) = (&self.settings.credentials, self.nodes.first()) {
            self.settings.credentials =
                node.password()?.map(|password| Credentials { user: None, password });
        }
        Ok(())
    }

    fn found(
        dir: &Path,
        options: &LabOptions,
        settings: &Settings,
        context: Context<'_>,
    ) -> Result<Self, Failure> {
        let record = options.plan()?;
        ports::require_free(&record.ports, record.layout.has_bus())?;
        let dir_is_new = !dir.exists();
        fs::create_dir_all(dir).map_err(|source| file_error(dir, source))?;
        let mut lab = Self::new(dir, record, settings)?;
        let mut made = 0;
        let outcome = lab.build(options, context, &mut made);
        if let Err(error) = outcome {
            lab.unbuild(made, dir_is_new);
            return Err(error);
        }
        Ok(lab)
    }

    /// The steps of making a lab; `made` counts the folders, for taking them away again.
    fn build(
        &mut self,
        options: &LabOptions,
        context: Context<'_>,
        made: &mut usize,
    ) -> Result<(), Failure> {
        let config = Config {
            cluster: self.record.layout.has_bus(),
            password: options.password.as_ref(),
            lines: &options.config,
        };
        for node in &self.nodes {
            node.create_folder(&config.text(node.port)?)?;
            *made += 1;
            if let Some(data) = &options.data {
                node.link_data(data)?;
            }
        }
        // From here on the lab can be taken down or brought up by another run, should this one be killed.
        self.record.write(&self.dir)?;
        self.learn_password()?;
        self.launch(&self.nodes.iter().collect::<Vec<_>>(), context)?;
        self.make_serve(context)
    }

    /// Takes back what [`Lab::build`] did. What cannot be removed stays: the error that led here matters more.
    fn unbuild(&self, made: usize, dir_is_new: bool) {
        for node in &self.nodes {
            node.kill();
        }
        for node in self.nodes.iter().take(made) {
            let _ = fs::remove_dir_all(&node.folder);
        }
        if made == self.nodes.len() {
            let _ = Record::remove(&self.dir);
        }
        if dir_is_new {
            let _ = fs::remove_dir(&self.dir);
        }
    }

    fn reopen(
        dir: &Path,
        mut record: Record,
        options: &LabOptions,
        settings: &Settings,
        context: Context<'_>,
    ) -> Result<Self, Failure> {
        options.require(&record, dir)?;
        let other_server = options.server.is_some();
        if other_server {
            record.server = find_server(options.server.as_deref())?;
        }
        let mut lab = Self::new(dir, record, settings)?;
        lab.learn_password()?;
        for node in &lab.nodes {
            node.let_go_on()?;
        }
        let idle = lab.idle_nodes()?;
        let ports: Vec<_> = idle.iter().map(|node| node.port).collect();
        ports::require_free(&ports, lab.record.layout.has_bus())?;
        if let Err(error) = lab.launch(&idle, context).and_then(|()| lab.make_serve(context)) {
            for node in idle {
                node.kill();
            }
            return Err(error);
        }
        if other_server {
            lab.record.write(&lab.dir)?;
        }
        Ok(lab)
    }

    /// The nodes that do not run.
    fn idle_nodes(&self) -> Result<Vec<&LabServer>, Failure> {
        let present = in_parallel(&self.nodes, |node| node.presence(&self.settings));
        let mut idle = Vec::new();
        for (node, presence) in self.nodes.iter().zip(present) {
            if matches!(presence?, Presence::Absent | Presence::Foreign) {
                idle.push(node);
            }
        }
        Ok(idle)
    }

    fn launch(&self, nodes: &[&LabServer], context: Context<'_>) -> Result<(), Failure> {
        if !nodes.is_empty() {
            let ports: Vec<_> = nodes.iter().map(|node| node.port.to_string()).collect();
            let (server, ports) = (self.record.server.display(), ports.join(" "));
            context.note(format!("Starting {server} on {ports}"));
        }
        nodes.iter().try_for_each(|node| node.spawn(&self.record.server))?;
        nodes.iter().try_for_each(|node| node.wait_ready(&self.settings, context))
    }

    /// Makes running servers serve: a lab that is to be a cluster is made one, unless it is one already.
    fn make_serve(&self, context: Context<'_>) -> Result<(), Failure> {
        if self.record.layout != Layout::Cluster {
            return Ok(());
        }
        // Those that have come later are put to use by whoever added them.
        let founders = &self.nodes[..self.nodes.len() - self.record.added];
        let founders: Vec<_> = founders.iter().map(LabServer::endpoint).collect();
        let mut candidates = Candidates::survey(&founders, &self.settings)?;
        match candidates.plan(self.record.replicas, options::LEAST_MASTERS, Dealing::InTurn) {
            Ok(plan) => candidates.create(&plan, context)?,
            // They are a cluster from an earlier run, with keys or other roles.
            Err(Error::NotEmpty { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.settle(context)
    }

    /// Waits until every node says `cluster_state:ok` and every replica has its link, for at most 30 seconds. Nodes of a new cluster, and those
    /// that come up again, need a moment for it. A server that is alone beside the cluster is not waited for.
    ///
    /// # Errors
    /// [`Error::NotSettled`] with a node that does not say so; [`Error::Cancelled`].
    pub fn settle(&self, context: Context<'_>) -> Result<(), Failure> {
        until_settled(SETTLE_DEADLINE, context.cancel, || match self.amiss() {
            Some(what) if context.cancel.requested() != Stop::No => Err(Error::Cancelled(what)),
            what => Ok(what),
        })?;
        Ok(())
    }

    fn amiss(&self) -> Option<String> {
        let (mut serves, mut spare) = (false, None);
        for node in &self.nodes {
            match served::amiss_at(&node.endpoint(), &self.settings) {
                None => serves = true,
                Some(Unserved { what, is_alone: true }) => spare = Some(what),
                Some(Unserved { what, .. }) => return Some(what),
            }
        }
        spare.filter(|_| !serves)
    }

    /// Ends all servers of the lab that run and keeps their data. Whatever else answers on a port of the lab is
    /// left alone. Returns the ports of the servers that were ended.
    ///
    /// # Errors
    /// Those of [`Connection::open`](crate::Connection::open) where a server does not let us in, [`Failure::StillRunning`].
    pub fn down(&self) -> Result<Vec<u16>, Failure> {
        // All at once: a master that ends waits for replicas that are alive but behind.
        let ended = in_parallel(&self.nodes, |node| node.shut_down(&self.settings));
        let mut ports = Vec::new();
        for (node, ended) in self.nodes.iter().zip(ended) {
            if ended? {
                ports.push(node.port);
            }
        }
        Ok(ports)
    }

    /// Ends all servers and removes the lab with all its data. The folder itself goes too, unless there is
    /// more in it.
    ///
    /// # Errors
    /// Those of [`Lab::down`], [`Error::File`].
    pub fn destroy(self) -> Result<(), Failure> {
        self.down()?;
        for node in self.nodes.iter().filter(|node| node.folder.exists()) {
            fs::remove_dir_all(&node.folder).map_err(|source| file_error(&node.folder, source))?;
        }
        Record::remove(&self.dir)?;
        // Anything else in the folder is not ours to remove.
        let _ = fs::remove_dir(&self.dir);
        Ok(())
    }

    /// How each server fares.
    pub fn status(&self) -> Vec<ServerStatus> {
        in_parallel(&self.nodes, |node| ServerStatus::of(node, &self.settings))
    }

    /// The lab's folder, as an absolute path.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The server program.
    pub fn server(&self) -> &Path {
        &self.record.server
    }

    /// What the servers are to each other.
    pub fn layout(&self) -> Layout {
        self.record.layout
    }

    /// Where the servers listen, in the order of their ports.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.nodes.iter().map(LabServer::endpoint).collect()
    }

    /// How to connect to them: the caller's settings, with the lab's own password where it has one.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
