//! How people name a node.

use std::fmt;
use std::str::FromStr;

use crate::{Address, Node, NodeId};

/// What a person calls a node: its id or how that begins, HOST:PORT, a host name or address, or a port alone.
///
/// ```
/// use redistrib_cluster_model::{NodeName, Topology};
/// let topology: Topology = "\
/// ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 10.0.0.1:7000 myself,master - 0 0 0 connected
/// 7349f132ca8cefc148b203ff3e02f8afb1692962 10.0.0.2:7001@17001,two.example.com master - 0 0 0 connected".parse()?;
/// let nodes = || topology.nodes.iter().map(|node| (node, &node.address));
/// for name in ["7349f", "10.0.0.2:7001", "two.example.com", "7001"] {
///     assert_eq!(name.parse::<NodeName>().unwrap().find(nodes()).unwrap().short(), "7349f132");
/// }
/// # Ok::<(), redistrib_cluster_model::ParseError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeName(String);

/// A text that can be no node's name: empty, or with blanks in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node is named by its id or how that begins, by HOST:PORT, by its host or by its port")]
pub struct NotANodeName;

/// Why a name stands for no one node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeNameError {
    /// No node is called so.
    #[error("no node is called {0}")]
    Unknown(String),
    /// Several are; with their ids and addresses.
    #[error("{name} may be any of {}: write more of it", candidates.join(", "))]
    Ambiguous {
        /// The name.
        name: String,
        /// Each node's id and address.
        candidates: Vec<String>,
    },
}

impl NodeName {
    /// The name as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The one node of this name, out of nodes that each come with the address at which they were reached.
    ///
    /// # Errors
    /// [`NodeNameError`] where it is none of them, and where it is several.
    ///
    /// ```
    /// use redistrib_cluster_model::{NodeName, Topology};
    /// let topology: Topology =
    ///     "ae97e9700ef65e6ccf648c8a77a339cdfe7366c1 10.0.0.1:6379 myself,master - 0 0 0 connected\n".parse()?;
    /// let nodes = || topology.iter().map(|node| (node, &node.address));
    /// assert_eq!("6379".parse::<NodeName>()?.find(nodes())?.short(), "ae97e970");
    /// assert!("6380".parse::<NodeName>()?.find(nodes()).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find<'a>(
        &self,
        nodes: impl IntoIterator<Item = (&'a Node, &'a Address)>,
    ) -> Result<NodeId, NodeNameError> {
        let mut meant: Vec<_> = nodes
            .into_iter()
            .filter(|(node, at)| self.fits(Some(node.id), &[&node.address, at]))
            .collect();
        meant.sort_by_key(|(node, _)| node.id);
        meant.dedup_by_key(|(node, _)| node.id);
        match meant[..] {
            [] => Err(NodeNameError::Unknown(self.0.clone())),
            [(node, _)] => Ok(node.id),
            _ => {
                let tell = |(node, at): &(&Node, &Address)| format!("{} ({at})", node.id);
                let candidates = meant.iter().map(tell).collect();
                Err(NodeNameError::Ambiguous { name: self.0.clone(), candidates })
            }
        }
    }

    /// Whether a node with this id, where it has one, and these addresses can be called so.
    ///
    /// ```
    /// use redistrib_cluster_model::{Address, NodeName};
    /// let name: NodeName = "7001".parse()?;
    /// assert!(name.fits(None, &[&Address::new("127.0.0.1", 7001)]));
    /// # Ok::<(), redistrib_cluster_model::NotANodeName>(())
    /// ```
    pub fn fits(&self, id: Option<NodeId>, places: &[&Address]) -> bool {
        let name = self.0.as_str();
        let hosts = places.iter().flat_map(|at| [Some(&*at.host), at.hostname.as_deref()]);
        let mut hosts = hosts.flatten().filter(|host| !host.is_empty());
        let mut ports = places.iter().map(|at| at.port).filter(|port| *port != 0);
        let place = name.rsplit_once(':').and_then(|(host, port)| {
            let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
            Some((host, port.parse::<u16>().ok()?))
        });
        let at_place = |(host, port): (&str, u16)| {
            let mut ports = ports.clone();
            hosts.clone().any(|it| it.eq_ignore_ascii_case(host)) && ports.any(|it| it == port)
        };
        id.is_some_and(|id| id.to_string().starts_with(&name.to_ascii_lowercase()))
            || place.is_some_and(at_place)
            || name.parse().is_ok_and(|name: u16| ports.any(|port| port == name))
            || hosts.any(|host| host.eq_ignore_ascii_case(name))
    }
}

impl FromStr for NodeName {
    type Err = NotANodeName;

    fn from_str(text: &str) -> Result<NodeName, NotANodeName> {
        if text.is_empty() || text.contains(char::is_whitespace) {
            return Err(NotANodeName);
        }
        Ok(NodeName(text.to_owned()))
    }
}

impl From<NodeId> for NodeName {
    fn from(id: NodeId) -> NodeName {
        NodeName(id.to_string())
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Topology;

    fn topology() -> Topology {
        "\
7000000000000000000000000000000000000001 10.0.0.1:7001 myself,master - 0 0 0 connected
ab00000000000000000000000000000000000002 10.0.0.1:7002@17002,two.example.com master - 0 0 0 connected
ac00000000000000000000000000000000000003 ::1:7000 master - 0 0 0 connected
"
        .parse()
        .unwrap()
    }

    fn find(name: &str) -> Result<String, NodeNameError> {
        let (topology, seed) = (topology(), Address::new("localhost", 7001));
        let at =
            |node: &Node| if node.flags.is_myself() { seed.clone() } else { node.address.clone() };
        let reached: Vec<Address> = topology.nodes.iter().map(at).collect();
        let found = name.parse::<NodeName>().unwrap().find(topology.nodes.iter().zip(&reached))?;
        Ok(found.to_string()[39..].to_owned())
    }

    #[test]
    fn every_kind_of_name_finds_its_node() {
        for (name, digit) in [
            ("AB", "2"),
            ("ab00000000000000000000000000000000000002", "2"),
            ("10.0.0.1:7002", "2"),
            ("Two.example.com", "2"),
            ("two.example.com:7002", "2"),
            ("7002", "2"),
            ("localhost", "1"),
            ("localhost:7001", "1"),
            ("70000", "1"),
            ("::1", "3"),
            ("::1:7000", "3"),
            ("[::1]:7000", "3"),
        ] {
            assert_eq!(find(name).as_deref(), Ok(digit), "{name}");
        }
    }

    #[test]
    fn names_of_none_and_of_several_are_told() {
        for name in ["two", "10.0.0.1:7000", "7003", "b", "0", "localhost:7002"] {
            assert_eq!(find(name), Err(NodeNameError::Unknown(name.into())));
        }
        for (name, others) in
            [("a", ["ab0", "ac0"]), ("10.0.0.1", ["700", "ab0"]), ("7000", ["700", "ac0"])]
        {
            let error = find(name).unwrap_err().to_string();
            assert!(others.iter().all(|id| error.contains(id)), "{error}");
        }
        assert_eq!("".parse::<NodeName>(), Err(NotANodeName));
        assert_eq!("a b".parse::<NodeName>(), Err(NotANodeName));
    }
}
