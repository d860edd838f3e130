//! Why an image archive is not loaded.

use crate::disk::fs::FsError;
use crate::disk::layers::LayerError;
use crate::rules::config::ConfigError;
use crate::rules::digest::DigestMismatch;
use crate::rules::document::DocumentError;
use crate::rules::layout::NameError;
use crate::rules::platform::PlatformError;
use crate::rules::reference::ReferenceError;
use crate::store::StoreError;
use crate::unpack::limits::ArchiveError;

/// Says why an archive was not loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The archive cannot be read.
    #[error("cannot read the image archive")]
    Archive(#[from] ArchiveError),
    /// It holds something else.
    #[error(
        "there is no image in it, neither `index.json` nor `manifest.json`: use `docker save` or an OCI layout"
    )]
    NoImage,
    /// It refers to something that it does not hold.
    #[error("`{path}` is missing from the image archive: save it again")]
    Missing {
        /// The path in the archive.
        path: String,
    },
    /// One of its lists cannot be read.
    #[error("`{path}` in the image archive cannot be read")]
    Json {
        /// The path in the archive.
        path: &'static str,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An image in it has a name that is no reference.
    #[error("the archive names an image `{name}`")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        #[source]
        source: ReferenceError,
    },
    /// A manifest or index cannot be used.
    #[error("image {image} cannot be loaded")]
    Document {
        /// The image's name or digest.
        image: String,
        /// What is wrong.
        #[source]
        source: DocumentError,
    },
    /// A config cannot be used.
    #[error("image {image} cannot be loaded")]
    Config {
        /// The image's name or digest.
        image: String,
        /// What is wrong.
        #[source]
        source: ConfigError,
    },
    /// An image in it does not run here.
    #[error(transparent)]
    Platform(#[from] PlatformError),
    /// Content in it is not what it should be.
    #[error(transparent)]
    Digest(#[from] DigestMismatch),
    /// A layer cannot be unpacked.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FsError> for LoadError {
    fn from(error: FsError) -> Self {
        Self::Store(error.into())
    }
}

impl From<NameError> for LoadError {
    fn from(error: NameError) -> Self {
        Self::Name { name: error.name, source: error.source }
    }
}
