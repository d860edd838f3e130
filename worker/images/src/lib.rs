//! The image store of a worker node: what it keeps, how it is shared, and what protects it.
//!
//! One folder holds everything, and any number of daemons on the host may use it at once:
//!
//! ```text
//! root/  index.json       names -> manifests -> image ids, layers and sizes; replaced atomically
//!        lock             flock, exclusive: held while the index, leases or holds change and while collecting
//!        blobs/sha256/    manifests, configs and layer archives as received, each named by its digest
//!        layers/          one unpacked folder for each diff id, ready to be an overlayfs lower directory
//!        turns/           flock files: who unpacks a layer that several want at once
//!        holds/           one file for each container: the layers it needs, until it is released
//!        tmp/             one flocked scratch folder for each running load, pull or collection
//! ```
//!
//! **Nothing half-made is ever visible.** Bytes go to a scratch folder first, are synced, then renamed.
//!
//! **Nothing in use is ever collected.** Three things keep content alive: the index, the `needs` file
//! of a scratch folder whose flock is held, and the holds. A load or pull writes what it needs into its
//! scratch folder *before* it looks whether the content is already there; collection reads all three and
//! moves garbage out of the way under the same exclusive lock. So either the collection sees the need,
//! or the load sees that the content is gone and fetches it. A flock ends with its process, which makes
//! crash leftovers recognisable. Containers outlive the daemon that started them, so their holds are
//! plain durable files, and only [`ImageStore::release`] ends one.
//!
//! `rules` is pure: references, documents, platforms, naming, layer order, removal. The rest is I/O.

mod disk;
mod load;
mod pull;
mod rules;
mod store;
mod unpack;

#[cfg(test)]
mod tests;

pub use disk::blobs::BlobError;
pub use disk::fs::FsError;
pub use disk::layers::LayerError;
pub use load::{LoadError, Loaded};
pub use pull::progress::{LayerProgress, LayerState, PullProgress};
pub use pull::{BasicAuth, PullError, PullOptions};
pub use rules::config::{ConfigError, ImageConfig};
pub use rules::digest::{DiffId, Digest, DigestError, DigestMismatch, ImageId};
pub use rules::document::DocumentError;
pub use rules::platform::{Platform, PlatformError};
pub use rules::reference::{Reference, ReferenceError};
pub use rules::removal::{ImageUse, Refusal};
pub use store::catalog::CatalogError;
pub use store::holds::Hold;
pub use store::image::{DiskUsage, Image, ImageDetails, ImageSummary};
pub use store::removing::{RemoveError, Removed};
pub use store::{ImageStore, StoreError};
pub use unpack::UnpackError;
pub use unpack::limits::{ArchiveError, Limits};
