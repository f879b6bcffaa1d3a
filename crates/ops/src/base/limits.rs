//! What the system grants this process: open files and connections, and threads.

use std::fs;
use std::io;
use std::thread::{Builder, JoinHandle, Scope, ScopedJoinHandle};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};

/// How much room the stack of a thread gets: a fourth of what is usual, as a limit of memory (`ulimit -v`) counts all of it.
const STACK: usize = 512 << 10;
/// Descriptors that are left for all else: files, the terminal, name service.
const SPARE_FILES: usize = 32;

/// Raises the limit of open files to the most that the system lets this process have.
///
/// ```
/// redistrib_ops::limits::raise_open_files()?;
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
/// Those of the system.
pub fn raise_open_files() -> io::Result<()> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(())
}

/// How many files and connections this process may have open.
pub(crate) fn open_files() -> usize {
    let limit = getrlimit(Resource::RLIMIT_NOFILE).map_or(rlim_t::MAX, |(soft, _)| soft);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// How many connections it may open beside what is open already.
pub(crate) fn free_files() -> usize {
    open_files().saturating_sub(files_in_use() + SPARE_FILES)
}

/// How many files and connections it would have open with so many connections more.
pub(crate) fn files_with(connections: usize) -> usize {
    files_in_use() + SPARE_FILES + connections
}

/// Where the system does not say, it is none.
fn files_in_use() -> usize {
    match fs::read_dir("/dev/fd") {
        Ok(open) => open.count(),
        Err(error) if is_exhausted(&error) => open_files(),
        Err(_) => 0,
    }
}

/// Whether the process, or the system, has no descriptor left.
pub(crate) fn is_exhausted(error: &io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(errno, Some(Errno::EMFILE | Errno::ENFILE))
}

/// Runs work on a thread of its own.
///
/// # Errors
/// Where the system grants no more threads, which says nothing of any server.
pub(crate) fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<JoinHandle<T>> {
    Builder::new().stack_size(STACK).spawn(work).map_err(|error| no_thread(&error))
}

/// [`spawn`] for work that borrows.
///
/// # Errors
/// Those of [`spawn`].
pub(crate) fn spawn_scoped<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    let spawned = Builder::new().stack_size(STACK).spawn_scoped(scope, work);
    spawned.map_err(|error| no_thread(&error))
}

fn no_thread(error: &io::Error) -> io::Error {
    let text = format!(
        "the system grants this process no more threads (`ulimit -u`, `ulimit -v`, or the limit of its container): {error}"
    );
    io::Error::new(error.kind(), text)
}
