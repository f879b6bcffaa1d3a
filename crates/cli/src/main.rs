//! The terminal tool for Redis and Valkey clusters.
fn main() {}
