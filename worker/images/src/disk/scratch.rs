//! Scratch folders: where content is made before it is published, and which content their owner relies on.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{debug, warn};

use super::fs::{FsError, create_private_folder, lock_file, names_in, read_if_there};
use crate::rules::digest::{DiffId, Digest};
use crate::rules::index::Needs;

const FOLDER: &str = "tmp";
const NEEDS: &str = "needs";

/// Is proof that this thread holds the store's exclusive lock, on which all bookkeeping depends.
pub(crate) struct StoreLock {
    _held: File,
}

impl StoreLock {
    /// Waits for the lock; other daemons and threads hold it for moments only.
    pub(crate) fn take(root: &Path) -> Result<Self, FsError> {
        Ok(Self { _held: lock_file(&root.join("lock"))? })
    }
}

/// Owns one scratch folder, flocked as long as this lives; it is emptied and removed at the end.
pub(crate) struct Scratch {
    path: PathBuf,
    next: AtomicU64,
    _held: File,
}

impl Scratch {
    pub(crate) fn prepare(root: &Path) -> Result<(), FsError> {
        create_private_folder(&root.join(FOLDER))
    }

    /// Makes a folder and locks it, all under the store's lock, so that no sweep comes in between.
    pub(crate) fn create(root: &Path, _lock: &StoreLock) -> Result<Self, FsError> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let path = loop {
            let name = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
            let path = root.join(FOLDER).join(name);
            match fs::create_dir(&path) {
                Ok(()) => break path,
                // Another process may have the same id in another pid namespace.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(FsError::new("create folder", &path, error)),
            }
        };
        let held = File::open(&path).map_err(FsError::at("open", &path))?;
        held.lock().map_err(FsError::at("lock", &path))?;
        Ok(Self { path, next: AtomicU64::new(0), _held: held })
    }

    /// Returns a path within the folder that has not been given out before.
    pub(crate) fn fresh_path(&self) -> PathBuf {
        self.path.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    /// Keeps content from being collected for as long as this folder lives, whether it is there yet or not.
    pub(crate) fn need(&self, _lock: &StoreLock, needs: &Needs) -> Result<(), FsError> {
        let path = self.path.join(NEEDS);
        let file = File::options().create(true).append(true).open(&path);
        let mut text = String::new();
        for blob in &needs.blobs {
            text.push_str(&format!("blob {blob}\n"));
        }
        for layer in &needs.layers {
            text.push_str(&format!("layer {layer}\n"));
        }
        // Not synced: what a crashed process needed does not matter any more.
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(FsError::at("write", &path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            warn!(path = %self.path.display(), %error, "cannot remove scratch folder, the next start will");
        }
    }
}

/// Removes the folders that crashed processes left, and returns what living ones need.
pub(crate) fn sweep(root: &Path, _lock: &StoreLock) -> Result<Needs, FsError> {
    let mut needs = Needs::default();
    for name in names_in(&root.join(FOLDER))? {
        let path = root.join(FOLDER).join(name);
        let Some(folder) = open_if_there(&path)? else { continue };
        match folder.try_lock() {
            Ok(()) => {
                debug!(path = %path.display(), "removing what a crash left");
                fs::remove_dir_all(&path).map_err(FsError::at("remove", &path))?;
            }
            Err(TryLockError::WouldBlock) => {
                let text = read_if_there(&path.join(NEEDS))?.unwrap_or_default();
                needs.merge(parse_needs(&String::from_utf8_lossy(&text)));
            }
            Err(TryLockError::Error(error)) => return Err(FsError::new("lock", &path, error)),
        }
    }
    Ok(needs)
}

/// Opens a folder, unless its owner has finished and removed it meanwhile.
fn open_if_there(path: &Path) -> Result<Option<File>, FsError> {
    match File::open(path) {
        Ok(folder) => Ok(Some(folder)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::new("open", path, error)),
    }
}

fn parse_needs(text: &str) -> Needs {
    let mut needs = Needs::default();
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("blob", digest)) => needs.blobs.extend(digest.parse::<Digest>()),
            Some(("layer", digest)) => needs.layers.extend(digest.parse().map(DiffId)),
            _ => {}
        }
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_owned();
        Scratch::prepare(&root).unwrap();
        (folder, root)
    }

    #[test]
    fn a_sweep_spares_what_is_held_and_reports_its_needs() {
        let (_folder, root) = store();
        let lock = StoreLock::take(&root).unwrap();
        let scratch = Scratch::create(&root, &lock).unwrap();
        let needs = Needs {
            blobs: [Digest::of(b"a"), Digest::of(b"b")].into(),
            layers: [DiffId(Digest::of(b"c"))].into(),
        };
        scratch.need(&lock, &needs).unwrap();
        assert_eq!(sweep(&root, &lock).unwrap(), needs);
        assert!(scratch.path.is_dir());
        let path = scratch.path.clone();
        drop(scratch);
        assert!(!path.exists());
        assert_eq!(sweep(&root, &lock).unwrap(), Needs::default());
    }

    #[test]
    fn a_sweep_removes_what_nobody_holds() {
        let (_folder, root) = store();
        let lock = StoreLock::take(&root).unwrap();
        let left = root.join(FOLDER).join("1-1");
        fs::create_dir_all(left.join("deep/er")).unwrap();
        sweep(&root, &lock).unwrap();
        assert!(!left.exists());
    }
}
