//! TLS for outgoing connections: one provider (ring), the system's roots loaded when first needed, and the few
//! settings of a `tls_config` block.

use crate::Error;
use rustls::{
    ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Where trust and our own certificate come from. Files are read when a client is first used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Options {
    /// Trusted instead of the system's roots.
    pub ca: Option<Pem>,
    /// Our certificate.
    pub cert: Option<Pem>,
    /// Its key.
    pub key: Option<Pem>,
    /// The name to expect instead of the host's.
    pub server_name: Option<String>,
    /// Whom to believe.
    pub verify: Verify,
}

/// Whether the other side must prove who it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Verify {
    /// It must.
    #[default]
    Full,
    /// Anybody will do: the connection is private, but not known to be with the right one.
    None,
}

/// A PEM text, or the file that holds it. Debug output shows no text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Pem {
    /// In this file.
    File(PathBuf),
    /// This.
    Text(String),
}

impl std::fmt::Debug for Pem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Pem::File(path) => write!(f, "Pem({})", path.display()),
            Pem::Text(_) => f.write_str("Pem(…)"),
        }
    }
}

/// A configuration that is built when it is first needed, once: reading the system's roots is not free.
/// Clones share it.
#[derive(Clone, Default)]
pub(crate) struct Lazy {
    options: Options,
    made: Arc<OnceLock<Result<Arc<ClientConfig>, Error>>>,
}

impl Lazy {
    pub(crate) fn new(options: Options) -> Lazy {
        Lazy { options, made: Arc::default() }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The configuration; a failure is remembered too.
    pub(crate) async fn get(&self) -> Result<Arc<ClientConfig>, Error> {
        if let Some(made) = self.made.get() {
            return made.clone();
        }
        let lazy = self.clone();
        let making = tokio::task::spawn_blocking(move || {
            lazy.made.get_or_init(|| client_config(&lazy.options)).clone()
        });
        let stopped = |_| Err(Error::Tls { peer: "anybody".to_owned(), why: "it was stopped".to_owned() });
        making.await.unwrap_or_else(stopped)
    }
}

/// Makes the connection private, as `options` say. `host` is what the certificate must name.
pub(crate) async fn handshake(
    stream: TcpStream,
    host: &str,
    config: Arc<ClientConfig>,
    server_name: Option<&str>,
) -> Result<TlsStream<TcpStream>, Error> {
    let fail = |why: String| Error::Tls { peer: host.to_owned(), why };
    let name = ServerName::try_from(server_name.unwrap_or(host).to_owned())
        .map_err(|_| fail("the host's name cannot stand in a certificate".to_owned()))?;
    TlsConnector::from(config).connect(name, stream).await.map_err(|e| fail(e.to_string()))
}

/// Reads files and, unless a root is given, the system's certificates: this blocks for some milliseconds.
fn client_config(options: &Options) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("ring supports the protocol versions that rustls holds safe");
    let builder = match options.verify {
        Verify::None => builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider))),
        Verify::Full => builder.with_root_certificates(roots(options.ca.as_ref())?),
    };
    let config = match (&options.cert, &options.key) {
        (Some(cert), Some(key)) => {
            let path = shown(key);
            let chain = certificates(cert)?;
            let key = PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|e| Error::File {
                path: path.clone(),
                why: format!("it holds no private key: {e}"),
            })?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|e| Error::File { path, why: format!("key and certificate do not fit: {e}") })?
        }
        _ => builder.with_no_client_auth(),
    };
    Ok(Arc::new(config))
}

fn roots(ca: Option<&Pem>) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    match ca {
        Some(ca) => {
            for certificate in certificates(ca)? {
                store.add(certificate).map_err(|e| Error::File {
                    path: shown(ca),
                    why: format!("a certificate is unusable: {e}"),
                })?;
            }
        }
        None => {
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    Ok(store)
}

fn certificates(pem: &Pem) -> Result<Vec<CertificateDer<'static>>, Error> {
    let fail = |why: String| Error::File { path: shown(pem), why };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(pem)?).collect();
    let found = found.map_err(|e| fail(format!("it is no PEM file: {e}")))?;
    if found.is_empty() { Err(fail("it holds no certificate".to_owned())) } else { Ok(found) }
}

fn read(pem: &Pem) -> Result<Vec<u8>, Error> {
    match pem {
        Pem::Text(text) => Ok(text.clone().into_bytes()),
        Pem::File(path) => {
            std::fs::read(path).map_err(|e| Error::File { path: path.clone(), why: crate::guard::plain(&e) })
        }
    }
}

fn shown(pem: &Pem) -> PathBuf {
    match pem {
        Pem::File(path) => path.clone(),
        Pem::Text(_) => Path::new("the certificate in the configuration").to_owned(),
    }
}

/// Believes everybody, but still checks that the handshake is signed by the key that was shown.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
