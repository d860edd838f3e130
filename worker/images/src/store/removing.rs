//! Removing images, and collecting what nothing needs any more.

use tracing::{debug, info};

use super::StoreError;
use super::core::Core;
use crate::disk::fs::size_on_disk;
use crate::disk::scratch::{StoreLock, sweep};
use crate::rules::digest::ImageId;
use crate::rules::index::Index;
use crate::rules::reference::Reference;
use crate::rules::removal::{self, ImageUse, Refusal};

/// Tells what a removal took away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The names that are gone.
    pub untagged: Vec<Reference>,
    /// The image, if it is gone as well.
    pub deleted: Option<ImageId>,
    /// What its content took on disk, in bytes; zero while something still needs it.
    pub freed: u64,
}

/// Says why an image was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveError {
    /// There is no such image.
    #[error("no image `{query}`: see the list of images for names and ids")]
    NotFound {
        /// What was asked for.
        query: String,
    },
    /// It is used, or the request is not precise enough.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    pub(crate) fn remove(
        &self,
        query: &str,
        force: bool,
        in_use: &dyn Fn(ImageId) -> ImageUse,
    ) -> Result<Removed, RemoveError> {
        let lock = self.lock().map_err(StoreError::from)?;
        let mut index = Index::clone(&*self.catalog.read().map_err(StoreError::from)?);
        let Some(target) = self.find(&index, query)? else {
            return Err(RemoveError::NotFound { query: query.to_owned() });
        };
        let usage = match in_use(target.id()) {
            // A container that this daemon does not know is another daemon's; its hold guards the layers.
            ImageUse::Unused => match self.holder_of(&lock, target.id())? {
                Some(owner) => ImageUse::Stopped(format!("container {owner}")),
                None => ImageUse::Unused,
            },
            used => used,
        };
        let plan = removal::decide(&index, &target, &usage, force)?;
        for name in &plan.untagged {
            index.forget_name(name);
        }
        if let Some(id) = plan.deleted {
            index.forget_image(id);
        }
        self.replace_index(&lock, &index)?;
        let freed = self.collect(lock)?;
        info!(%query, deleted = plan.deleted.is_some(), freed, "image removed");
        Ok(Removed { untagged: plan.untagged, deleted: plan.deleted, freed })
    }

    fn replace_index(&self, lock: &StoreLock, index: &Index) -> Result<(), StoreError> {
        let scratch = self.scratch(lock)?;
        Ok(self.catalog.replace(lock, &scratch, index)?)
    }

    /// Removes every blob and layer that no image, no hold and no running load or pull needs.
    ///
    /// Under the lock garbage is only moved aside; deleting it may take long and happens after.
    pub(crate) fn collect(&self, lock: StoreLock) -> Result<u64, StoreError> {
        let mut needs = self.catalog.read()?.needs();
        needs.merge(sweep(&self.root, &lock)?);
        needs.layers.extend(self.held_layers(&lock)?);
        let trash = self.scratch(&lock)?;
        let mut freed = 0;
        for blob in self.blobs.all()?.into_iter().filter(|blob| !needs.blobs.contains(blob)) {
            freed += self.blobs.discard(blob, &trash.fresh_path())?;
            debug!(%blob, "blob collected");
        }
        let mut layers = Vec::new();
        for layer in self.layers.all()?.into_iter().filter(|layer| !needs.layers.contains(layer)) {
            let path = trash.fresh_path();
            self.layers.discard(layer, &path)?;
            layers.push(path);
            debug!(%layer, "layer collected");
        }
        drop(lock);
        for layer in &layers {
            freed += size_on_disk(layer)?;
        }
        Ok(freed)
    }
}
