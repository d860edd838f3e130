//! Files of tasks' secrets and configs, in memory only, from which containers have them.
//!
//! ```text
//! <data>/payloads               a tmpfs, there as long as any task has something in it
//! <data>/payloads/<task>/0 1 2  in the order of the task's spec; only root may look into the folder
//! ```
//!
//! A container has each file itself mounted, so it goes on having it whatever becomes of the daemon. A new content is
//! written into the same file.

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sys::statfs::{TMPFS_MAGIC, statfs},
};
use proto::model::TaskId;
use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs::{self, DirBuilder, File, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use worker_core::payloads::PayloadFile;
use zeroize::Zeroizing;

/// Something can't be done with the files of secrets and configs.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{path}`, which secrets and configs are kept in")]
pub(crate) struct PayloadFilesError {
    verb: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// The files of all tasks.
#[derive(Debug)]
pub(crate) struct PayloadFiles {
    root: PathBuf,
    /// Held while it is mounted, unmounted, or written to.
    turn: Mutex<()>,
}

impl PayloadFiles {
    /// Names the files in a daemon's data folder.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { root: data_dir.join("payloads"), turn: Mutex::default() }
    }

    /// Makes a task's files anew; gives where they are, in the same order.
    pub(crate) fn write(
        &self,
        task: TaskId,
        files: &[PayloadFile],
    ) -> Result<Vec<PathBuf>, PayloadFilesError> {
        let _turn = self.turn();
        self.mount()?;
        self.remove_folder(task)?;
        let folder = self.folder(task);
        let failed = |verb, path: &Path| {
            let path = path.to_owned();
            move |source| PayloadFilesError { verb, path, source }
        };
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed("make", &folder))?;
        let make = |(number, file): (usize, &PayloadFile)| {
            let path = folder.join(number.to_string());
            make(&path, file).map_err(failed("write", &path))?;
            Ok(path)
        };
        files.iter().enumerate().map(make).collect()
    }

    /// Writes what has become of a task's files into them; says which of them have changed.
    pub(crate) fn refresh<'a>(
        &self,
        task: TaskId,
        files: &'a [PayloadFile],
    ) -> Result<Vec<&'a PayloadFile>, PayloadFilesError> {
        let _turn = self.turn();
        let mut changed = Vec::new();
        for (number, file) in files.iter().enumerate() {
            let path = self.folder(task).join(number.to_string());
            let renewed = renew(&path, file.content.bytes());
            if renewed.map_err(|source| PayloadFilesError { verb: "write", path, source })? {
                changed.push(file);
            }
        }
        Ok(changed)
    }

    /// Removes a task's files, and with the last of them what they were in.
    pub(crate) fn remove(&self, task: TaskId) -> Result<(), PayloadFilesError> {
        let _turn = self.turn();
        self.remove_folder(task)?;
        self.unmount_if_empty()
    }

    /// Removes the files of all but some tasks.
    pub(crate) fn keep(&self, tasks: &BTreeSet<TaskId>) -> Result<(), PayloadFilesError> {
        let _turn = self.turn();
        for entry in self.entries()? {
            let task = entry.to_str().and_then(|name| name.parse().ok());
            if let Some(other) = task.filter(|task| !tasks.contains(task)) {
                self.remove_folder(other)?;
            }
        }
        self.unmount_if_empty()
    }

    fn mount(&self) -> Result<(), PayloadFilesError> {
        let failed = |verb| {
            let path = self.root.clone();
            move |source| PayloadFilesError { verb, path, source }
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.root);
        made.map_err(failed("make"))?;
        let kind = statfs(&self.root).map_err(|errno| failed("look at")(errno.into()))?;
        if kind.filesystem_type() == TMPFS_MAGIC {
            return Ok(());
        }
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        let mount = |options: &str| mount(Some("shoal"), &self.root, Some("tmpfs"), flags, Some(options));
        // Kernels before 6.4 can't keep it out of swap.
        let mounted = match mount("mode=0700,noswap") {
            Err(Errno::EINVAL) => mount("mode=0700"),
            mounted => mounted,
        };
        mounted.map_err(|errno| failed("mount memory at")(errno.into()))
    }

    fn unmount_if_empty(&self) -> Result<(), PayloadFilesError> {
        if !self.entries()?.is_empty() {
            return Ok(());
        }
        match umount2(&self.root, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            // Nothing is mounted there.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => Ok(()),
            Err(errno) => {
                Err(PayloadFilesError { verb: "unmount", path: self.root.clone(), source: errno.into() })
            }
        }
    }

    fn entries(&self) -> Result<Vec<OsString>, PayloadFilesError> {
        let name = |entry: io::Result<fs::DirEntry>| Ok(entry?.file_name());
        let listed: io::Result<_> = fs::read_dir(&self.root).and_then(|entries| entries.map(name).collect());
        match listed {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            listed => {
                listed.map_err(|source| PayloadFilesError { verb: "list", path: self.root.clone(), source })
            }
        }
    }

    fn remove_folder(&self, task: TaskId) -> Result<(), PayloadFilesError> {
        let path = self.folder(task);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(PayloadFilesError { verb: "remove", path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn folder(&self, task: TaskId) -> PathBuf {
        self.root.join(task.to_string())
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        // A panic leaves files, which are removed or made anew like any others.
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make(path: &Path, wanted: &PayloadFile) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all_at(wanted.content.bytes(), 0)?;
    fchown(&file, Some(wanted.uid), Some(wanted.gid))?;
    file.set_permissions(Permissions::from_mode(wanted.mode))
}

/// Writes a content into a file, unless it is there already; says whether it was not. Who reads meanwhile may see parts
/// of both, but never an empty file.
fn renew(path: &Path, content: &[u8]) -> io::Result<bool> {
    if *Zeroizing::new(fs::read(path)?) == content {
        return Ok(false);
    }
    let file = File::options().write(true).open(path)?;
    file.write_all_at(content, 0)?;
    file.set_len(content.len() as u64)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::Content;
    use std::os::unix::fs::MetadataExt;

    fn file(content: &str) -> PayloadFile {
        PayloadFile {
            path: "/run/secrets/key".into(),
            uid: 101,
            gid: 102,
            mode: 0o440,
            content: Content::checked(content.into()),
            signal: None,
        }
    }

    fn is_memory(path: &Path) -> bool {
        statfs(path).unwrap().filesystem_type() == TMPFS_MAGIC
    }

    #[test]
    fn a_tasks_files_are_in_memory_until_they_are_removed() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let files = PayloadFiles::new(dir.path());
        let [first, second] = [1, 2].map(TaskId::from_bits);
        let paths = files.write(first, &[file("one"), file("two")]).unwrap();
        files.write(second, &[file("three")]).unwrap();
        let meta = fs::metadata(&paths[0]).unwrap();
        assert_eq!((meta.uid(), meta.gid(), meta.mode() & 0o7777), (101, 102, 0o440));
        assert_eq!(fs::read_to_string(&paths[1]).unwrap(), "two");
        assert!(is_memory(&paths[0]));

        files.remove(second).unwrap();
        assert!(paths[0].exists(), "another task's are left alone");
        // As a daemon that starts again does.
        let files = PayloadFiles::new(dir.path());
        files.keep(&[first].into()).unwrap();
        assert!(paths[0].exists());
        files.keep(&BTreeSet::new()).unwrap();
        assert!(!paths[0].exists());
        assert_eq!(is_memory(&files.root), is_memory(dir.path()), "nothing is left mounted");
        files.remove(first).unwrap();
    }

    #[test]
    fn a_new_content_is_written_into_the_file_that_is_there() {
        let dir = tempfile::tempdir_in("/var/tmp").unwrap();
        let files = PayloadFiles::new(dir.path());
        let task = TaskId::from_bits(1);
        let paths = files.write(task, &[file("a long one"), file("stays")]).unwrap();
        let inode = || fs::metadata(&paths[0]).unwrap().ino();
        let before = inode();
        let now = [file("short"), file("stays")];
        let changed: Vec<_> = files.refresh(task, &now).unwrap();
        assert_eq!(changed, [&now[0]]);
        assert_eq!((fs::read_to_string(&paths[0]).unwrap().as_str(), inode()), ("short", before));
        assert!(files.refresh(task, &now).unwrap().is_empty());
        files.remove(task).unwrap();
    }
}
