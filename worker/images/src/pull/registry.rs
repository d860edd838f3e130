//! The conversation with one registry, and what its refusals mean.

use std::time::Duration;

use oci_client::client::{ClientConfig, ClientProtocol, SizedStream};
use oci_client::errors::OciDistributionError;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};

use super::fault::Fault;
use super::{PullError, PullOptions};
use crate::rules::digest::{Digest, DigestMismatch};
use crate::rules::document::{self, ACCEPTED, Descriptor};
use crate::rules::reference::Reference;
use crate::rules::transport::is_plain_http;
use crate::store::blocking;

/// How long a registry may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a registry may stay silent in the middle of an answer.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// Is a registry that has been reached and agreed to talk.
pub(crate) struct Registry {
    client: Client,
    auth: RegistryAuth,
    /// What is asked for.
    reference: Reference,
    scheme: &'static str,
}

impl Registry {
    /// Reaches the registry of `reference` and logs in if it wants that.
    pub(crate) async fn connect(reference: &Reference, options: &PullOptions) -> Result<Self, PullError> {
        let is_plain = is_plain_http(reference.registry(), &options.insecure);
        let protocol = if is_plain { ClientProtocol::Http } else { ClientProtocol::Https };
        // Reading the system's certificates blocks.
        let client = blocking(move || new_client(protocol)).await?;
        let auth = match &options.auth {
            Some(basic) => RegistryAuth::Basic(basic.username.clone(), basic.password.clone()),
            None => RegistryAuth::Anonymous,
        };
        let scheme = if is_plain { "http" } else { "https" };
        let registry = Self { client, auth, reference: reference.clone(), scheme };
        let target = registry.target(None);
        let login = registry.client.auth(&target, &registry.auth, RegistryOperation::Pull);
        login.await.map_err(|error| registry.explain(error))?;
        Ok(registry)
    }

    /// Returns the registry's host and port.
    pub(crate) fn name(&self) -> String {
        self.reference.registry().to_owned()
    }

    /// Gets a manifest or index: the one with the given digest, else the one that was asked for.
    ///
    /// The size is checked once it has been received, because the client offers no earlier chance.
    pub(crate) async fn manifest(&self, digest: Option<Digest>) -> Result<Vec<u8>, PullError> {
        let target = self.target(digest);
        let (bytes, _) = self
            .client
            .pull_manifest_raw(&target, &self.auth, &ACCEPTED)
            .await
            .map_err(|error| self.explain(error))?;
        document::check_size("the manifest", bytes.len() as u64)
            .map_err(|source| PullError::Document { reference: Box::new(self.reference.clone()), source })?;
        if let Some(expected) = digest.or(self.reference.digest()) {
            self.check(expected, Digest::of(&bytes), "manifest")?;
        }
        Ok(bytes.to_vec())
    }

    /// Starts to get a blob. The stream itself checks nothing that its reader relies on.
    pub(crate) async fn blob(&self, blob: &Descriptor) -> Result<SizedStream, PullError> {
        // Only ever from the registry itself: a manifest may name other places, and those are not ours to visit.
        let stream = self.client.pull_blob_stream(&self.target(None), blob.digest.to_string().as_str()).await;
        stream.map_err(|error| self.explain(error))
    }

    /// Compares what came with what was asked for.
    pub(crate) fn check(&self, expected: Digest, got: Digest, what: &str) -> Result<(), PullError> {
        let wrong = |source| PullError::Digest { registry: self.name(), source };
        expected.check(got, format_args!("{what} of {}", self.reference)).map_err(wrong)
    }

    fn target(&self, digest: Option<Digest>) -> oci_client::Reference {
        let (registry, repository) = (self.name(), self.reference.repository().to_owned());
        match (digest.or(self.reference.digest()), self.reference.tag()) {
            (Some(digest), _) => oci_client::Reference::with_digest(registry, repository, digest.to_string()),
            (None, tag) => {
                let tag = tag.expect("a reference without a digest has a tag").to_owned();
                oci_client::Reference::with_tag(registry, repository, tag)
            }
        }
    }

    pub(crate) fn explain(&self, error: OciDistributionError) -> PullError {
        let (reference, registry) = (Box::new(self.reference.clone()), self.name());
        match Fault::of(&error) {
            Fault::NotFound(reason) => PullError::NotFound { reference, registry, reason },
            Fault::Denied(reason) => PullError::Denied { reference, registry, reason },
            Fault::RateLimited(reason) => PullError::RateLimited { registry, reason },
            Fault::Digest { expected, got } => {
                let what = format!("manifest of {reference}");
                PullError::Digest { registry, source: DigestMismatch { what, expected, got } }
            }
            Fault::Transport => {
                PullError::Unreachable { registry, scheme: self.scheme, source: Box::new(error) }
            }
            Fault::Other => PullError::Registry { reference, registry, source: Box::new(error) },
        }
    }
}

/// Makes a client; reads the system's certificates, also for registries that are reached without TLS.
fn new_client(protocol: ClientProtocol) -> Result<Client, PullError> {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Fails only if another thread was faster, which is just as well.
        drop(rustls::crypto::ring::default_provider().install_default());
    }
    let config = ClientConfig {
        protocol,
        connect_timeout: Some(CONNECT_TIMEOUT),
        read_timeout: Some(SILENCE_TIMEOUT),
        user_agent: concat!("shoal/", env!("CARGO_PKG_VERSION")),
        ..ClientConfig::default()
    };
    Client::try_from(config).map_err(|source| PullError::Tls(Box::new(source)))
}
