//! The store without any async: the parts, and the lock that binds them.

use std::path::{Path, PathBuf};

use super::StoreError;
use super::catalog::Catalog;
use super::holds;
use super::image::{DiskUsage, Image, ImageDetails, ImageSummary};
use crate::disk::blobs::Blobs;
use crate::disk::fs::{FsError, create_private_folder, size_on_disk};
use crate::disk::layers::{LayerError, Layers};
use crate::disk::scratch::{Scratch, StoreLock, sweep};
use crate::rules::config::{self, ParsedConfig};
use crate::rules::digest::{Digest, ImageId};
use crate::rules::index::{Index, Layer, Needs, Record};
use crate::rules::lookup::{self, Ambiguous, Target};
use crate::rules::platform::Platform;
use crate::rules::recipe::{Part, Recipe, stack};
use crate::rules::reference::Reference;
use crate::unpack::limits::Limits;

/// Is an opened store.
#[derive(Debug)]
pub(crate) struct Core {
    pub root: PathBuf,
    pub blobs: Blobs,
    pub layers: Layers,
    pub catalog: Catalog,
    pub platform: Platform,
    pub limits: Limits,
}

impl Core {
    pub(crate) fn open(root: &Path, limits: Limits) -> Result<Self, StoreError> {
        create_private_folder(root)?;
        Scratch::prepare(root)?;
        holds::prepare(root)?;
        let core = Self {
            root: root.to_owned(),
            blobs: Blobs::open(root)?,
            layers: Layers::open(root, limits)?,
            catalog: Catalog::new(root),
            platform: Platform::of_this_node(),
            limits,
        };
        sweep(root, &core.lock()?)?;
        // Says at once if the index cannot be used.
        core.catalog.read()?;
        Ok(core)
    }

    pub(crate) fn lock(&self) -> Result<StoreLock, FsError> {
        StoreLock::take(&self.root)
    }

    pub(crate) fn scratch(&self, lock: &StoreLock) -> Result<Scratch, FsError> {
        Scratch::create(&self.root, lock)
    }

    /// Starts an operation that brings content in.
    pub(crate) fn begin(&self) -> Result<Scratch, FsError> {
        let lock = self.lock()?;
        self.scratch(&lock)
    }

    /// Keeps content from being collected while the operation runs; comes before looking what is there.
    pub(crate) fn need(&self, scratch: &Scratch, needs: &Needs) -> Result<(), FsError> {
        let lock = self.lock()?;
        scratch.need(&lock, needs)
    }

    /// Unpacks a layer whose archive is in the store.
    pub(crate) fn unpack(&self, scratch: &Scratch, part: &Part) -> Result<Layer, LayerError> {
        let (blob, diff_id) = (part.blob.digest, part.diff_id);
        let unpacked_size = self.layers.ensure(scratch, &self.blobs, blob, diff_id)?;
        Ok(Layer { blob, diff_id, archive_size: part.blob.size, unpacked_size })
    }

    /// Makes images known whose content is all there; the names move from whatever had them before.
    pub(crate) fn commit(
        &self,
        scratch: &Scratch,
        images: Vec<(Recipe, Vec<Layer>, Vec<Reference>)>,
    ) -> Result<(), StoreError> {
        let lock = self.lock()?;
        let mut index = Index::clone(&*self.catalog.read()?);
        for (recipe, layers, names) in images {
            index.add(recipe.manifest, Record { id: recipe.id, layers }, &names);
        }
        Ok(self.catalog.replace(&lock, scratch, &index)?)
    }

    pub(crate) fn find(&self, index: &Index, query: &str) -> Result<Option<Target>, StoreError> {
        lookup::find(index, query)
            .map_err(|Ambiguous(matches)| StoreError::Ambiguous { query: query.to_owned(), matches })
    }

    pub(crate) fn resolve(&self, query: &str) -> Result<Option<Image>, StoreError> {
        let index = self.catalog.read()?;
        let Some(target) = self.find(&index, query)? else { return Ok(None) };
        self.image(&index, target.id())
    }

    /// Returns an image by its id.
    pub(crate) fn image(&self, index: &Index, id: ImageId) -> Result<Option<Image>, StoreError> {
        let found = index.image(id).zip(self.config(id)?);
        Ok(found.map(|((manifest, record), (parsed, _))| self.to_image(index, manifest, record, parsed)))
    }

    fn to_image(&self, index: &Index, manifest: Digest, record: &Record, parsed: ParsedConfig) -> Image {
        let layers = stack(record.layers.iter().map(|layer| layer.diff_id));
        Image {
            id: record.id,
            manifest,
            references: index.names_of(record.id),
            config: parsed.config,
            layers: layers.into_iter().map(|diff_id| self.layers.path(diff_id)).collect(),
            platform: parsed.platform,
        }
    }

    /// Reads the config of an image, unless another daemon removed the image since the index was read.
    fn config(&self, id: ImageId) -> Result<Option<(ParsedConfig, Vec<u8>)>, StoreError> {
        let read = || -> Result<_, StoreError> {
            let bytes = self.blobs.read(id.0)?;
            let parsed = config::parse(&bytes).map_err(|source| StoreError::Config { id, source })?;
            Ok((parsed, bytes))
        };
        match read() {
            Err(_) if self.catalog.read()?.image(id).is_none() => Ok(None),
            done => done.map(Some),
        }
    }

    pub(crate) fn list(&self) -> Result<Vec<ImageSummary>, StoreError> {
        let index = self.catalog.read()?;
        let mut summaries = Vec::new();
        for id in index.ids() {
            if let Some((parsed, _)) = self.config(id)? {
                summaries.push(summary(&index, id, parsed.config.created));
            }
        }
        Ok(summaries)
    }

    pub(crate) fn inspect(&self, query: &str) -> Result<Option<ImageDetails>, StoreError> {
        let index = self.catalog.read()?;
        let Some(target) = self.find(&index, query)? else { return Ok(None) };
        let id = target.id();
        let found = index.image(id).zip(self.config(id)?);
        Ok(found.map(|((manifest, record), (parsed, bytes))| ImageDetails {
            summary: summary(&index, id, parsed.config.created.clone()),
            image: self.to_image(&index, manifest, record, parsed),
            raw_config: String::from_utf8_lossy(&bytes).into_owned(),
        }))
    }

    pub(crate) fn disk_usage(&self) -> Result<DiskUsage, StoreError> {
        let free = nix::sys::statvfs::statvfs(&self.root);
        let free = free.map_err(FsError::at("ask for free space of", &self.root))?;
        Ok(DiskUsage {
            blobs: size_on_disk(&self.root.join("blobs"))?,
            layers: size_on_disk(&self.root.join("layers"))?,
            scratch: size_on_disk(&self.root.join("tmp"))?,
            available: free.blocks_free() * free.fragment_size(),
        })
    }
}

fn summary(index: &Index, id: ImageId, created: Option<String>) -> ImageSummary {
    let (tags, digests) = index.names_of(id).into_iter().partition(|name| name.digest().is_none());
    let (size, unique_size) = index.sizes(id);
    ImageSummary { id, tags, digests, created, size, unique_size }
}
