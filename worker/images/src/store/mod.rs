//! The image store: the async edge around the work on disk.

pub mod catalog;
pub(crate) mod core;
pub mod holds;
pub mod image;
pub mod removing;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use self::catalog::CatalogError;
use self::core::Core;
use self::holds::Hold;
use self::image::{DiskUsage, Image, ImageDetails, ImageSummary};
use self::removing::{RemoveError, Removed};
use crate::disk::blobs::BlobError;
use crate::disk::fs::FsError;
use crate::load::{LoadError, Loaded};
use crate::pull::flight::Flights;
use crate::pull::progress::PullProgress;
use crate::pull::{PullError, PullOptions};
use crate::rules::config::ConfigError;
use crate::rules::digest::{DiffId, ImageId};
use crate::rules::reference::Reference;
use crate::rules::removal::ImageUse;
use crate::unpack::limits::Limits;

/// Says why the store cannot answer.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such image.
    #[error("no image `{query}` in the store: load or pull it first")]
    NotFound {
        /// What was asked for.
        query: String,
    },
    /// The beginning of several ids.
    #[error("`{query}` is the beginning of several image ids, give more digits: {}", list(matches))]
    Ambiguous {
        /// What was asked for.
        query: String,
        /// The ids that begin with it.
        matches: Vec<ImageId>,
    },
    /// A name for a hold that cannot be a file's name.
    #[error(
        "`{owner}` cannot own a hold: use 1 to 128 letters, digits, `-`, `_` or `.`, not starting with `.`"
    )]
    Owner {
        /// What was given.
        owner: String,
    },
    /// A layer was removed by other means than this store.
    #[error("layer {layer} of image {id} is missing from the image store: load or pull the image again")]
    LayerMissing {
        /// The image.
        id: ImageId,
        /// The layer.
        layer: DiffId,
    },
    /// A hold holds something else.
    #[error("hold `{path}` is damaged: remove it if its container is gone")]
    HoldDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// The config of an image cannot be used.
    #[error("image {id} cannot be used")]
    Config {
        /// The image.
        id: ImageId,
        /// What is wrong.
        #[source]
        source: ConfigError,
    },
    /// The index cannot be used.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// A blob cannot be used.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The operating system refused.
    #[error(transparent)]
    Fs(#[from] FsError),
    /// The async runtime ended while work on disk was waiting for a thread.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

fn list(ids: &[ImageId]) -> String {
    let ids: Vec<String> = ids.iter().map(ImageId::to_string).collect();
    ids.join(", ")
}

/// Keeps the images of this host. Clones share one store; other processes may share its folder too.
#[derive(Clone)]
pub struct ImageStore {
    core: Arc<Core>,
    flights: Arc<Flights>,
}

impl ImageStore {
    /// Opens the store in `root`, creating it if need be and removing what crashed processes left.
    pub async fn open(root: &Path) -> Result<Self, StoreError> {
        Self::open_with(root, Limits::default()).await
    }

    /// Opens the store in `root` with other limits for what a single archive may unpack to.
    pub async fn open_with(root: &Path, limits: Limits) -> Result<Self, StoreError> {
        let root = root.to_owned();
        let core = blocking(move || Core::open(&root, limits)).await?;
        Ok(Self { core: Arc::new(core), flights: Arc::default() })
    }

    /// Loads the images of a docker-archive or OCI layout tar, plain or compressed by gzip or zstd.
    ///
    /// All of them become known at once, or none. A load whose future is dropped still runs to its end.
    pub async fn load(&self, archive: impl Read + Send + 'static) -> Result<Vec<Loaded>, LoadError> {
        self.run(move |core| core.load(archive)).await
    }

    /// Loads the images of an OCI layout that lies unpacked in a folder.
    pub async fn load_layout(&self, folder: &Path) -> Result<Vec<Loaded>, LoadError> {
        let folder = folder.to_owned();
        self.run(move |core| core.load_layout(&folder)).await
    }

    /// Pulls an image from its registry, for this node's platform, and gives it the names it was asked for by.
    ///
    /// The manifest is always asked for, so a moved tag is noticed; content that is there is not fetched again.
    /// Callers that ask for the same at the same time share one transfer. It ends when all of them are dropped,
    /// and leaves nothing behind then.
    pub async fn pull(
        &self,
        reference: &Reference,
        options: &PullOptions,
        progress: impl FnMut(&PullProgress) + Send,
    ) -> Result<Image, Arc<PullError>> {
        self.flights.pull(self.core.clone(), reference, options, progress).await
    }

    /// Finds an image by name, id, or unambiguous beginning of its id.
    pub async fn resolve(&self, query: &str) -> Result<Option<Image>, StoreError> {
        let query = query.to_owned();
        self.run(move |core| core.resolve(&query)).await
    }

    /// Lists all images, in the order of their ids.
    pub async fn list(&self) -> Result<Vec<ImageSummary>, StoreError> {
        self.run(Core::list).await
    }

    /// Tells everything about an image that [`ImageStore::resolve`] would find.
    pub async fn inspect(&self, query: &str) -> Result<Option<ImageDetails>, StoreError> {
        let query = query.to_owned();
        self.run(move |core| core.inspect(&query)).await
    }

    /// Removes a name, or an image with its last name, by the rules of `docker image rm`.
    ///
    /// `in_use` tells what this daemon's containers do with an image; it is called under the store's lock and
    /// must not call the store. A hold of any other daemon counts as a stopped container: `force` overrides
    /// it, and the layers stay until it is released.
    pub async fn remove(
        &self,
        query: &str,
        force: bool,
        in_use: impl Fn(ImageId) -> ImageUse + Send + 'static,
    ) -> Result<Removed, RemoveError> {
        let query = query.to_owned();
        self.run(move |core| core.remove(&query, force, &in_use)).await
    }

    /// Keeps the layers of an image for `owner`, usually a container's id, until it releases them.
    ///
    /// A hold is durable: it outlasts this daemon, as containers do. Holding again replaces the former hold.
    pub async fn hold(&self, id: ImageId, owner: &str) -> Result<Hold, StoreError> {
        let owner = owner.to_owned();
        self.run(move |core| core.hold(id, &owner)).await
    }

    /// Ends a hold, if there is one, and collects what only it kept.
    pub async fn release(&self, owner: &str) -> Result<(), StoreError> {
        let owner = owner.to_owned();
        self.run(move |core| core.release(&owner)).await
    }

    /// Lists the holds of all daemons, so that one can release those of containers it no longer has.
    pub async fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        self.run(Core::holds).await
    }

    /// Tells how much of the disk the store takes.
    pub async fn disk_usage(&self) -> Result<DiskUsage, StoreError> {
        self.run(Core::disk_usage).await
    }

    async fn run<T, E>(&self, work: impl FnOnce(&Core) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let core = self.core.clone();
        blocking(move || work(&core)).await
    }
}

/// Runs work on disk on a thread that may block.
pub(crate) async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, E>
where
    T: Send + 'static,
    E: From<StoreError> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => Err(StoreError::ShuttingDown.into()),
    }
}
