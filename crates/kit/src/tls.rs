//! TLS for servers: a certificate from files, or a self-signed one for a devnet.

use std::{io, path::Path, sync::Arc};

use axum_server::tls_rustls::RustlsConfig;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _},
};

/// What a server needs to speak TLS 1.2 and 1.3.
#[derive(Clone, Debug)]
pub struct Tls {
    pub(crate) config: RustlsConfig,
    certificate: CertificateDer<'static>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that cannot be read as PEM.
    #[error("cannot read {what} from {path}: {reason}")]
    Pem {
        /// Certificate or key.
        what: &'static str,
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The certificate cannot be made.
    #[error("cannot make a self-signed certificate")]
    SelfSigned(#[from] rcgen::Error),
    /// The certificate and the key do not go together.
    #[error("the certificate or its key cannot be used")]
    Config(#[from] rustls::Error),
    /// The key cannot be stored.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Tls {
    /// A fresh certificate for `names` (host names or addresses), signed by itself: clients must be told to trust it.
    ///
    /// # Errors
    /// When a name is none.
    pub fn self_signed(names: &[&str]) -> Result<Self, TlsError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names)?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Self::new(vec![made.cert.der().clone()], key.into())
    }

    /// Certificate chain and key from PEM files.
    ///
    /// # Errors
    /// When a file cannot be read or the two do not go together.
    pub fn from_pem_files(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let bad = |what, path: &Path, error: rustls::pki_types::pem::Error| TlsError::Pem {
            what,
            path: path.display().to_string(),
            reason: error.to_string(),
        };
        let certificates = CertificateDer::pem_file_iter(chain)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| bad("a certificate chain", chain, error))?;
        let key =
            PrivateKeyDer::from_pem_file(key).map_err(|error| bad("a private key", key, error))?;
        Self::new(certificates, key)
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let certificate =
            chain.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        // The provider is named, so that the process default does not matter.
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self { config: RustlsConfig::from_config(Arc::new(config)), certificate })
    }

    /// The server's certificate in DER, for clients that pin it.
    #[must_use]
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate
    }
}
