//! The index on disk: read again whenever another daemon replaced it, and replaced in one step.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::fs::{FsError, replace};
use crate::disk::scratch::{Scratch, StoreLock};
use crate::rules::index::{Index, VERSION};

/// Says why the index of the image store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// It holds something else.
    #[error("the index `{path}` of the image store is damaged: remove it and load or pull the images again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A later program wrote it.
    #[error("the index `{path}` has format {found}, this program knows up to {VERSION}: update this daemon")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The operating system refused.
    #[error(transparent)]
    Fs(#[from] FsError),
}

/// Reads and replaces the index of one store.
#[derive(Debug)]
pub(crate) struct Catalog {
    path: PathBuf,
    known: Mutex<Option<Known>>,
}

/// Is the index as it was last read. The open file keeps its inode number from being used again,
/// so the same number means the same content.
#[derive(Debug)]
struct Known {
    inode: (u64, u64),
    _file: File,
    index: Arc<Index>,
}

impl Catalog {
    pub(crate) fn new(root: &Path) -> Self {
        Self { path: root.join("index.json"), known: Mutex::new(None) }
    }

    /// Returns the current index; an empty one for a new store.
    pub(crate) fn read(&self) -> Result<Arc<Index>, CatalogError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Arc::default()),
            Err(error) => return Err(FsError::new("open", &self.path, error).into()),
        };
        let found = file.metadata().map_err(FsError::at("look at", &self.path))?;
        let inode = (found.dev(), found.ino());
        if let Some(known) = known.as_ref().filter(|known| known.inode == inode) {
            return Ok(known.index.clone());
        }
        let index = Arc::new(self.parse(&file)?);
        *known = Some(Known { inode, _file: file, index: index.clone() });
        Ok(index)
    }

    fn parse(&self, mut file: &File) -> Result<Index, CatalogError> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(FsError::at("read", &self.path))?;
        let damaged = |source| CatalogError::Damaged { path: self.path.clone(), source };
        /// Is all that formats have in common.
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: u32,
        }
        let Versioned { version } = serde_json::from_slice(&bytes).map_err(damaged)?;
        if version > VERSION {
            return Err(CatalogError::Newer { path: self.path.clone(), found: version });
        }
        serde_json::from_slice(&bytes).map_err(damaged)
    }

    /// Replaces the index durably. The lock makes sure that what it was changed from is still current.
    pub(crate) fn replace(
        &self,
        _lock: &StoreLock,
        scratch: &Scratch,
        index: &Index,
    ) -> Result<(), CatalogError> {
        let bytes = serde_json::to_vec(index).expect("names are strings, so the index is always valid JSON");
        Ok(replace(&self.path, &scratch.fresh_path(), &bytes)?)
    }
}
