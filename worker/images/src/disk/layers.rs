//! Unpacked layers: one folder for each diff id, unpacked once however many images and daemons want it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tracing::debug;

use super::blobs::Blobs;
use super::fs::{
    FsError, create_private_folder, lock_file, names_in, remove_if_there, size_on_disk, sync_parent,
};
use super::scratch::Scratch;
use crate::rules::digest::{DiffId, Digest, DigestingReader};
use crate::unpack::{self, UnpackError, decompress, limits::Limits};

/// Says why a layer is not there, always with the digest of its archive.
#[derive(Debug, thiserror::Error)]
pub enum LayerError {
    /// The archive cannot be unpacked.
    #[error("cannot unpack layer {layer}")]
    Unpack {
        /// Digest of the archive.
        layer: Digest,
        /// What is wrong.
        #[source]
        source: UnpackError,
    },
    /// The archive unpacks to something else than the image's config says.
    #[error(
        "layer {layer} unpacks to {got}, but the image's config says {expected}: the image is malformed, build it again"
    )]
    DiffId {
        /// Digest of the archive.
        layer: Digest,
        /// What the config says.
        expected: DiffId,
        /// What came out.
        got: DiffId,
    },
    /// The archive changed since it was stored.
    #[error(
        "the stored archive of layer {layer} was damaged on disk and has been dropped: pull or load again"
    )]
    Damaged {
        /// Digest that the archive had.
        layer: Digest,
    },
    /// The operating system refused.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Keeps unpacked layers in one folder.
#[derive(Debug)]
pub(crate) struct Layers {
    folder: PathBuf,
    turns: PathBuf,
    limits: Limits,
}

impl Layers {
    pub(crate) fn open(root: &Path, limits: Limits) -> Result<Self, FsError> {
        let (folder, turns) = (root.join("layers"), root.join("turns"));
        create_private_folder(&folder)?;
        create_private_folder(&turns)?;
        Ok(Self { folder, turns, limits })
    }

    pub(crate) fn path(&self, diff_id: DiffId) -> PathBuf {
        self.folder.join(diff_id.0.hex())
    }

    pub(crate) fn has(&self, diff_id: DiffId) -> bool {
        self.path(diff_id).is_dir()
    }

    /// Unpacks a stored archive unless that has been done, and returns what the layer takes on disk in bytes.
    pub(crate) fn ensure(
        &self,
        scratch: &Scratch,
        blobs: &Blobs,
        layer: Digest,
        diff_id: DiffId,
    ) -> Result<u64, LayerError> {
        let path = self.path(diff_id);
        if !self.has(diff_id) {
            // Whoever wants the same layer waits here instead of unpacking it a second time.
            let _turn = lock_file(&self.turn(diff_id))?;
            if !self.has(diff_id) {
                self.unpack(scratch, blobs, layer, diff_id)?;
            }
        }
        Ok(size_on_disk(&path)?)
    }

    fn unpack(
        &self,
        scratch: &Scratch,
        blobs: &Blobs,
        layer: Digest,
        diff_id: DiffId,
    ) -> Result<(), LayerError> {
        let made = scratch.fresh_path();
        fs::create_dir(&made).map_err(FsError::at("create folder", &made))?;
        // Not what the daemon's umask leaves: this is the root folder that containers see.
        let open_to_all = Permissions::from_mode(0o755);
        fs::set_permissions(&made, open_to_all).map_err(FsError::at("set the mode of", &made))?;
        match self.unpack_into(&made, blobs, layer, diff_id) {
            Ok(()) => {}
            Err(error @ LayerError::Fs(_)) => return Err(error),
            // The archive was right when it came in. If it no longer is, that is the cause and can be mended.
            Err(error) => {
                let damaged = blobs.drop_if_damaged(layer)?;
                return Err(if damaged { LayerError::Damaged { layer } } else { error });
            }
        }
        self.publish(&made, diff_id)?;
        debug!(%layer, %diff_id, "layer unpacked");
        Ok(())
    }

    fn unpack_into(
        &self,
        made: &Path,
        blobs: &Blobs,
        layer: Digest,
        diff_id: DiffId,
    ) -> Result<(), LayerError> {
        let fail = |source| match source {
            UnpackError::Fs(error) => LayerError::Fs(error),
            source => LayerError::Unpack { layer, source },
        };
        let archive = blobs.reader(layer)?;
        let plain = decompress::reader(archive).map_err(|error| fail(error.into()))?;
        let mut reader = DigestingReader::new(plain);
        unpack::unpack(&mut reader, made, &self.limits).map_err(fail)?;
        let got = DiffId(reader.finish());
        if got != diff_id {
            return Err(LayerError::DiffId { layer, expected: diff_id, got });
        }
        Ok(())
    }

    /// Syncs everything in one go, which is far cheaper than file by file, and gives the layer its name.
    fn publish(&self, made: &Path, diff_id: DiffId) -> Result<(), FsError> {
        let folder = File::open(made).map_err(FsError::at("open", made))?;
        nix::unistd::syncfs(&folder).map_err(FsError::at("sync", made))?;
        let path = self.path(diff_id);
        match fs::rename(made, &path) {
            Ok(()) => sync_parent(&path),
            // Without the turn file, which a collection may remove, another may have been faster.
            Err(error) if is_taken(&error) => Ok(()),
            Err(error) => Err(FsError::new("move into place", &path, error)),
        }
    }

    fn turn(&self, diff_id: DiffId) -> PathBuf {
        self.turns.join(diff_id.0.hex())
    }

    /// Lists the layers that are there.
    pub(crate) fn all(&self) -> Result<Vec<DiffId>, FsError> {
        let names = names_in(&self.folder)?;
        Ok(names.iter().filter_map(|name| Digest::from_hex(name)).map(DiffId).collect())
    }

    /// Moves a layer to `to` in a scratch folder.
    pub(crate) fn discard(&self, diff_id: DiffId, to: &Path) -> Result<(), FsError> {
        let path = self.path(diff_id);
        fs::rename(&path, to).map_err(FsError::at("move away", &path))?;
        remove_if_there(&self.turn(diff_id))
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}
