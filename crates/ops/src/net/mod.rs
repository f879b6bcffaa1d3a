//! Connections to servers: TCP, TLS and Unix sockets, log-in, commands and their replies.

pub(crate) mod connection;
