//! Holds: which layers the containers on this host need, whoever runs them and however long.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;
use super::core::Core;
use crate::disk::fs::{
    FsError, create_private_folder, names_in, read_if_there, remove_if_there, replace, sync_parent,
};
use crate::disk::scratch::StoreLock;
use crate::rules::digest::{DiffId, ImageId};
use crate::rules::recipe::stack;

/// The longest name of an owner, in bytes.
const MAX_OWNER: usize = 128;

/// Tells which image a container was made from, and the folders it is mounted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// The name the hold was taken under.
    pub owner: String,
    /// The image.
    pub image: ImageId,
    /// The lower directories for overlayfs, the topmost first.
    pub layers: Vec<PathBuf>,
}

#[derive(Serialize, Deserialize)]
struct OnDisk {
    image: ImageId,
    /// The topmost first.
    layers: Vec<DiffId>,
}

impl Core {
    /// Records that `owner` needs the layers of an image until it releases them.
    pub(crate) fn hold(&self, id: ImageId, owner: &str) -> Result<Hold, StoreError> {
        let path = self.hold_path(owner)?;
        let lock = self.lock()?;
        let index = self.catalog.read()?;
        let (_, record) = index.image(id).ok_or_else(|| StoreError::NotFound { query: id.to_string() })?;
        let layers = stack(record.layers.iter().map(|layer| layer.diff_id));
        if let Some(missing) = layers.iter().find(|diff_id| !self.layers.has(**diff_id)) {
            return Err(StoreError::LayerMissing { id, layer: *missing });
        }
        let on_disk = OnDisk { image: id, layers };
        let bytes = serde_json::to_vec(&on_disk).expect("digests are strings, so this is always valid JSON");
        let scratch = self.scratch(&lock)?;
        replace(&path, &scratch.fresh_path(), &bytes)?;
        Ok(self.to_hold(owner, on_disk))
    }

    /// Ends a hold, if there is one, and collects what only it needed.
    pub(crate) fn release(&self, owner: &str) -> Result<(), StoreError> {
        let path = self.hold_path(owner)?;
        let lock = self.lock()?;
        remove_if_there(&path)?;
        sync_parent(&path)?;
        self.collect(lock)?;
        Ok(())
    }

    pub(crate) fn holds(&self) -> Result<Vec<Hold>, StoreError> {
        let lock = self.lock()?;
        let holds = self.read_holds(&lock)?;
        Ok(holds.into_iter().map(|(owner, on_disk)| self.to_hold(&owner, on_disk)).collect())
    }

    /// Returns the layers that some container needs.
    pub(crate) fn held_layers(&self, lock: &StoreLock) -> Result<Vec<DiffId>, StoreError> {
        Ok(self.read_holds(lock)?.into_iter().flat_map(|(_, on_disk)| on_disk.layers).collect())
    }

    /// Returns who holds an image, if anybody does.
    pub(crate) fn holder_of(&self, lock: &StoreLock, id: ImageId) -> Result<Option<String>, StoreError> {
        let mut holds = self.read_holds(lock)?.into_iter();
        Ok(holds.find(|(_, on_disk)| on_disk.image == id).map(|(owner, _)| owner))
    }

    fn read_holds(&self, _lock: &StoreLock) -> Result<Vec<(String, OnDisk)>, StoreError> {
        let folder = hold_folder(&self.root);
        let mut holds = Vec::new();
        for owner in names_in(&folder)? {
            let path = folder.join(&owner);
            let bytes = read_if_there(&path)?.unwrap_or_default();
            let on_disk = serde_json::from_slice(&bytes);
            holds.push((owner, on_disk.map_err(|source| StoreError::HoldDamaged { path, source })?));
        }
        Ok(holds)
    }

    fn to_hold(&self, owner: &str, on_disk: OnDisk) -> Hold {
        let layers = on_disk.layers.iter().map(|diff_id| self.layers.path(*diff_id)).collect();
        Hold { owner: owner.to_owned(), image: on_disk.image, layers }
    }

    fn hold_path(&self, owner: &str) -> Result<PathBuf, StoreError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        let is_right = owner.bytes().all(is_plain) && !owner.starts_with('.');
        if !is_right || owner.is_empty() || owner.len() > MAX_OWNER {
            return Err(StoreError::Owner { owner: owner.to_owned() });
        }
        Ok(hold_folder(&self.root).join(owner))
    }
}

pub(crate) fn prepare(root: &Path) -> Result<(), FsError> {
    create_private_folder(&hold_folder(root))
}

fn hold_folder(root: &Path) -> PathBuf {
    root.join("holds")
}
