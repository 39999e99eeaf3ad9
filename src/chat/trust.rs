//! Which servers a client trusts when it speaks TLS, and what it says when one cannot be trusted.
//!
//! A server's certificate must be signed by an authority that this machine trusts, or by one of a file, must name the
//! server as it was typed, and must be valid today. There is deliberately no way to do without: whoever cannot be
//! checked may be anybody. Each error names what is wrong and what would mend it.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, Error, InvalidMessage, RootCertStore, crypto, pki_types,
};

use super::object::harmless;
use super::stream::HandshakeError;

/// Names of a certificate that an error shows.
const NAMES_MAX: usize = 5;

/// What is trusted, and as whom the server must prove itself.
#[derive(Clone, Debug)]
pub struct Trust {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// The file that the authorities are from, when they are not this machine's.
    file: Option<PathBuf>,
}

impl Trust {
    /// For the server at `address`, which has a port. The authorities are those of this machine, or of `file`. Errors
    /// are texts with their mending.
    pub fn new(address: &str, file: Option<&Path>) -> Result<Self, String> {
        let name = name_of(address)?;
        let roots = match file {
            Some(file) => roots_of_file(file).map_err(|wrong| format!("--tls-ca {}: {wrong}", file.display()))?,
            None => roots_of_machine()?,
        };
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("this provider has what these versions need")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name, file: file.map(Path::to_owned) })
    }

    /// The state of one connection.
    pub fn begin(&self) -> Result<ClientConnection, HandshakeError> {
        ClientConnection::new(Arc::clone(&self.config), self.name.clone()).map_err(HandshakeError::Tls)
    }

    /// Why the two sides have not come to speak TLS, and what would mend that.
    pub fn explain(&self, error: &HandshakeError) -> String {
        const NO_TLS: &str = "is its port one for TLS? a server without TLS is spoken to without --tls";
        match error {
            HandshakeError::Closed => format!("the server closed instead of answering in TLS; {NO_TLS}"),
            HandshakeError::NoAnswer => format!("no answer in TLS; {NO_TLS}"),
            HandshakeError::Io(error) => error.to_string(),
            HandshakeError::Tls(Error::InvalidCertificate(wrong)) => self.explain_certificate(wrong),
            HandshakeError::Tls(Error::InvalidMessage(
                InvalidMessage::InvalidContentType
                | InvalidMessage::UnknownProtocolVersion
                | InvalidMessage::MessageTooLarge
                | InvalidMessage::InvalidEmptyPayload,
            )) => format!("what answers there does not speak TLS; {NO_TLS}"),
            HandshakeError::Tls(Error::AlertReceived(alert)) => format!("the server refused to speak TLS: {alert:?}"),
            HandshakeError::Tls(Error::PeerIncompatible(why)) => {
                format!("the server's TLS is not one of this client's, which are 1.2 and 1.3: {why:?}")
            }
            HandshakeError::Tls(error) => format!("TLS failed: {error}"),
        }
    }

    fn explain_certificate(&self, wrong: &CertificateError) -> String {
        let name = self.name.to_str();
        match wrong {
            // A bad signature is that of an authority that was made anew under its old name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => match &self.file {
                Some(file) => format!("the server's certificate is signed by none of those in {}", file.display()),
                None => "the server's certificate is signed by nobody that this machine trusts; if you know who signed \
                         it, give that certificate: --tls-ca FILE"
                    .to_owned(),
            },
            CertificateError::NotValidForNameContext { presented, .. } => {
                let names = presented.iter().take(NAMES_MAX).map(|name| harmless(plain_name(name)));
                let names: Vec<String> = names.collect();
                let more = if presented.len() > NAMES_MAX { " and others" } else { "" };
                match names.is_empty() {
                    true => format!("the server's certificate names no server, so it is not one for {name}"),
                    false => format!(
                        "the server's certificate is for {}{more}, not for {name}; if it is the same server, use that \
                         name in its address",
                        names.join(", ")
                    ),
                }
            }
            CertificateError::ExpiredContext { not_after, .. } => format!(
                "the server's certificate has expired on {}; its operator must renew it, unless the clock of this \
                 machine is wrong",
                date(not_after)
            ),
            CertificateError::NotValidYetContext { not_before, .. } => format!(
                "the server's certificate is not valid before {}; is the clock of this machine right?",
                date(not_before)
            ),
            CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
            CertificateError::InvalidPurposeContext { .. } => {
                "the server's certificate is not one for servers; its operator must get another".to_owned()
            }
            // The checker's own error type is not exported.
            CertificateError::Other(error) if format!("{error:?}").contains("CaUsedAsEndEntity") => {
                "the server shows the certificate of an authority as its own; its operator must make one for the server, \
                 with openssl: -addext basicConstraints=critical,CA:FALSE"
                    .to_owned()
            }
            wrong => format!("the server's certificate is not accepted: {}", Error::InvalidCertificate(wrong.clone())),
        }
    }
}

