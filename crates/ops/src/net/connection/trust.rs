//! Which servers are trusted: the chain of a server's certificate, and its name only where that is asked for.
//!
//! Certificates of Redis servers often name nobody, or the service and not the host, and Redis's own script makes
//! some of X.509 version 1. So, as redis-cli does, the chain is checked and the name is not, unless the caller
//! wants it. webpki checks chains of version 3. What it refuses to read is version 1, and a server's own
//! certificate in the place of an authority's; these two are checked here.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{self, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use x509_parser::prelude::{ASN1Time, FromDer, X509Certificate, X509Version};

/// Whom we take for the server.
#[derive(Debug)]
pub(super) struct Trust {
    /// `None`: anybody.
    pub(super) authorities: Option<Authorities>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
}

/// Those whose word is taken for who a server is.
#[derive(Debug)]
pub(super) struct Authorities {
    pub(super) roots: RootCertStore,
    /// The certificates that the user has named, as they are: a server's own may be among them.
    pub(super) named: Vec<CertificateDer<'static>>,
    /// Whether the certificate must be for the name that is asked for.
    pub(super) check_name: bool,
}

impl Authorities {
    fn verify_chain(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> Result<(), Error> {
        if self.named.contains(server) {
            return in_force(&parse(server)?, now);
        }
        let parsed = parse(server)?;
        if parsed.version() == X509Version::V1 {
            return self.verify_first_version(&parsed, now);
        }
        let server = ParsedCertificate::try_from(server)?;
        let (roots, algorithms) = (&self.roots, algorithms.all);
        verify_server_cert_signed_by_trust_anchor(&server, roots, intermediates, now, algorithms)
    }

    /// Version 1 has no extensions that could say more than whose key it is. It must be signed by an authority that
    /// the user has named: no other gives out such certificates.
    fn verify_first_version(
        &self,
        server: &X509Certificate<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        in_force(server, now)?;
        for named in &self.named {
            let authority = parse(named)?;
            let signed = server.issuer() == authority.subject()
                && may_sign(&authority)
                && server.verify_signature(Some(authority.public_key())).is_ok();
            if signed {
                return in_force(&authority, now);
            }
        }
        Err(CertificateError::UnknownIssuer.into())
    }
}

/// Whether a certificate may be an authority's: of version 1 those may that are signed by themselves.
fn may_sign(authority: &X509Certificate<'_>) -> bool {
    match authority.version() {
        X509Version::V1 => authority.subject() == authority.issuer(),
        _ => authority.is_ca(),
    }
}

fn parse<'a>(certificate: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, Error> {
    let parsed = X509Certificate::from_der(certificate);
    parsed.map(|(_, parsed)| parsed).map_err(|_| CertificateError::BadEncoding.into())
}

fn in_force(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Error> {
    let now = i64::try_from(now.as_secs()).ok().and_then(|now| ASN1Time::from_timestamp(now).ok());
    let now = now.ok_or(CertificateError::Expired)?;
    let validity = certificate.validity();
    if now < validity.not_before {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// Whether a certificate is for a name. As in OpenSSL, the common name counts where no other name stands in it.
fn verify_name(server: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let parsed = parse(server)?;
    let others = parsed.subject_alternative_name().map_err(|_| CertificateError::BadEncoding)?;
    if others.is_some() {
        return verify_server_name(&ParsedCertificate::try_from(server)?, name);
    }
    let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let presented: Vec<String> = common.map(str::to_owned).collect();
    if presented.iter().any(|common| common.eq_ignore_ascii_case(&name.to_str())) {
        return Ok(());
    }
    Err(CertificateError::NotValidForNameContext { expected: name.to_owned(), presented }.into())
}

impl ServerCertVerifier for Trust {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(authorities) = &self.authorities {
            authorities.verify_chain(server, intermediates, now, &self.algorithms)?;
            if authorities.check_name {
                verify_name(server, name)?;
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(server).is_ok() {
            return crypto::verify_tls12_signature(message, server, signature, &self.algorithms);
        }
        let parsed = parse(server)?;
        let key = &parsed.public_key().subject_public_key.data;
        let known = self.algorithms.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme);
        let mut fitting = known.into_iter().flat_map(|(_, algorithms)| algorithms.iter());
        let holds = fitting.any(|algorithm| {
            algorithm.verify_signature(key, message, signature.signature()).is_ok()
        });
        if holds {
            return Ok(HandshakeSignatureValid::assertion());
        }
        Err(CertificateError::BadSignature.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        server: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        if ParsedCertificate::try_from(server).is_ok() {
            return crypto::verify_tls13_signature(message, server, signature, &self.algorithms);
        }
        let parsed = parse(server)?;
        let key = SubjectPublicKeyInfoDer::from(parsed.public_key().raw);
        crypto::verify_tls13_signature_with_raw_key(message, &key, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
