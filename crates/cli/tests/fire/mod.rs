//! The tool under fire: live traffic, sudden deaths, broken connections, odd keys, rivals.
//!
//! Every test drives the program itself on a cluster of its own, and asks afterwards what a user would ask:
//! is each key where it belongs, once, with its value; are all slots owned and none left open. With
//! `REDIS_TRIB_LONG=1` the tests take minutes instead of seconds.

mod atomic;
mod comings;
mod creations;
mod declared;
mod field;
mod harms;
mod keys;
mod killed;
mod line;
mod live;
mod nodes;
mod obstacles;
mod rivals;
mod tool;

use redistrib_benches::census::Census;
use redistrib_benches::stage::{Plan, Stage};
use redistrib_ops::lab::TestServer;

/// How many rounds of something: a few, or many in a long run.
fn rounds(few: usize, many: usize) -> usize {
    if is_long() { many } else { few }
}

fn is_long() -> bool {
    std::env::var_os("REDIS_TRIB_LONG").is_some()
}

/// Tells how far a long run is.
fn tell(text: &str) {
    if is_long() {
        println!("{text}");
    }
}

/// A cluster on a test server.
fn stage(server: &TestServer, plan: &Plan) -> Stage {
    Stage::set(server, plan).unwrap()
}

/// The server for tests that need only one.
fn redis_7() -> TestServer {
    TestServer::named("redis-7.0").unwrap()
}

/// What should hold after all is done: these keys, each once and at home, and no slot open.
#[track_caller]
fn assert_sound(stage: &Stage, keys: usize) {
    let census = Census::take(stage.port(0)).unwrap();
    assert!(census.is_clean() && census.keys.len() == keys, "not {keys} keys: {census}");
}
