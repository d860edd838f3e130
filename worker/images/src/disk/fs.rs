//! Writing so that a crash leaves the old or the new, never a mixture; and errors that name the path.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// Reports what could not be done to which path.
#[derive(Debug, thiserror::Error)]
pub enum FsError {
    /// The operating system refused.
    #[error("cannot {action} `{path}`")]
    Io {
        /// What was being done.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
    /// The file system or a quota is full.
    #[error(
        "no space left to {action} `{path}`: remove unused images, or free space or inodes on that file system"
    )]
    DiskFull {
        /// What was being done.
        action: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
}

impl FsError {
    pub(crate) fn new(action: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        let (path, source) = (path.to_owned(), source.into());
        if is_full(&source) {
            Self::DiskFull { action, path, source }
        } else {
            Self::Io { action, path, source }
        }
    }

    /// Returns a function that turns an operating system's error into one that names `path`.
    pub(crate) fn at<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::new(action, path, source)
    }
}

/// Says whether an error means that the disk, its inodes or a quota are used up.
pub(crate) fn is_full(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(Errno::from_raw);
    matches!(code, Some(Errno::ENOSPC | Errno::EDQUOT))
}

/// Creates a folder that only root may enter: layers hold setuid programs that no host user should reach.
pub(crate) fn create_private_folder(path: &Path) -> Result<(), FsError> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(FsError::at("create folder", path))
}

/// Waits for the exclusive lock of a file, which is created if need be; dropping the file releases it.
pub(crate) fn lock_file(path: &Path) -> Result<File, FsError> {
    let mut options = File::options();
    let file = options.create(true).truncate(false).write(true).open(path);
    let file = file.map_err(FsError::at("open", path))?;
    loop {
        match file.lock() {
            Ok(()) => return Ok(file),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(FsError::new("lock", path, error)),
        }
    }
}

/// Reads a whole file, or `None` if there is none.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, FsError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FsError::new("read", path, error)),
    }
}

/// Replaces `path` by `bytes`, by way of the scratch path `through` on the same file system.
pub(crate) fn replace(path: &Path, through: &Path, bytes: &[u8]) -> Result<(), FsError> {
    let mut file = File::create_new(through).map_err(FsError::at("create", through))?;
    file.write_all(bytes).map_err(FsError::at("write", through))?;
    publish_file(&file, through, path)
}

/// Gives a finished file its final name, durably.
pub(crate) fn publish_file(file: &File, from: &Path, to: &Path) -> Result<(), FsError> {
    file.sync_all().map_err(FsError::at("sync", from))?;
    fs::rename(from, to).map_err(FsError::at("move into place", to))?;
    sync_parent(to)
}

/// Makes the names in the folder of `path` durable.
pub(crate) fn sync_parent(path: &Path) -> Result<(), FsError> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    let opened = File::open(folder).map_err(FsError::at("open", folder))?;
    opened.sync_all().map_err(FsError::at("sync", folder))
}

/// Removes a file, if there is one.
pub(crate) fn remove_if_there(path: &Path) -> Result<(), FsError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FsError::new("remove", path, error)),
        _ => Ok(()),
    }
}

/// Lists the names in a folder.
pub(crate) fn names_in(folder: &Path) -> Result<Vec<String>, FsError> {
    let names = paths_in(folder)?;
    // A name that is not UTF-8 is none that the store gives.
    Ok(names.iter().filter_map(|path| Some(path.file_name()?.to_str()?.to_owned())).collect())
}

/// Adds up what a file or a whole folder takes on disk, in bytes; hard-linked files count once.
///
/// What vanishes meanwhile does not count.
pub(crate) fn size_on_disk(path: &Path) -> Result<u64, FsError> {
    let mut seen = BTreeSet::new();
    let mut total = 0;
    let mut left = vec![path.to_owned()];
    while let Some(path) = left.pop() {
        let found = match fs::symlink_metadata(&path) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(FsError::new("look at", &path, error)),
        };
        if found.is_dir() {
            left.append(&mut paths_in(&path)?);
        } else if found.nlink() > 1 && !seen.insert((found.dev(), found.ino())) {
            continue;
        }
        total += found.blocks() * 512;
    }
    Ok(total)
}

fn paths_in(folder: &Path) -> Result<Vec<PathBuf>, FsError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(FsError::new("list", folder, error)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    paths.collect::<io::Result<_>>().map_err(FsError::at("list", folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_with_the_path_and_the_remedy() {
        let error = FsError::new("write", Path::new("/var/x"), Errno::ENOSPC);
        assert_eq!(
            error.to_string(),
            "no space left to write `/var/x`: remove unused images, or free space or inodes on that file system"
        );
        assert!(matches!(FsError::new("write", Path::new("/"), Errno::EDQUOT), FsError::DiskFull { .. }));
        assert!(matches!(FsError::new("write", Path::new("/"), Errno::EIO), FsError::Io { .. }));
    }

    #[test]
    fn hard_links_take_their_space_once() {
        let folder = tempfile::tempdir().unwrap();
        let empty = size_on_disk(folder.path()).unwrap();
        let file = folder.path().join("a");
        fs::write(&file, vec![1; 100_000]).unwrap();
        let once = size_on_disk(folder.path()).unwrap();
        fs::hard_link(&file, folder.path().join("b")).unwrap();
        assert_eq!(size_on_disk(folder.path()).unwrap(), once);
        assert!(once >= empty + 100_000, "{once} after {empty}");
    }
}
