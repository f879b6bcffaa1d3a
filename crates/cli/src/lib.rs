//! The command line of redis-trib: what its arguments mean, in three dialects, and how answers look.
//!
//! It is a library so that the fuzzer and the tests reach it; the program is `main.rs`.

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

pub mod args;
pub mod commands;
pub mod dialect;
pub mod escape;
mod hidden;
pub mod interrupt;
pub mod output;
pub mod plot;
pub mod prompt;
pub mod remedy;
pub mod render;
pub mod report;
pub mod secrets;
pub mod shell;
pub mod style;
pub mod top;
pub mod voice;
