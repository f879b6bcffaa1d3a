//! Where a server listens.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use redistrib_cluster_model::Address;

use super::in_time::in_time;

/// How long a connection, or the name of its host, is waited for unless the caller says otherwise.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not an address: write HOST:PORT with a port from 1 to 65535")]
pub struct ParseEndpointError {
    /// The text.
    pub text: String,
}

/// A host name that resolves to nothing.
#[derive(Debug, thiserror::Error)]
#[error("{node}: the host name does not resolve: {source}")]
pub struct ResolveError {
    /// Whose name.
    pub node: Endpoint,
    /// The resolver's error.
    pub source: io::Error,
}

/// The place a server is reached at: a host and port, or the path of a Unix socket.
///
/// ```
/// use redistrib_ops::Endpoint;
/// let node: Endpoint = "127.0.0.1:7000".parse()?;
/// assert_eq!(node.to_string(), "127.0.0.1:7000");
/// assert_eq!("[::1]:7000".parse::<Endpoint>()?, Endpoint::tcp("::1", 7000));
/// # Ok::<(), redistrib_ops::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Endpoint {
    /// A TCP port of a host (a name, an IPv4 or an IPv6 address without brackets).
    Tcp {
        /// Name or address.
        host: String,
        /// Port, never 0.
        port: u16,
    },
    /// A Unix domain socket.
    Unix(PathBuf),
}

impl Endpoint {
    /// A TCP endpoint.
    pub fn tcp(host: impl Into<String>, port: u16) -> Self {
        Self::Tcp { host: host.into(), port }
    }

    /// The host part; a Unix socket is on this machine.
    pub fn host(&self) -> &str {
        match self {
            Self::Tcp { host, .. } => host,
            Self::Unix(_) => "localhost",
        }
    }

    /// The port, where there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp { port, .. } => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// As the model has addresses; a Unix socket has port 0.
    pub(crate) fn address(&self) -> Address {
        Address::new(self.host(), self.port().unwrap_or_default())
    }

    /// The socket addresses the host's name stands for, waited for as long as for a connection.
    pub(crate) fn resolve(&self) -> Result<Vec<SocketAddr>, ResolveError> {
        self.resolve_within(CONNECT_TIMEOUT)
    }

    /// The socket addresses the host's name stands for, if they are known within `patience`.
    pub(crate) fn resolve_within(
        &self,
        patience: Duration,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        let Self::Tcp { host, port } = self else { return Ok(Vec::new()) };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, *port)]);
        }
        let name = (host.clone(), *port);
        let ask = move || name.to_socket_addrs().map(Iterator::collect);
        in_time(patience, "the resolver", ask)
            .map_err(|source| ResolveError { node: self.clone(), source })
    }
}

/// Where a server listens by default.
impl Default for Endpoint {
    fn default() -> Self {
        Self::tcp("127.0.0.1", 6379)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = ParseEndpointError;

    /// Reads `host:port`, `[v6]:port`, `v6:port` (the last colon divides) or `/path/of/socket`. A bus port behind
    /// it, as in `host:port@cport`, is taken and not used: the node itself says which one it has.
    fn from_str(text: &str) -> Result<Self, ParseEndpointError> {
        if text.starts_with('/') {
            return Ok(Self::Unix(text.into()));
        }
        let malformed = || ParseEndpointError { text: text.to_owned() };
        let (address, bus_port) = text.split_once('@').unwrap_or((text, "0"));
        bus_port.parse::<u16>().map_err(|_| malformed())?;
        let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
        let host = host.strip_prefix('[').map_or(Some(host), |rest| rest.strip_suffix(']'));
        let host = host.filter(|host| is_plausible_host(host)).ok_or_else(malformed)?;
        match port.parse() {
            Ok(port) if port > 0 => Ok(Self::tcp(host, port)),
            _ => Err(malformed()),
        }
    }
}

fn is_plausible_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | ':' | '-' | '_' | '%'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_address_is_refused_by_name() {
        for text in [
            "",
            ":",
            "host",
            "host:",
            "host:0",
            "host:70000",
            "host:7000x",
            ":7000",
            "[::1:7000",
            "h:7000@",
            "h:7000@x",
            "h@1:7000",
            "a b:1",
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(&format!("{text:?}")), "{error}");
        }
    }

    #[test]
    fn the_last_colon_divides_host_and_port() {
        assert_eq!("::1:7000".parse::<Endpoint>().unwrap(), Endpoint::tcp("::1", 7000));
        assert_eq!("node-1.example:6379".parse::<Endpoint>().unwrap().port(), Some(6379));
        assert_eq!("h:7000@17000".parse::<Endpoint>().unwrap(), Endpoint::tcp("h", 7000));
        assert_eq!("/run/redis.sock".parse::<Endpoint>().unwrap().port(), None);
    }

    #[test]
    fn names_are_resolved() {
        let found = Endpoint::tcp("localhost", 1).resolve().unwrap();
        assert!(found.iter().all(|address| address.ip().is_loopback()) && !found.is_empty());
    }
}
