//! What tests, benches and the demo need of a lab: the servers that `make servers` fetches, and passing labs of them.

use std::env;
use std::path::PathBuf;

use super::failure::Failure;
use super::node::LabServer;
use super::program::is_program;
use super::{LabOptions, Layout, TempLab};
use crate::{Cancel, Context, Silent};

/// The environment variable that names the folder of the test servers.
pub const TEST_SERVERS_VARIABLE: &str = "REDIS_TRIB_TEST_SERVERS";

/// One of the servers that `make servers` fetches for tests, benches and the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestServer {
    /// Kind and version, as in `redis-6.2`.
    pub name: &'static str,
    /// The server program.
    pub program: PathBuf,
}

impl TestServer {
    /// The names of all test servers.
    pub const NAMES: [&'static str; 6] =
        ["redis-6.2", "redis-7.0", "redis-8.2", "redis-8.6", "valkey-8.1", "valkey-9.1"];

    /// All test servers.
    ///
    /// # Errors
    /// [`NoTestServer`] for the first that is missing.
    pub fn all() -> Result<Vec<Self>, NoTestServer> {
        Self::NAMES.iter().map(|name| Self::named(name)).collect()
    }

    /// The test server of this name. It is looked for in the folder that `REDIS_TRIB_TEST_SERVERS` names, else in
    /// `target/servers` of the package under test (as cargo gives it) or of the working folder, or above.
    ///
    /// # Errors
    /// [`NoTestServer`] where `make servers` has yet to run.
    pub fn named(name: &'static str) -> Result<Self, NoTestServer> {
        let kind = name.split('-').next().unwrap_or(name);
        let program = test_servers_folder().join(name).join("bin").join(format!("{kind}-server"));
        if !is_program(&program) {
            return Err(NoTestServer { path: program });
        }
        Ok(Self { name, program })
    }

    /// One of the peers' newest clients, which come without a server: `redis-cli-8.0` or `valkey-cli-9.1`.
    ///
    /// # Errors
    /// [`NoTestServer`] where `make servers` has yet to run.
    pub fn client(name: &str) -> Result<PathBuf, NoTestServer> {
        let kind = name.rsplit_once('-').map_or(name, |(kind, _)| kind);
        let path = test_servers_folder().join(name).join("bin").join(kind);
        if is_program(&path) { Ok(path) } else { Err(NoTestServer { path }) }
    }

    /// A client or tool that came with the server (`redis-cli`, `valkey-cli`, `redis-benchmark`), where one did.
    pub fn tool(&self, name: &str) -> Option<PathBuf> {
        Some(self.program.with_file_name(name)).filter(|path| is_program(path))
    }
}

/// A test server that is not there.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}: no such test server: run `make servers`", path.display())]
pub struct NoTestServer {
    /// The program that was looked for.
    pub path: PathBuf,
}

/// Turns functions of a [`TestServer`] into tests: for each function a module of its name with one test for
/// each server. A server that is not there fails its test.
///
/// ```
/// redistrib_ops::on_each_test_server! {
///     /// A server that is up says so.
///     fn a_server_starts(server) {
///         let lab = redistrib_ops::lab::TempLab::plain(server, 1).unwrap();
///         assert!(lab.status()[0].is_up());
///     }
/// }
/// ```
#[macro_export]
macro_rules! on_each_test_server {
    ($($(#[$attribute:meta])* fn $name:ident($server:ident) $body:block)*) => { $(
        $(#[$attribute])*
        #[allow(clippy::unwrap_used)]
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn run(name: &'static str) {
                let found = $crate::lab::TestServer::named(name);
                let $server = &found.unwrap_or_else(|missing| panic!("{missing}"));
                $body
            }

            #[test]
            fn redis_6_2() {
                run("redis-6.2");
            }

            #[test]
            fn redis_7_0() {
                run("redis-7.0");
            }

            #[test]
            fn redis_8_2() {
                run("redis-8.2");
            }

            #[test]
            fn redis_8_6() {
                run("redis-8.6");
            }

            #[test]
            fn valkey_8_1() {
                run("valkey-8.1");
            }

            #[test]
            fn valkey_9_1() {
                run("valkey-9.1");
            }
        }
    )* };
}

fn test_servers_folder() -> PathBuf {
    if let Some(folder) = env::var_os(TEST_SERVERS_VARIABLE) {
        return folder.into();
    }
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let start = package.or_else(|| env::current_dir().ok()).unwrap_or_default();
    let found =
        start.ancestors().map(|folder| folder.join("target/servers")).find(|path| path.is_dir());
    found.unwrap_or_else(|| start.join("target/servers"))
}

impl TempLab {
    /// A cluster of `masters` masters with `replicas` replicas each.
    ///
    /// # Errors
    /// Those of [`Lab::up`](super::Lab::up).
    pub fn cluster(server: &TestServer, masters: usize, replicas: usize) -> Result<Self, Failure> {
        Self::up(LabOptions {
            nodes: Some(masters * (replicas + 1)),
            replicas: Some(replicas),
            layout: Some(Layout::Cluster),
            server: Some(server.program.clone()),
            ..LabOptions::default()
        })
    }

    /// `count` servers in cluster mode that do not know each other.
    ///
    /// # Errors
    /// Those of [`Lab::up`](super::Lab::up).
    pub fn nodes(server: &TestServer, count: usize) -> Result<Self, Failure> {
        Self::unrelated(server, count, Layout::Nodes)
    }

    /// `count` servers that are not in cluster mode.
    ///
    /// # Errors
    /// Those of [`Lab::up`](super::Lab::up).
    pub fn plain(server: &TestServer, count: usize) -> Result<Self, Failure> {
        Self::unrelated(server, count, Layout::Plain)
    }

    fn unrelated(server: &TestServer, count: usize, layout: Layout) -> Result<Self, Failure> {
        Self::up(LabOptions {
            nodes: Some(count),
            replicas: Some(0),
            layout: Some(layout),
            server: Some(server.program.clone()),
            ..LabOptions::default()
        })
    }

    fn node(&self, index: usize) -> &LabServer {
        &self.nodes[index]
    }

    /// Ends a server at once, as a crash would. Returns whether it ran.
    ///
    /// # Panics
    /// Where there is no server with this index; as for all that take one.
    pub fn kill(&self, index: usize) -> bool {
        self.node(index).kill()
    }

    /// Starts a server that has ended, or lets a paused one continue, and waits until it is ready.
    ///
    /// # Errors
    /// Those of [`Lab::start`](super::Lab::start).
    pub fn restart(&self, index: usize) -> Result<(), Failure> {
        let cancel = Cancel::new();
        self.start(index, Context::new(&Silent, &cancel)).map(drop)
    }

    /// The last lines of a server's log.
    pub fn log_end(&self, index: usize) -> String {
        self.node(index).log_end()
    }
}
