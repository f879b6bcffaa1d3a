//! Where a node can be reached.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use smol_str::SmolStr;

/// A node's address as the cluster knows it.
///
/// ```
/// use redistrib_cluster_model::Address;
///
/// let address: Address = "[::1]:7000".parse()?;
/// assert_eq!((address.host.as_str(), address.port), ("::1", 7000));
/// assert_eq!(address.to_string(), "::1:7000");
/// # Ok::<(), redistrib_cluster_model::AddressError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Address {
    /// An IP address (IPv6 without brackets) or a name. Empty for a fresh node, which does not know
    /// its own address until another node has met it.
    pub host: SmolStr,
    /// The port for clients; 0 when the node does not know it.
    pub port: u16,
    /// The port of the cluster bus; servers before 4.0 do not print it (there it is `port` + 10000).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bus_port: Option<u16>,
    /// The name that the node announces beside its IP address (servers from 7.0).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<SmolStr>,
}

/// A text that is not an address of the form `host:port`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// There is no `:` before a port.
    #[error("an address is written host:port, and no port is given")]
    NoPort,
    /// There is nothing before the port.
    #[error("an address is written host:port, and no host is given")]
    NoHost,
    /// The port, or the bus port after `@`, is not a number from 1 to 65535.
    #[error("a port is a number from 1 to 65535")]
    BadPort,
    /// A bracket that is not closed, or text between the bracket and the port.
    #[error("an IPv6 address in brackets is written [address]:port")]
    BadBrackets,
}

impl Address {
    /// The address of this host and port, with nothing else known.
    pub fn new(host: impl Into<SmolStr>, port: u16) -> Address {
        Address { host: host.into(), port, bus_port: None, hostname: None }
    }

    /// The port of the cluster bus: as printed, or `port` + 10000, where every server opens it
    /// by default. None if that is above 65535.
    pub fn bus_port(&self) -> Option<u16> {
        self.bus_port.or_else(|| self.port.checked_add(10_000))
    }
}

/// `host:port`, IPv6 without brackets, as servers print it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    /// What people type: `host:port`, `[::1]:7000`, `::1:7000` (the last colon counts), each with
    /// an optional `@busport`.
    fn from_str(text: &str) -> Result<Address, AddressError> {
        let (text, bus_port) = match text.rsplit_once('@') {
            Some((text, bus)) => (text, Some(port(bus)?)),
            None => (text, None),
        };
        let (host, digits) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, digits) = rest.split_once(']').ok_or(AddressError::BadBrackets)?;
                if digits.is_empty() {
                    return Err(AddressError::NoPort);
                }
                (host, digits.strip_prefix(':').ok_or(AddressError::BadBrackets)?)
            }
            None => text.rsplit_once(':').ok_or(AddressError::NoPort)?,
        };
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        Ok(Address { bus_port, ..Address::new(host, port(digits)?) })
    }
}

/// A port that something can listen on.
fn port(digits: &str) -> Result<u16, AddressError> {
    match digits.parse() {
        Ok(port) if port > 0 && !digits.starts_with('+') => Ok(port),
        _ => Err(AddressError::BadPort),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_type() {
        for (text, host, port, bus) in [
            ("127.0.0.1:7000", "127.0.0.1", 7000, 17000),
            ("localhost:1", "localhost", 1, 10001),
            ("::1:7000", "::1", 7000, 17000),
            ("[fe80::1%eth0]:7000", "fe80::1%eth0", 7000, 17000),
            ("10.0.0.1:7000@27000", "10.0.0.1", 7000, 27000),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.host.as_str(), address.port), (host, port), "{text}");
            assert_eq!(address.bus_port(), Some(bus), "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        use AddressError::*;
        for (text, error) in [
            ("", NoPort),
            ("localhost", NoPort),
            ("[::1]", NoPort),
            (":7000", NoHost),
            ("[]:7000", NoHost),
            ("a:0", BadPort),
            ("a:+1", BadPort),
            ("a:65536", BadPort),
            ("a:", BadPort),
            ("a:1@", BadPort),
            ("[::1:7000", BadBrackets),
            ("[::1]7000", BadBrackets),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn the_default_bus_port_may_not_exist() {
        assert_eq!(Address::new("h", 60000).bus_port(), None);
    }
}
