//! What the store tells about images.

use std::path::PathBuf;

use crate::rules::config::ImageConfig;
use crate::rules::digest::{Digest, ImageId};
use crate::rules::platform::Platform;
use crate::rules::reference::Reference;

/// Is an image with everything that starting a container from it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// The digest of the image's config.
    pub id: ImageId,
    /// The digest of the manifest it came with.
    pub manifest: Digest,
    /// Every name it has in this store, tags and digests.
    pub references: Vec<Reference>,
    /// What it says about running it.
    pub config: ImageConfig,
    /// The lower directories for overlayfs, the topmost first. Empty for an image without content.
    ///
    /// They stay only as long as the image does: take a hold before mounting them.
    pub layers: Vec<PathBuf>,
    /// What it was built for.
    pub platform: Platform,
}

/// Is one line of a list of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSummary {
    /// The digest of the image's config.
    pub id: ImageId,
    /// The names with a tag.
    pub tags: Vec<Reference>,
    /// The names with a digest.
    pub digests: Vec<Reference>,
    /// When it was built, RFC 3339, as its builder wrote it.
    pub created: Option<String>,
    /// What its layers take on disk, packed and unpacked, in bytes.
    pub size: u64,
    /// The part of `size` that no other image shares, in bytes.
    pub unique_size: u64,
}

/// Is everything that is known about an image.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageDetails {
    /// What a list shows.
    pub summary: ImageSummary,
    /// What a container needs.
    pub image: Image,
    /// The image's config exactly as its builder wrote it: JSON with history, author and the like.
    pub raw_config: String,
}

/// Tells how much of the disk the store takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskUsage {
    /// Layer archives, manifests and configs.
    pub blobs: u64,
    /// Unpacked layers.
    pub layers: u64,
    /// What running loads and pulls have received so far.
    pub scratch: u64,
    /// What the file system still has for root.
    pub available: u64,
}
