//! What stands in for TLS where this crate is built without it: types that have no values.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::Endpoint;
use crate::error::Result;

/// What a TLS connection needs; without the feature `tls` there is no way to make one.
#[derive(Clone, Debug)]
pub struct TlsSettings(Infallible);

impl TlsSettings {
    pub(crate) fn verifies_names(&self) -> bool {
        match self.0 {}
    }

    pub(super) fn connect(&self, _: TcpStream, _: &Endpoint, _: Duration) -> Result<TlsStream> {
        match self.0 {}
    }
}

#[derive(Debug)]
pub(super) struct TlsStream {
    pub(super) sock: TcpStream,
    never: Infallible,
}

impl Read for TlsStream {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.never {}
    }
}

impl Write for TlsStream {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.never {}
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.never {}
    }
}
