//! TLS by rustls: whom we trust, and who we are.

use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fmt, io};

use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ClientConnection, InconsistentKeys, RootCertStore, StreamOwned};

use super::trust::{Authorities, Trust};
use crate::error::{Error, Result};
use crate::{Endpoint, TlsSetupError};

pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// What is said of a peer that does not answer the handshake.
const NO_HANDSHAKE: &str = "no handshake in time";

/// What a TLS connection needs: built once from files, then shared by all connections.
#[derive(Clone)]
pub struct TlsSettings {
    config: Arc<ClientConfig>,
    server_name: Option<ServerName<'static>>,
    verify_name: bool,
}

impl fmt::Debug for TlsSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSettings")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

/// The files and names that [`TlsSettings::load`] reads, as redis-cli's options of the same names.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// A PEM file of certificate authorities to trust.
    pub cacert: Option<PathBuf>,
    /// A folder of such files.
    pub cacertdir: Option<PathBuf>,
    /// Our own certificate chain, PEM.
    pub cert: Option<PathBuf>,
    /// The private key of `cert`, PEM.
    pub key: Option<PathBuf>,
    /// The server name to ask for, instead of the host connected to; the certificate must be for it.
    pub sni: Option<String>,
    /// Whether the certificate must be for the host connected to. Otherwise, as in redis-cli, it is enough that one
    /// of the authorities has signed it, for whichever of its servers.
    pub verify_name: bool,
    /// Takes any certificate of the server. Passwords can then be read by who sits in between.
    pub insecure: bool,
}

impl TlsSettings {
    /// Reads the certificates and keys. Without `cacert` and `cacertdir` the system's authorities are trusted.
    ///
    /// # Errors
    /// [`Error::File`] for what cannot be read, [`Error::TlsSetup`] for what is in it.
    pub fn load(options: &TlsOptions) -> Result<Self> {
        let provider = Arc::new(crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| TlsSetupError::Library(error.to_string()))?;
        let trust = Trust {
            authorities: (!options.insecure).then(|| authorities(options)).transpose()?,
            algorithms: provider.signature_verification_algorithms,
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(trust));
        let config = match (&options.cert, &options.key) {
            (None, None) => builder.with_no_client_auth(),
            (Some(cert), Some(key)) => {
                let identity = identity(&provider, cert, key)?;
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(identity)))
            }
            _ => return Err(TlsSetupError::HalfAnIdentity.into()),
        };
        let server_name = options.sni.as_deref().map(parse_server_name).transpose()?;
        Ok(Self { config: Arc::new(config), server_name, verify_name: options.verify_name })
    }

    /// Whether hosts must have certificates for their names.
    pub(crate) fn verifies_names(&self) -> bool {
        self.verify_name
    }

    pub(super) fn connect(
        &self,
        tcp: TcpStream,
        node: &Endpoint,
        wait: Duration,
    ) -> Result<TlsStream> {
        let failed = |reason: String| Error::Tls { node: node.clone(), reason };
        let name = match &self.server_name {
            Some(name) => name.clone(),
            None if self.verify_name => parse_server_name(node.host())?,
            // Nobody looks at it, so a host may have a name that TLS does not know.
            None => parse_server_name(node.host())
                .unwrap_or_else(|_| ServerName::from(IpAddr::from(Ipv4Addr::UNSPECIFIED))),
        };
        let connection = ClientConnection::new(self.config.clone(), name)
            .map_err(|error| failed(error.to_string()))?;
        let mut stream = StreamOwned::new(connection, tcp);
        shake_hands(&mut stream, wait).map_err(|error| match error.kind() {
            // So a socket says that its time is up.
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => failed(NO_HANDSHAKE.into()),
            _ => failed(error.to_string()),
        })?;
        Ok(stream)
    }
}

/// Finishes the handshake within `wait` in all, however slowly the peer drips its bytes.
fn shake_hands(stream: &mut TlsStream, wait: Duration) -> io::Result<()> {
    let until = Instant::now() + wait;
    while stream.conn.is_handshaking() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.sock.set_read_timeout(Some(left))?;
        stream.sock.set_write_timeout(Some(left))?;
        while stream.conn.wants_write() {
            stream.conn.write_tls(&mut stream.sock)?;
        }
        if stream.conn.is_handshaking() {
            if stream.conn.read_tls(&mut stream.sock)? == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the server closed the connection",
                ));
            }
            stream.conn.process_new_packets().map_err(io::Error::other)?;
        }
    }
    while stream.conn.wants_write() {
        stream.conn.write_tls(&mut stream.sock)?;
    }
    Ok(())
}

fn parse_server_name(name: &str) -> Result<ServerName<'static>> {
    ServerName::try_from(name.to_owned())
        .map_err(|_| TlsSetupError::ServerName(name.to_owned()).into())
}

fn authorities(options: &TlsOptions) -> Result<Authorities> {
    let mut files: Vec<PathBuf> = options.cacert.iter().cloned().collect();
    if let Some(folder) = &options.cacertdir {
        let entries = std::fs::read_dir(folder).map_err(|source| Error::file(folder, source))?;
        files.extend(
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_file()),
        );
    }
    let named: Vec<_> = files.iter().map(|file| certificates(file)).collect::<Result<_>>()?;
    let named = named.concat();
    let mut roots = RootCertStore::empty();
    if options.cacert.is_none() && options.cacertdir.is_none() {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    }
    roots.add_parsable_certificates(named.iter().cloned());
    if roots.is_empty() && named.is_empty() {
        return Err(TlsSetupError::NoAuthority.into());
    }
    Ok(Authorities { roots, named, check_name: options.sni.is_some() || options.verify_name })
}

/// Our own certificate with its key. rustls would not read one of version 1; servers may.
fn identity(provider: &CryptoProvider, cert: &Path, key: &Path) -> Result<CertifiedKey> {
    let signer = provider.key_provider.load_private_key(private_key(key)?);
    let signer = signer.map_err(|error| wrong_content(key, error))?;
    let identity = CertifiedKey::new(certificates(cert)?, signer);
    match identity.keys_match() {
        Err(error @ rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
            Err(wrong_content(cert, error))
        }
        _ => Ok(identity),
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let pem = std::fs::read(path).map_err(|source| Error::file(path, source))?;
    CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong_content(path, error))
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>> {
    let pem = std::fs::read(path).map_err(|source| Error::file(path, source))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| wrong_content(path, error))
}

fn wrong_content(path: &Path, why: impl ToString) -> Error {
    TlsSetupError::Content { path: path.display().to_string(), why: why.to_string() }.into()
}
