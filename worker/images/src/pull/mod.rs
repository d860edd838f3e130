//! Pulling images from registries.

mod download;
mod fault;
pub(crate) mod flight;
pub mod progress;
mod registry;
mod transfer;

use std::fmt;

use oci_client::errors::OciDistributionError;

use crate::disk::fs::FsError;
use crate::disk::layers::LayerError;
use crate::rules::config::ConfigError;
use crate::rules::digest::{Digest, DigestMismatch, ImageId};
use crate::rules::document::DocumentError;
use crate::rules::platform::PlatformError;
use crate::rules::reference::Reference;
use crate::store::StoreError;

/// Says how to reach registries.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct PullOptions {
    /// Registries that are spoken to without TLS, each a host or a host with port. Loopback needs no entry.
    pub insecure: Vec<String>,
    /// Who is asking; nobody in particular if none.
    pub auth: Option<BasicAuth>,
}

/// Holds a user name and password or token for a registry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BasicAuth {
    /// The user name.
    pub username: String,
    /// The password or token; never shown.
    pub password: String,
}

impl fmt::Debug for BasicAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BasicAuth").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Says why an image was not pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry does not have it.
    #[error("{reference} was not found: registry {registry} says {reason}")]
    NotFound {
        /// What was asked for.
        reference: Box<Reference>,
        /// Who was asked.
        registry: String,
        /// The registry's answer.
        reason: String,
    },
    /// The registry wants other credentials.
    #[error("registry {registry} refuses access to {reference}: check that it exists, and log in ({reason})")]
    Denied {
        /// What was asked for.
        reference: Box<Reference>,
        /// Who was asked.
        registry: String,
        /// The registry's answer.
        reason: String,
    },
    /// The registry wants fewer requests.
    #[error("registry {registry} limits how much is pulled: log in, or try again later ({reason})")]
    RateLimited {
        /// Who was asked.
        registry: String,
        /// The registry's answer.
        reason: String,
    },
    /// No connection, or it broke.
    #[error(
        "cannot reach registry {registry} by {scheme}: check its address, and whether it must be listed as insecure"
    )]
    Unreachable {
        /// Who was asked.
        registry: String,
        /// `http` or `https`.
        scheme: &'static str,
        /// What went wrong.
        #[source]
        source: Box<OciDistributionError>,
    },
    /// The registry's answer makes no sense.
    #[error("registry {registry} failed to deliver {reference}")]
    Registry {
        /// What was asked for.
        reference: Box<Reference>,
        /// Who was asked.
        registry: String,
        /// What went wrong.
        #[source]
        source: Box<OciDistributionError>,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS: install the system's CA certificates (package ca-certificates)")]
    Tls(#[source] Box<OciDistributionError>),
    /// A blob ended early.
    #[error("registry {registry} sent only {received} of {expected} bytes of blob {blob}: try again")]
    Truncated {
        /// Who was asked.
        registry: String,
        /// The blob.
        blob: Digest,
        /// What the manifest says, in bytes.
        expected: u64,
        /// What came, in bytes.
        received: u64,
    },
    /// A blob did not end.
    #[error("registry {registry} sends more than the {expected} bytes that blob {blob} should have")]
    TooLong {
        /// Who was asked.
        registry: String,
        /// The blob.
        blob: Digest,
        /// What the manifest says, in bytes.
        expected: u64,
    },
    /// Something else came than was asked for.
    #[error("registry {registry} delivered wrong content")]
    Digest {
        /// Who was asked.
        registry: String,
        /// What differs.
        #[source]
        source: DigestMismatch,
    },
    /// The manifest cannot be used.
    #[error("{reference} cannot be used")]
    Document {
        /// What was asked for.
        reference: Box<Reference>,
        /// What is wrong.
        #[source]
        source: DocumentError,
    },
    /// The config cannot be used.
    #[error("{reference} cannot be used")]
    Config {
        /// What was asked for.
        reference: Box<Reference>,
        /// What is wrong.
        #[source]
        source: ConfigError,
    },
    /// The image was removed while it was being pulled.
    #[error("image {id} was removed right after it was pulled: pull it again")]
    Vanished {
        /// The image.
        id: ImageId,
    },
    /// The image does not run here.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// A layer cannot be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FsError> for PullError {
    fn from(error: FsError) -> Self {
        Self::Store(error.into())
    }
}
