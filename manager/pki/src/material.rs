//! What a node shows and trusts in TLS, replaceable while connections are open.

use crate::identity::{IdentityError, NodeIdentity};
use arc_swap::ArcSwap;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::sync::Arc;

/// A node's certificate and key, and the root it trusts.
#[derive(Clone)]
pub struct Material {
    /// The node's certificate (PEM).
    pub cert_pem: String,
    /// Its private key (PKCS#8, PEM).
    pub key_pem: String,
    /// The cluster's root certificate (PEM).
    pub root_pem: String,
}

/// Says why a node's certificate can't be used.
#[derive(Debug, thiserror::Error)]
pub enum MaterialError {
    /// A PEM text is not what it should be.
    #[error("the node's {what} can't be read")]
    Pem {
        /// Which.
        what: &'static str,
        /// Why.
        #[source]
        source: rustls::pki_types::pem::Error,
    },
    /// The certificate names no node.
    #[error("the node's certificate does not say who it is")]
    Identity(#[source] IdentityError),
    /// rustls refuses the parts.
    #[error("the node's certificate, key and root do not go together")]
    Tls(#[source] rustls::Error),
    /// rustls refuses the root.
    #[error("the cluster's root certificate can't be used to check others")]
    Verifier(#[source] rustls::client::VerifierBuilderError),
}

/// The TLS settings made from one [`Material`].
struct Loaded {
    identity: NodeIdentity,
    material: Material,
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
}

/// A node's present credentials. Clones share them: a renewed certificate serves the next connection
/// of every listener and dialler, and those that are open go on.
#[derive(Clone)]
pub struct Credentials {
    loaded: Arc<ArcSwap<Loaded>>,
}

impl Credentials {
    /// Takes up a node's certificate.
    pub fn new(material: Material) -> Result<Self, MaterialError> {
        Ok(Self { loaded: Arc::new(ArcSwap::from_pointee(Loaded::new(material)?)) })
    }

    /// Replaces the certificate with a renewed one.
    pub fn replace(&self, material: Material) -> Result<(), MaterialError> {
        self.loaded.store(Arc::new(Loaded::new(material)?));
        Ok(())
    }

    /// Who this node is.
    pub fn identity(&self) -> NodeIdentity {
        self.loaded.load().identity
    }

    /// The certificate, key and root in use.
    pub fn material(&self) -> Material {
        self.loaded.load().material.clone()
    }

    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.loaded.load().client.clone()
    }

    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.loaded.load().server.clone()
    }
}

impl Loaded {
    fn new(material: Material) -> Result<Self, MaterialError> {
        let identity = NodeIdentity::of_pem(&material.cert_pem).map_err(MaterialError::Identity)?;
        let chain = || certificates("certificate", &material.cert_pem);
        let key = || {
            PrivateKeyDer::from_pem_slice(material.key_pem.as_bytes())
                .map_err(|source| MaterialError::Pem { what: "key", source })
        };
        let roots = Arc::new(root_store(&material.root_pem)?);
        let mut client = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(MaterialError::Tls)?
            .with_root_certificates(roots.clone())
            .with_client_auth_cert(chain()?, key()?)
            .map_err(MaterialError::Tls)?;
        client.alpn_protocols = vec![b"h2".to_vec()];
        // A node that joins has no certificate yet; every service but the CA's refuses it.
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider())
            .allow_unauthenticated()
            .build()
            .map_err(MaterialError::Verifier)?;
        let mut server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(MaterialError::Tls)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain()?, key()?)
            .map_err(MaterialError::Tls)?;
        server.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { identity, client: Arc::new(client), server: Arc::new(server), material })
    }
}

/// The one crypto provider: ring, which needs no cmake and is in the tree anyway.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub(crate) fn root_store(root_pem: &str) -> Result<RootCertStore, MaterialError> {
    let mut roots = RootCertStore::empty();
    for root in certificates("root certificate", root_pem)? {
        roots.add(root).map_err(MaterialError::Tls)?;
    }
    Ok(roots)
}

fn certificates(what: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|source| MaterialError::Pem { what, source })
}
