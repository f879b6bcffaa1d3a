//! TLS that cannot be set up.

/// Why TLS cannot be set up as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// The library refuses its own settings.
    #[error("TLS: {0}")]
    Library(String),
    /// A certificate without its key, or a key alone.
    #[error("TLS: a certificate of ours and its key go together")]
    HalfAnIdentity,
    /// A name that no server can have.
    #[error("TLS: {0:?} is no server name")]
    ServerName(String),
    /// Neither the system nor a file has an authority.
    #[error("TLS: no certificate authority to trust")]
    NoAuthority,
    /// A file that holds no certificate or key, or not those that go together.
    #[error("{path}: {why}")]
    Content {
        /// The file.
        path: String,
        /// What is wrong with what is in it.
        why: String,
    },
}