/// Whom a certificate must name: the host of an address, which has a port. Without a host, and for the address of every
/// interface, it is this machine.
fn name_of(address: &str) -> Result<ServerName<'static>, String> {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    // What is behind it says by which interface an address is reached.
    let host = host.split('%').next().unwrap_or_default().trim_end_matches('.');
    let every = [IpAddr::from(Ipv4Addr::UNSPECIFIED), IpAddr::from(Ipv6Addr::UNSPECIFIED)];
    match ServerName::try_from(host.to_owned()) {
        Ok(ServerName::IpAddress(ip)) if every.contains(&ip) => Ok(local()),
        Ok(name) => Ok(name),
        Err(_) if host.is_empty() => Ok(local()),
        Err(_) => Err(format!("{host:?} is no name that a certificate can have")),
    }
}

fn local() -> ServerName<'static> {
    ServerName::try_from("localhost").expect("it is a name")
}

fn roots_of_file(file: &Path) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| match error {
        pki_types::pem::Error::Io(error) => error.to_string(),
        error => error.to_string(),
    })?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| error.to_string())?;
        roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
    }
    if roots.is_empty() {
        return Err("no certificate in it; one begins with -----BEGIN CERTIFICATE-----".to_owned());
    }
    Ok(roots)
}

fn roots_of_machine() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    // One that cannot be used signs nothing, and the others do.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "--tls: no certificates of authorities on this machine{why}; install them (Debian: ca-certificates), or give \
             them: --tls-ca FILE"
        ));
    }
    Ok(roots)
}

/// `a.example` of `DnsName("a.example")`.
fn plain_name(shown: &str) -> &str {
    let inside = shown.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(shown);
    inside.trim_matches('"')
}

fn date(time: &UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let time = Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX);
    time.to_zoned(TimeZone::UTC).date().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_must_name_the_host_of_the_address() {
        for (address, expected) in [
            ("chat.example.org:6697", "chat.example.org"),
            ("chat.example.org.:6697", "chat.example.org"),
            ("127.0.0.1:1", "127.0.0.1"),
            ("[::1]:1", "::1"),
            ("[fe80::1%2]:1", "fe80::1"),
            (":8888", "localhost"),
            ("0.0.0.0:1", "localhost"),
            ("[::]:1", "localhost"),
        ] {
            assert_eq!(name_of(address).unwrap().to_str(), expected, "{address}");
        }
        assert_eq!(name_of("a b:1").unwrap_err(), "\"a b\" is no name that a certificate can have");
    }

    #[test]
    fn a_file_without_certificates_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        let wrong = || Trust::new("localhost:1", Some(&path)).unwrap_err();
        let name = path.display();
        assert_eq!(wrong(), format!("--tls-ca {name}: No such file or directory (os error 2)"));
        std::fs::write(&path, "what is no certificate\n").unwrap();
        let expected = "no certificate in it; one begins with -----BEGIN CERTIFICATE-----";
        assert_eq!(wrong(), format!("--tls-ca {name}: {expected}"));
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        assert!(wrong().starts_with(&format!("--tls-ca {name}: a certificate in it cannot be used: ")), "{}", wrong());
    }
}
