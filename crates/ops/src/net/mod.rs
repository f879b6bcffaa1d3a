//! Servers and the connections to them: addresses, TCP, TLS and Unix sockets, log-in, one command and its reply.

pub(crate) mod connection;
pub(crate) mod endpoint;
