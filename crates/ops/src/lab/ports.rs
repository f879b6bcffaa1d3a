//! Which ports are free.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::RangeInclusive;
use std::sync::{Mutex, PoisonError};

use super::failure::{BUS_OFFSET, Failure, HIGHEST_PORT, TakenPort};

/// Where ports of the lab's own choice come from. Neither these nor their bus ports are those that the
/// system gives to outgoing connections (32768 and above), and the two ranges do not meet.
const CHOICE: RangeInclusive<u16> = 10_000..=19_999;

const ATTEMPTS: usize = 200;

/// The ports of `nodes` nodes from `first` on.
pub(super) fn block(first: u16, nodes: usize) -> Result<Vec<u16>, Failure> {
    let ports: Vec<u16> = (first..=HIGHEST_PORT).take(nodes).collect();
    if first == 0 || ports.len() < nodes {
        return Err(Failure::PortRange { first, nodes });
    }
    Ok(ports)
}

/// Fails with all the ports that are taken, bus ports included where there is a bus.
pub(super) fn require_free(ports: &[u16], bus: bool) -> Result<(), Failure> {
    let own = ports.iter().map(|&port| TakenPort { port, bus: false });
    let buses = ports.iter().map(|port| TakenPort { port: port + BUS_OFFSET, bus: true });
    let needed = own.chain(buses.filter(|_| bus));
    let taken: Vec<_> = needed.filter(|needed| !is_free(needed.port)).collect();
    if taken.is_empty() { Ok(()) } else { Err(Failure::PortsTaken(taken)) }
}

/// Whether a server could listen on the port. Only what listens now is in the way: connections of an
/// earlier listener that linger are not (std binds with SO_REUSEADDR, as the servers do).
pub(super) fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The first of `nodes` ports in a row that are free now, bus ports too. Another process may take them
/// before a server does; so whoever starts servers on them tries again with others, as
/// [`TempLab`](super::TempLab) does.
///
/// One process gets other ports each time, until it has had them all: where a server has just ended, nodes that knew it would
/// find a stranger.
///
/// # Errors
/// [`Failure::NoFreePorts`].
pub fn free_ports(nodes: usize) -> Result<u16, Failure> {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    for _ in 0..ATTEMPTS {
        let first = {
            let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
            let first = in_choice(next.unwrap_or_else(random), nodes);
            *next = Some(first.saturating_add(u16::try_from(nodes).unwrap_or(u16::MAX)));
            first
        };
        if require_free(&block(first, nodes)?, true).is_ok() {
            return Ok(first);
        }
    }
    Err(Failure::NoFreePorts { nodes, attempts: ATTEMPTS })
}

/// The port itself where so many fit into the choice from it on, or else the first of the choice.
fn in_choice(port: u16, nodes: usize) -> u16 {
    let fits = usize::from(port) + nodes <= usize::from(*CHOICE.end()) + 1;
    if CHOICE.contains(&port) && fits { port } else { *CHOICE.start() }
}

/// A port of the choice, different in each process: std seeds its hashers so.
fn random() -> u16 {
    let count = u64::from(CHOICE.end() - CHOICE.start()) + 1;
    let number = RandomState::new().build_hasher().finish() % count;
    CHOICE.start() + u16::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bus_port_has_to_fit_too() {
        assert_eq!(block(55_534, 2).unwrap(), [55_534, 55_535]);
        assert!(matches!(block(55_534, 3), Err(Failure::PortRange { first: 55_534, nodes: 3 })));
        assert!(block(0, 1).is_err());
        assert!(block(u16::MAX, 1).is_err());
    }

    #[test]
    fn ports_are_not_given_twice() {
        let mut given = std::collections::BTreeSet::new();
        for _ in 0..300 {
            let first = free_ports(6).unwrap();
            assert!((first..first + 6).all(|port| given.insert(port)), "{first}");
        }
    }

    #[test]
    fn every_taken_port_is_named() {
        let first = free_ports(3).unwrap();
        let _own = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        let _bus = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 2 + BUS_OFFSET)).unwrap();
        let ports = block(first, 3).unwrap();
        let message = require_free(&ports, true).unwrap_err().to_string();
        let bus = first + 2 + BUS_OFFSET;
        assert_eq!(
            message,
            format!(
                "ports {first}, {bus} (cluster bus port of {}) are taken: nothing was started",
                first + 2
            )
        );
        assert!(
            require_free(&ports[1..], false).is_ok(),
            "without a bus the bus port does not matter"
        );
    }

    #[test]
    fn a_listener_on_all_addresses_is_in_the_way_too() {
        let first = free_ports(1).unwrap();
        let _all = TcpListener::bind((Ipv4Addr::UNSPECIFIED, first)).unwrap();
        assert!(!is_free(first));
    }
}
