//! What this library does to real servers, and what it makes of servers that lie.
//!
//! One program of many modules: its tests run side by side, and it is linked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod atomic;
mod bench;
mod bus;
mod busy;
mod client;
mod comings;
mod databases;
mod fitness;
mod fix;
mod fleet;
mod hostile_server;
mod keys;
mod lab;
mod lock;
mod membership;
mod migrate;
mod redis_trib_py;
mod runner;
mod stand_ins;
mod support;
mod transfer;
mod undo;
