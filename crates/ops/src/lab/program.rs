//! Which server program runs.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// The environment variable that names the server program where no option does.
pub const SERVER_VARIABLE: &str = "REDIS_TRIB_SERVER";

/// The environment variable that names the folder of the test servers.
pub const TEST_SERVERS_VARIABLE: &str = "REDIS_TRIB_TEST_SERVERS";

/// The server program to run: the one named, else the one `REDIS_TRIB_SERVER` names, else
/// `valkey-server` or `redis-server` of the PATH, in this order. The path is absolute; a link is not
/// followed, because servers look at the name they are called by.
///
/// # Errors
/// [`Failure::NoServer`], or [`Failure::NotAProgram`] for one that was named.
pub fn find_server(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let variable =
        env::var_os(SERVER_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let path = env::var_os("PATH").unwrap_or_default();
    find(named, variable.as_deref(), &path)
}

fn find(named: Option<&Path>, variable: Option<&Path>, path: &OsStr) -> Result<PathBuf, Failure> {
    let on_path = |name: &Path| {
        env::split_paths(path)
            .map(|folder| folder.join(name))
            .find(|candidate| is_program(candidate))
    };
    let Some(wanted) = named.or(variable) else {
        let known = ["valkey-server", "redis-server"];
        let found = known.iter().find_map(|name| on_path(Path::new(name)));
        return found.and_then(|path| std::path::absolute(path).ok()).ok_or(Failure::NoServer);
    };
    // As a shell would: what has no slash in it is looked for on the PATH.
    let is_bare =
        wanted.components().count() == 1 && !wanted.as_os_str().as_encoded_bytes().contains(&b'/');
    let candidate = if is_bare { on_path(wanted) } else { Some(wanted.to_owned()) };
    candidate
        .filter(|path| is_program(path))
        .and_then(|path| std::path::absolute(path).ok())
        .ok_or_else(|| Failure::NotAProgram { path: wanted.to_owned() })
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

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
    /// [`Failure::NoTestServer`] for the first that is missing.
    pub fn all() -> Result<Vec<Self>, Failure> {
        Self::NAMES.iter().map(|name| Self::named(name)).collect()
    }

    /// The test server of this name. It is looked for in the folder that `REDIS_TRIB_TEST_SERVERS` names, else in
    /// `target/servers` of the package under test (as cargo tells it) or of the working folder, or above.
    ///
    /// # Errors
    /// [`Failure::NoTestServer`] where `make servers` has yet to run.
    pub fn named(name: &'static str) -> Result<Self, Failure> {
        let kind = name.split('-').next().unwrap_or(name);
        let program = test_servers_folder().join(name).join("bin").join(format!("{kind}-server"));
        if !is_program(&program) {
            return Err(Failure::NoTestServer { path: program });
        }
        Ok(Self { name, program })
    }

    /// One of the peers' newest clients, which come without a server: `redis-cli-8.0` or `valkey-cli-9.1`.
    ///
    /// # Errors
    /// [`Failure::NoTestServer`] where `make servers` has yet to run.
    pub fn client(name: &str) -> Result<PathBuf, Failure> {
        let kind = name.rsplit_once('-').map_or(name, |(kind, _)| kind);
        let path = test_servers_folder().join(name).join("bin").join(kind);
        if is_program(&path) { Ok(path) } else { Err(Failure::NoTestServer { path }) }
    }

    /// A client or tool that came with the server (`redis-cli`, `valkey-cli`, `redis-benchmark`), where one did.
    pub fn tool(&self, name: &str) -> Option<PathBuf> {
        Some(self.program.with_file_name(name)).filter(|path| is_program(path))
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn program(folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[test]
    fn named_comes_before_variable_before_path() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (program(folder.path(), "a"), program(folder.path(), "b"));
        let path = folder.path().as_os_str();
        assert!(matches!(find(None, None, path), Err(Failure::NoServer)));
        let redis = program(folder.path(), "redis-server");
        assert_eq!(find(None, None, path).unwrap(), redis);
        let valkey = program(folder.path(), "valkey-server");
        assert_eq!(find(None, None, path).unwrap(), valkey);
        assert_eq!(find(None, Some(&b), path).unwrap(), b);
        assert_eq!(find(Some(&a), Some(&b), path).unwrap(), a);
        assert_eq!(find(Some(Path::new("redis-server")), None, path).unwrap(), redis);
    }

    #[test]
    fn what_cannot_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text");
        fs::write(&text, "").unwrap();
        for path in [
            text.as_path(),
            folder.path(),
            Path::new("/no/such/server"),
            Path::new("no-such-server"),
        ] {
            let error = find(Some(path), None, OsStr::new("")).unwrap_err();
            assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
        }
    }
}
