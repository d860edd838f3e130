//! A node's key and the request to sign it.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};

/// A new private key, and the request that asks for a certificate for it.
pub struct KeyAndRequest {
    /// The private key (PKCS#8, PEM). It never leaves the node.
    pub key_pem: String,
    /// The request (PKCS#10, PEM).
    pub csr_pem: String,
}

/// Says that a key could not be made.
#[derive(Debug, thiserror::Error)]
#[error("failed to make a key for this node's certificate")]
pub struct RequestError(#[source] rcgen::Error);

/// Makes a key (ECDSA P-256) and a request for it. The request names nobody: the authority decides
/// what the certificate says.
pub fn new_key() -> Result<KeyAndRequest, RequestError> {
    let key = KeyPair::generate().map_err(RequestError)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let csr = params.serialize_request(&key).and_then(|csr| csr.pem()).map_err(RequestError)?;
    Ok(KeyAndRequest { key_pem: key.serialize_pem(), csr_pem: csr })
}
