//! How connections are made.

use std::time::Duration;

use super::{Credentials, TlsSettings};
use crate::base::endpoint::CONNECT_TIMEOUT;

/// What every connection of an operation has in common. All nodes of a cluster are taken to accept the
/// same credentials.
///
/// ```
/// use redistrib_ops::Settings;
/// use std::time::Duration;
/// let patient = Settings { timeout: Duration::from_secs(60), ..Settings::default() };
/// assert!(patient.credentials.is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Settings {
    /// Sent as AUTH on every new connection.
    pub credentials: Option<Credentials>,
    /// Speaks TLS where set.
    pub tls: Option<TlsSettings>,
    /// How long to wait for a connection, TLS handshake included. Default 5 s.
    pub connect_timeout: Duration,
    /// How long to wait for an answer; a long answer that keeps coming at 1 MiB a second or more may
    /// take longer. Default 15 s.
    pub timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            credentials: None,
            tls: None,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: Duration::from_secs(15),
        }
    }
}
