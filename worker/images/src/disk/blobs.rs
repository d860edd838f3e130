//! The blob store: content under the name of its digest, which is checked before it gets that name.

use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::fs::{FsError, create_private_folder, names_in, publish_file, remove_if_there};
use super::scratch::Scratch;
use crate::rules::digest::{Digest, DigestMismatch, Digester, DigestingReader};
use crate::rules::document::MAX_DOCUMENT;

/// Says why a blob cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// It is not in the store although the index says so.
    #[error("blob {digest} is missing from the image store: load or pull the image again")]
    Missing {
        /// The blob.
        digest: Digest,
    },
    /// It is too large for what it is said to be.
    #[error("blob {digest} has {size} bytes, too many for a manifest or config: the image is malformed")]
    NoDocument {
        /// The blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
    },
    /// It is not what it was when it was stored.
    #[error(transparent)]
    Damaged(#[from] DigestMismatch),
    /// The operating system refused.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Keeps blobs in one folder.
#[derive(Debug)]
pub(crate) struct Blobs {
    folder: PathBuf,
}

/// Is a blob that has been received into a scratch folder; its digest is known but it has no name yet.
pub(crate) struct Received {
    file: File,
    path: PathBuf,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
}

/// Receives a blob into a scratch folder, computing its digest.
pub(crate) struct Receiver {
    file: File,
    path: PathBuf,
    digester: Digester,
    size: u64,
}

impl Receiver {
    pub(crate) fn new(scratch: &Scratch) -> Result<Self, FsError> {
        let path = scratch.fresh_path();
        let file = File::create_new(&path).map_err(FsError::at("create", &path))?;
        Ok(Self { file, path, digester: Digester::default(), size: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), FsError> {
        self.file.write_all(bytes).map_err(FsError::at("write", &self.path))?;
        self.digester.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn finish(self) -> Received {
        Received { file: self.file, path: self.path, digest: self.digester.finish(), size: self.size }
    }
}

impl Received {
    /// Returns the content of a document that is small enough to be held in memory.
    pub(crate) fn read(&self) -> Result<Vec<u8>, FsError> {
        fs::read(&self.path).map_err(FsError::at("read", &self.path))
    }
}

impl Blobs {
    pub(crate) fn open(root: &Path) -> Result<Self, FsError> {
        let folder = root.join("blobs/sha256");
        create_private_folder(&folder)?;
        Ok(Self { folder })
    }

    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    pub(crate) fn has(&self, digest: Digest) -> bool {
        self.path(digest).is_file()
    }

    /// Gives a received blob its name. Whoever expects a certain digest has compared it before.
    pub(crate) fn adopt(&self, received: &Received) -> Result<(), FsError> {
        publish_file(&received.file, &received.path, &self.path(received.digest))
    }

    /// Stores a small blob and returns its digest.
    pub(crate) fn put(&self, scratch: &Scratch, bytes: &[u8]) -> Result<Digest, FsError> {
        let digest = Digest::of(bytes);
        if !self.has(digest) {
            let mut receiver = Receiver::new(scratch)?;
            receiver.write(bytes)?;
            self.adopt(&receiver.finish())?;
        }
        Ok(digest)
    }

    /// Reads a document that is small enough to be held in memory, and checks that it is intact.
    pub(crate) fn read(&self, digest: Digest) -> Result<Vec<u8>, BlobError> {
        let path = self.path(digest);
        let size = match fs::metadata(&path) {
            Ok(found) => found.len(),
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(BlobError::Missing { digest }),
            Err(error) => return Err(FsError::new("look at", &path, error).into()),
        };
        // A manifest may call a huge layer its config.
        if size > MAX_DOCUMENT {
            return Err(BlobError::NoDocument { digest, size });
        }
        let bytes = fs::read(&path).map_err(FsError::at("read", &path))?;
        digest.check(Digest::of(&bytes), format_args!("stored blob {digest}"))?;
        Ok(bytes)
    }

    pub(crate) fn reader(&self, digest: Digest) -> Result<File, FsError> {
        let path = self.path(digest);
        File::open(&path).map_err(FsError::at("open", &path))
    }

    /// Removes a blob whose bytes are not what its name says, so that it can be fetched again.
    pub(crate) fn drop_if_damaged(&self, digest: Digest) -> Result<bool, FsError> {
        let path = self.path(digest);
        let file = self.reader(digest)?;
        let inode = |found: Metadata| (found.dev(), found.ino());
        let read = file.metadata().map(inode).map_err(FsError::at("look at", &path))?;
        let mut reader = DigestingReader::new(file);
        let mut buffer = vec![0; 1 << 16];
        while reader.read(&mut buffer).map_err(FsError::at("read", &path))? > 0 {}
        if reader.finish() == digest {
            return Ok(false);
        }
        // Another daemon may have put a right one in its place meanwhile.
        if fs::metadata(&path).is_ok_and(|found| inode(found) == read) {
            remove_if_there(&path)?;
        }
        Ok(true)
    }

    /// Lists the blobs that are there.
    pub(crate) fn all(&self) -> Result<Vec<Digest>, FsError> {
        Ok(names_in(&self.folder)?.iter().filter_map(|name| Digest::from_hex(name)).collect())
    }

    /// Moves a blob to `to` in a scratch folder, and returns its size in bytes.
    pub(crate) fn discard(&self, digest: Digest, to: &Path) -> Result<u64, FsError> {
        let path = self.path(digest);
        match fs::rename(&path, to) {
            Ok(()) => Ok(fs::metadata(to).map_err(FsError::at("look at", to))?.len()),
            // It was damaged, and whoever found out has removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
            Err(error) => Err(FsError::new("move away", &path, error)),
        }
    }
}
