//! Single servers of a lab: more of them, and those that end, pause and continue.

use std::fs;

use redistrib_cluster_model::{Address, NodeId, NodeName, NodeNameError, Topology};

use super::config::Config;
use super::node::LabServer;
use super::{Failure, Lab, ServerStatus, ports};
use crate::{Context, Error};

impl Lab {
    /// The place of the server of this name, whether it runs or not: its port, `HOST:PORT`, or the id that it has in a cluster.
    ///
    /// # Errors
    /// [`Error::Name`] where none or several are called so.
    pub fn find(&self, name: &NodeName) -> Result<usize, Failure> {
        let nodes = self.nodes.iter().enumerate();
        let known = nodes.map(|(place, node)| (place, node.id(), node.address()));
        let meant: Vec<_> = known.filter(|(_, id, at)| name.fits(*id, &[at])).collect();
        let name = name.as_str().to_owned();
        match &meant[..] {
            [] => Err(Error::from(NodeNameError::Unknown(name)).into()),
            [(place, ..)] => Ok(*place),
            _ => {
                let candidates = meant.iter().map(|(_, _, at)| at.to_string()).collect();
                Err(Error::from(NodeNameError::Ambiguous { name, candidates }).into())
            }
        }
    }

    /// How one server fares.
    ///
    /// # Panics
    /// Where there is no server at this place; as for all that take one.
    pub fn status_of(&self, place: usize) -> ServerStatus {
        ServerStatus::of(&self.nodes[place], &self.settings)
    }

    /// Makes more servers, on the ports after the lab's last or from `port` on, and starts them. They have the lab's password and
    /// are empty; in a cluster's lab they are in cluster mode and know nobody. Returns their places. Where one does not start, what was made is
    /// removed again.
    ///
    /// # Errors
    /// [`Failure::PortRange`], [`Failure::PortsTaken`], [`Failure::FolderExists`]; those of a server's start.
    pub fn add(
        &mut self,
        count: usize,
        port: Option<u16>,
        context: Context<'_>,
    ) -> Result<Vec<usize>, Failure> {
        let last = self.record.ports.iter().max().copied().unwrap_or_default();
        let ports = ports::block(port.unwrap_or(last.saturating_add(1)), count)?;
        let cluster = self.record.layout.has_bus();
        ports::require_free(&ports, cluster)?;
        let password = self.nodes.first().map(LabServer::password).transpose()?.flatten();
        let config = Config { cluster, password: password.as_ref(), lines: &[] };
        let new: Vec<LabServer> =
            ports.iter().map(|&port| LabServer::new(&self.dir, port)).collect();
        let before = self.record.clone();
        let mut made = 0;
        let outcome = new.iter().try_for_each(|node| {
            node.create_folder(&config.text(node.port)?)?;
            made += 1;
            Ok(())
        });
        self.record.ports.extend(ports);
        self.record.added += count;
        // From here on they are taken down and removed with the lab, should this run be killed.
        let outcome = outcome
            .and_then(|()| self.record.write(&self.dir))
            .and_then(|()| self.launch(&new.iter().collect::<Vec<_>>(), context));
        if let Err(error) = outcome {
            self.record = before;
            self.take_back(&new[..made]);
            return Err(error);
        }
        let places = self.nodes.len()..self.nodes.len() + count;
        self.nodes.extend(new);
        Ok(places.collect())
    }

    /// What cannot be removed stays: the error that led here matters more.
    fn take_back(&self, new: &[LabServer]) {
        let _ = self.record.write(&self.dir);
        for node in new {
            node.kill();
            let _ = fs::remove_dir_all(&node.folder);
        }
    }

    /// Ends a server at once, as a crash would; a paused one, too. Returns whether it ran.
    ///
    /// # Errors
    /// [`Error::File`]; [`Failure::StillRunning`].
    pub fn crash(&self, place: usize) -> Result<bool, Failure> {
        let node = &self.nodes[place];
        node.own_process().map_or(Ok(false), |process| node.end(process).map(|()| true))
    }

    /// Starts a server that has ended, or lets a paused one continue, and waits until it is ready. Returns whether there was anything
    /// to do.
    ///
    /// # Errors
    /// Those of [`Lab::up`] that concern a server's start.
    pub fn start(&self, place: usize, context: Context<'_>) -> Result<bool, Failure> {
        let node = &self.nodes[place];
        if node.let_go_on()? {
            return node.wait_ready(&self.settings, context).map(|()| true);
        }
        if node.own_process().is_some() {
            return Ok(false);
        }
        ports::require_free(&[node.port], self.record.layout.has_bus())?;
        self.launch(&[node], context).map(|()| true)
    }

    /// Stops a server in its tracks: connections to it open, and nothing answers. Returns whether it ran.
    ///
    /// # Errors
    /// [`Error::File`]; [`Failure::StillRunning`].
    pub fn pause(&self, place: usize) -> Result<bool, Failure> {
        self.nodes[place].pause()
    }

    /// Lets a paused server continue. Returns whether it was paused.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn resume(&self, place: usize) -> Result<bool, Failure> {
        self.nodes[place].let_go_on()
    }
}

impl LabServer {
    fn address(&self) -> Address {
        Address::new("127.0.0.1", self.port)
    }

    /// The id that it has in a cluster: its own file has it, whether it runs or not.
    fn id(&self) -> Option<NodeId> {
        let text = fs::read(self.folder.join("nodes.conf")).ok()?;
        Some(Topology::parse_nodes_conf(text).ok()?.myself()?.id)
    }
}
