//! Copies a folder with owners, permissions, times, extended attributes, links and special files.

use nix::sys::stat::{Mode, SFlag, mknod};
use std::{
    collections::HashMap,
    fs::{self, FileTimes, Metadata},
    io,
    os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, lchown, symlink},
    path::{Path, PathBuf},
};

/// Extended attributes that overlayfs keeps for itself.
const OF_OVERLAYFS: &str = "trusted.overlay.";

/// What could not be copied.
#[derive(Debug, thiserror::Error)]
#[error("cannot copy to `{to}`")]
pub(crate) struct CopyError {
    to: PathBuf,
    #[source]
    source: io::Error,
}

/// Makes one folder, which is there and empty, look like another. Nobody may change either meanwhile.
pub(super) fn tree(from: &Path, to: &Path) -> Result<(), CopyError> {
    Copy::default().folder(from, to)
}

#[derive(Default)]
struct Copy {
    /// Where files with several names went, by device and number.
    linked: HashMap<(u64, u64), PathBuf>,
}

impl Copy {
    fn folder(&mut self, from: &Path, to: &Path) -> Result<(), CopyError> {
        let failed = |source| CopyError { to: to.into(), source };
        for entry in fs::read_dir(from).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            self.entry(&from.join(&name), &to.join(&name))?;
        }
        // Last, because copying into it sets its time. The way in may be a link to an open folder.
        let like = fs::metadata(from).map_err(failed)?;
        dress(from, to, &like).map_err(failed)
    }

    fn entry(&mut self, from: &Path, to: &Path) -> Result<(), CopyError> {
        let failed = |source| CopyError { to: to.into(), source };
        let like = fs::symlink_metadata(from).map_err(failed)?;
        if like.is_dir() {
            fs::create_dir(to).map_err(failed)?;
            return self.folder(from, to);
        }
        if like.nlink() > 1 {
            if let Some(first) = self.linked.get(&(like.dev(), like.ino())) {
                return fs::hard_link(first, to).map_err(failed);
            }
            self.linked.insert((like.dev(), like.ino()), to.to_owned());
        }
        file(from, to, &like).map_err(failed)
    }
}

fn file(from: &Path, to: &Path, like: &Metadata) -> io::Result<()> {
    let kind = like.file_type();
    if kind.is_symlink() {
        symlink(fs::read_link(from)?, to)?;
        return lchown(to, Some(like.uid()), Some(like.gid()));
    }
    if kind.is_socket() {
        // Nobody listens on a socket in an image.
        return Ok(());
    }
    if kind.is_file() {
        fs::copy(from, to)?;
    } else {
        let kind = SFlag::from_bits_truncate(like.mode() & SFlag::S_IFMT.bits());
        mknod(to, kind, Mode::empty(), like.rdev())?;
    }
    dress(from, to, like)
}

fn dress(from: &Path, to: &Path, like: &Metadata) -> io::Result<()> {
    chown(to, Some(like.uid()), Some(like.gid()))?;
    // After the owner: a change of owner takes set-user-id bits away, and capabilities with them.
    fs::set_permissions(to, fs::Permissions::from_mode(like.mode() & 0o7777))?;
    for name in xattr::list(from)?.filter(|name| !name.to_string_lossy().starts_with(OF_OVERLAYFS)) {
        if let Some(value) = xattr::get(from, &name)? {
            xattr::set(to, &name, &value)?;
        }
    }
    if like.is_file() || like.is_dir() {
        let times = FileTimes::new().set_modified(like.modified()?);
        fs::File::open(to)?.set_times(times)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_keeps_links_owners_times_and_attributes() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("sub")).unwrap();
        fs::create_dir(&to).unwrap();
        fs::write(from.join("sub/file"), "text").unwrap();
        chown(from.join("sub/file"), Some(7), Some(8)).unwrap();
        fs::set_permissions(from.join("sub/file"), fs::Permissions::from_mode(0o4755)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
        fs::File::open(from.join("sub/file")).unwrap().set_modified(time).unwrap();
        xattr::set(from.join("sub/file"), "user.note", b"kept").unwrap();
        fs::hard_link(from.join("sub/file"), from.join("again")).unwrap();
        symlink("nowhere", from.join("dangling")).unwrap();
        nix::unistd::mkfifo(&from.join("pipe"), Mode::S_IRWXU).unwrap();

        tree(&from, &to).unwrap();

        let file = fs::metadata(to.join("sub/file")).unwrap();
        assert_eq!((file.mode() & 0o7777, file.uid(), file.gid()), (0o4755, 7, 8));
        assert_eq!(file.modified().unwrap(), time);
        assert_eq!(xattr::get(to.join("sub/file"), "user.note").unwrap().unwrap(), b"kept");
        assert_eq!(fs::metadata(to.join("again")).unwrap().ino(), file.ino());
        assert_eq!(fs::read_link(to.join("dangling")).unwrap(), Path::new("nowhere"));
        assert!(fs::metadata(to.join("pipe")).unwrap().file_type().is_fifo());
    }
}
