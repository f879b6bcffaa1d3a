//! The program as its users run it: on real servers, on terminals, beside the clients whose names it takes.
//!
//! One program of many modules: its tests run side by side, and it is linked once.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod completions;
mod databases;
mod debugger;
mod declared;
mod dialects;
mod documents;
mod failover;
mod fire;
mod fleet;
mod health;
mod hostile_terminal;
mod interrupt;
#[allow(dead_code, reason = "the tests of ops use all of it")]
#[path = "../../ops/tests/keys/mod.rs"]
mod keys;
mod lab;
mod large;
mod meet;
mod modes;
mod peer_lines;
mod prompt;
mod questions;
mod replace;
mod replay;
mod restore;
mod roll;
mod secrets;
mod served;
mod status;
mod support;
mod terminal_lines;
mod tls;
mod top;
mod transcripts;
mod verbs;
mod walk;
