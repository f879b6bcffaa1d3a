//! The three kinds of byte stream a server is reached over, with one deadline for each wait.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::base::in_time::in_time;
use crate::base::limits;
use crate::conn::tls;
use crate::error::{Error, Result};
use crate::{Endpoint, Settings};

/// The least speed at which an answer is still taken to be under way, in bytes a second. A deadline
/// moves on by what has arrived at this speed: long answers may take long, and none lasts for ever.
const LEAST_SPEED: u64 = 1 << 20;

/// A connected byte stream.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<tls::TlsStream>),
    /// None as yet, or given back: it takes no descriptor.
    Resting,
}

impl Stream {
    /// Connects, trying each of the host's addresses until one answers.
    pub(super) fn open(endpoint: &Endpoint, settings: &Settings) -> Result<Self> {
        if let Endpoint::Unix(path) = endpoint {
            // The system answers at once, unless the server lives and has left its queue full.
            let path = path.clone();
            let connect = move || UnixStream::connect(path);
            let connected = in_time(settings.connect_timeout, "the server", connect);
            return connected.map(Self::Unix).map_err(|source| connect_error(endpoint, source));
        }
        let tcp = connect_tcp(endpoint, settings.connect_timeout)?;
        tcp.set_nodelay(true).map_err(|source| connect_error(endpoint, source))?;
        match &settings.tls {
            None => Ok(Self::Tcp(tcp)),
            Some(tls) => tls
                .connect(tcp, endpoint, settings.connect_timeout)
                .map(|stream| Self::Tls(Box::new(stream))),
        }
    }

    /// Ends the stream one way, or both so that nothing that comes late is read. It may have ended already.
    pub(super) fn shutdown(&self, how: Shutdown) {
        let _ = match self {
            Self::Tcp(tcp) => tcp.shutdown(how),
            Self::Unix(unix) => unix.shutdown(how),
            Self::Tls(tls) => tls.sock.shutdown(how),
            Self::Resting => Ok(()),
        };
    }

    pub(super) fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.set_nonblocking(nonblocking),
            Self::Unix(unix) => unix.set_nonblocking(nonblocking),
            Self::Tls(tls) => tls.sock.set_nonblocking(nonblocking),
            Self::Resting => Ok(()),
        }
    }

    fn set_timeouts(&self, wait: Duration) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => set_tcp_timeouts(tcp, wait),
            Self::Tls(tls) => set_tcp_timeouts(&tls.sock, wait),
            Self::Unix(unix) => {
                unix.set_read_timeout(Some(wait))?;
                unix.set_write_timeout(Some(wait))
            }
            Self::Resting => Ok(()),
        }
    }

    /// Writes all of `bytes` before `deadline`.
    pub(super) fn write_all(
        &mut self,
        mut bytes: &[u8],
        deadline: &mut Deadline,
    ) -> io::Result<()> {
        while !bytes.is_empty() {
            self.set_timeouts(deadline.remaining()?)?;
            match self.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    deadline.extend(written);
                    bytes = &bytes[written..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.flush()
    }

    /// Sets how long the next read may block.
    pub(super) fn arm(&self, deadline: &Deadline) -> io::Result<()> {
        self.set_timeouts(deadline.remaining()?)
    }
}

fn set_tcp_timeouts(tcp: &TcpStream, wait: Duration) -> io::Result<()> {
    tcp.set_read_timeout(Some(wait))?;
    tcp.set_write_timeout(Some(wait))
}

fn connect_error(endpoint: &Endpoint, source: io::Error) -> Error {
    if limits::is_exhausted(&source) {
        return Error::OpenFiles { limit: limits::open_files(), needed: None };
    }
    Error::Connect { node: endpoint.clone(), source }
}

fn connect_tcp(endpoint: &Endpoint, timeout: Duration) -> Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host name has no address");
    for address in endpoint.resolve_within(timeout)? {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(connect_error(endpoint, last))
}

impl Read for Stream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read(buf),
            Self::Unix(unix) => unix.read(buf),
            Self::Tls(tls) => tls.read(buf),
            Self::Resting => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.write(buf),
            Self::Unix(unix) => unix.write(buf),
            Self::Tls(tls) => tls.write(buf),
            Self::Resting => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.flush(),
            Self::Unix(unix) => unix.flush(),
            Self::Tls(tls) => tls.flush(),
            Self::Resting => Ok(()),
        }
    }
}

/// When a wait ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadline {
    at: Instant,
}

impl Deadline {
    pub(super) fn after(wait: Duration) -> Self {
        let now = Instant::now();
        Self { at: now.checked_add(wait).unwrap_or(now + Duration::from_secs(86_400)) }
    }

    /// Moves the deadline on by what `bytes` may take.
    pub(super) fn extend(&mut self, bytes: usize) {
        self.at += Duration::from_nanos(bytes as u64 * 1_000_000_000 / LEAST_SPEED);
    }

    fn remaining(&self) -> io::Result<Duration> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
    }
}
