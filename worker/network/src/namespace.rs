//! Network namespaces as files: made, entered on a throw-away thread, removed.
//!
//! A namespace belongs to a thread, and a thread of the runtime that entered one would carry it into other tasks. So
//! whatever has to happen inside a namespace happens on a thread that ends right after.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, statfs};
use thiserror::Error;
use tokio::sync::oneshot;

/// The namespace of the calling thread, which is not always that of the process.
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

/// Why a namespace could not be made, entered or removed.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// The file or the folder it is in cannot be made.
    #[error("cannot create the namespace file {path}")]
    CreateFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel gives no new namespace.
    #[error(
        "cannot make a network namespace for {path}: it takes CAP_SYS_ADMIN and a kernel with CONFIG_NET_NS"
    )]
    Unshare {
        /// Where it would have been bound.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The namespace cannot be bound to its file.
    #[error("cannot bind a network namespace to {path}")]
    Bind {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The file cannot be opened.
    #[error("cannot open the namespace {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The namespace cannot be entered.
    #[error("cannot enter the namespace {path}: it takes CAP_SYS_ADMIN")]
    Enter {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The file cannot be examined.
    #[error("cannot tell whether a namespace is bound to {path}")]
    Examine {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: Errno,
    },
    /// The file cannot be unbound or removed.
    #[error("cannot remove the namespace file {path}")]
    Remove {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// No thread could be started.
    #[error("cannot start a thread for work in the namespace {path}: raise the limit on tasks")]
    Thread {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The thread ended before its work did.
    #[error("the thread at work in the namespace {path} panicked")]
    ThreadLost {
        /// The file.
        path: PathBuf,
    },
}

/// A network namespace that is held open; clones share it.
#[derive(Debug, Clone)]
pub struct Namespace {
    path: PathBuf,
    file: Arc<File>,
}

impl Namespace {
    /// Opens an existing namespace.
    pub fn open(path: &Path) -> Result<Self, NamespaceError> {
        let file =
            File::open(path).map_err(|source| NamespaceError::Open { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file) })
    }

    /// Makes a namespace and binds it to a file so that it outlives the process; opens it when it is there already.
    pub async fn create(path: &Path) -> Result<Self, NamespaceError> {
        if Self::is_bound(path)? {
            return Self::open(path);
        }
        let parent = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(parent)
            .and_then(|()| OpenOptions::new().create(true).append(true).open(path).map(drop))
            .map_err(|source| NamespaceError::CreateFile { path: path.to_owned(), source })?;
        let target = path.to_owned();
        on_thread(path, move || {
            unshare_net(&target)?;
            let bind = mount(Some(OF_THIS_THREAD), &target, None::<&str>, MsFlags::MS_BIND, None::<&str>);
            bind.map_err(|source| NamespaceError::Bind { path: target.clone(), source })
        })
        .await??;
        Self::open(path)
    }

    /// Makes a namespace that goes away with the last handle.
    pub async fn temporary() -> Result<Self, NamespaceError> {
        let path = PathBuf::from(OF_THIS_THREAD);
        on_thread(&path.clone(), move || {
            unshare_net(&path)?;
            Self::open(&path)
        })
        .await?
    }

    /// Tells whether a namespace is bound to this file.
    pub fn is_bound(path: &Path) -> Result<bool, NamespaceError> {
        match statfs(path) {
            Ok(found) => Ok(found.filesystem_type() == NSFS_MAGIC),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(false),
            Err(source) => Err(NamespaceError::Examine { path: path.to_owned(), source }),
        }
    }

    /// Unbinds a namespace and removes its file; tells whether there was one. What runs in it keeps it alive.
    pub fn remove(path: &Path) -> Result<bool, NamespaceError> {
        let failed = |source| NamespaceError::Remove { path: path.to_owned(), source };
        loop {
            match umount2(path, MntFlags::MNT_DETACH) {
                Ok(()) => {}
                Err(Errno::EINVAL | Errno::ENOENT) => break,
                Err(error) => return Err(failed(error.into())),
            }
        }
        match fs::remove_file(path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Does blocking work on a thread inside the namespace; sockets made and programs started there stay there.
    pub async fn run<T, W>(&self, work: W) -> Result<T, NamespaceError>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let inside = self.clone();
        on_thread(&self.path, move || {
            setns(&inside, CloneFlags::CLONE_NEWNET)
                .map_err(|source| NamespaceError::Enter { path: inside.path.clone(), source })?;
            Ok(work())
        })
        .await?
    }

    /// Returns the file the namespace was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the descriptor for a netlink message, valid while the namespace is held.
    pub(crate) fn raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

fn unshare_net(path: &Path) -> Result<(), NamespaceError> {
    unshare(CloneFlags::CLONE_NEWNET)
        .map_err(|source| NamespaceError::Unshare { path: path.to_owned(), source })
}

async fn on_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, NamespaceError> {
    let (send, receive) = oneshot::channel();
    std::thread::Builder::new()
        .name("netns".to_owned())
        // The receiver is gone when the caller was cancelled: then nobody wants the result.
        .spawn(move || drop(send.send(work())))
        .map_err(|source| NamespaceError::Thread { path: path.to_owned(), source })?;
    receive.await.map_err(|_| NamespaceError::ThreadLost { path: path.to_owned() })
}
