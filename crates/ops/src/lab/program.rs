//! Which server program runs.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;

/// The environment variable that names the server program where no option does.
pub const SERVER_VARIABLE: &str = "REDIS_TRIB_SERVER";

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

pub(super) fn is_program(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
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
