//! Network namespaces as files: made, entered on a throw-away thread, removed.
//!
//! A namespace belongs to a thread, and a thread of the runtime that entered one would carry it into other tasks. So
//! whatever has to happen inside a namespace happens on a thread that ends right after. A caller that goes away does not
//! end the thread: what it has begun in a namespace is over before anything else is done there, and it makes no file that
//! nobody waits for any more.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, statfs};
use thiserror::Error;
use tokio::sync::oneshot;

/// The namespace of the calling thread, which is not always that of the process.
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

/// Held while a namespace is bound to a file or unbound, so that two who want the same file get the same namespace.
static BINDING: Mutex<()> = Mutex::new(());

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
    /// Held by the thread at work inside.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Namespace {
    /// Opens an existing namespace.
    pub fn open(path: &Path) -> Result<Self, NamespaceError> {
        let file =
            File::open(path).map_err(|source| NamespaceError::Open { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file: Arc::new(file), turn: Arc::default() })
    }

    /// Makes a namespace and binds it to a file so that it outlives the process; opens it when it is there already.
    pub async fn create(path: &Path) -> Result<Self, NamespaceError> {
        if Self::is_bound(path)? {
            return Self::open(path);
        }
        let target = path.to_owned();
        on_thread(path, move |is_wanted| {
            unshare_net(&target)?;
            let _one_at_a_time = binding();
            if !Self::is_bound(&target)? && is_wanted() {
                bind(Path::new(OF_THIS_THREAD), &target)?;
            }
            Ok(())
        })
        .await??;
        Self::open(path)
    }

    /// Binds the network namespace of a process to a file, unless one is bound there; fails when there is no such process.
    pub fn bind_of_process(pid: u32, path: &Path) -> Result<(), NamespaceError> {
        let _one_at_a_time = binding();
        if Self::is_bound(path)? { Ok(()) } else { bind(Path::new(&format!("/proc/{pid}/ns/net")), path) }
    }

    /// Tells whether this namespace is bound to its file, and not another one or none.
    pub(crate) fn is_in_place(&self) -> Result<bool, NamespaceError> {
        let failed = |source| NamespaceError::Open { path: self.path.clone(), source };
        let own = self.file.metadata().map_err(failed)?;
        match fs::metadata(&self.path) {
            Ok(found) => Ok((found.dev(), found.ino()) == (own.dev(), own.ino())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sees to it that this namespace is bound to its file; tells whether it was not.
    pub(crate) fn ensure_in_place(&self) -> Result<bool, NamespaceError> {
        if self.is_in_place()? {
            return Ok(false);
        }
        self.put_in_place().map(|()| true)
    }

    /// Binds this namespace to its file again, in the place of what is bound there now.
    fn put_in_place(&self) -> Result<(), NamespaceError> {
        Self::remove(&self.path)?;
        let _one_at_a_time = binding();
        bind(Path::new(&format!("/proc/self/fd/{}", self.raw_fd())), &self.path)
    }

    /// Makes a namespace that goes away with the last handle.
    pub async fn temporary() -> Result<Self, NamespaceError> {
        let path = PathBuf::from(OF_THIS_THREAD);
        on_thread(&path.clone(), move |_| {
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
        let _one_at_a_time = binding();
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

    /// Does blocking work on a thread inside the namespace; sockets made and programs started there stay there. Works of
    /// one handle and its clones follow each other, also those whose caller went away.
    pub async fn run<T, W>(&self, work: W) -> Result<T, NamespaceError>
    where
        T: Send + 'static,
        W: FnOnce() -> T + Send + 'static,
    {
        let inside = self.clone();
        let turn = self.turn.clone().lock_owned().await;
        on_thread(&self.path, move |_| {
            let _turn = turn;
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

fn binding() -> MutexGuard<'static, ()> {
    // Guards nothing that could be left half-way.
    BINDING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bind(namespace: &Path, target: &Path) -> Result<(), NamespaceError> {
    let parent = target.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(target).map(drop))
        .map_err(|source| NamespaceError::CreateFile { path: target.to_owned(), source })?;
    let bound = mount(Some(namespace), target, None::<&str>, MsFlags::MS_BIND, None::<&str>);
    bound.map_err(|source| NamespaceError::Bind { path: target.to_owned(), source })
}

/// Does work on a thread of its own, which can find out whether anybody still waits for it.
async fn on_thread<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce(&dyn Fn() -> bool) -> T + Send + 'static,
) -> Result<T, NamespaceError> {
    let (send, receive) = oneshot::channel();
    std::thread::Builder::new()
        .name("netns".to_owned())
        .spawn(move || {
            let done = work(&|| !send.is_closed());
            // The receiver is gone when the caller was cancelled: then nobody wants the result.
            drop(send.send(done));
        })
        .map_err(|source| NamespaceError::Thread { path: path.to_owned(), source })?;
    receive.await.map_err(|_| NamespaceError::ThreadLost { path: path.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Waker};

    /// Lets something begin, and goes away.
    fn abandon(work: impl Future) {
        let _ = pin!(work).poll(&mut Context::from_waker(Waker::noop()));
    }

    #[tokio::test]
    async fn what_an_abandoned_caller_began_is_over_before_the_next() {
        let namespace = Namespace::temporary().await.unwrap();
        let (send, receive) = std::sync::mpsc::channel::<()>();
        let done = Arc::new(Mutex::new(false));
        let begun = done.clone();
        abandon(namespace.run(move || {
            receive.recv().unwrap();
            *begun.lock().unwrap() = true;
        }));
        let next = namespace.run(move || *done.lock().unwrap());
        send.send(()).unwrap();
        assert!(next.await.unwrap());
    }

    #[tokio::test]
    async fn a_namespace_whose_maker_went_away_is_not_bound_after_its_file_was_removed() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..32 {
            let path = folder.path().join(number.to_string());
            abandon(Namespace::create(&path));
            Namespace::remove(&path).unwrap();
            let made = Namespace::create(&path).await.unwrap();
            assert!(made.is_in_place().unwrap());
            Namespace::remove(&path).unwrap();
        }
    }

    #[tokio::test]
    async fn a_namespace_is_put_back_into_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sandbox");
        let made = Namespace::create(&path).await.unwrap();
        Namespace::remove(&path).unwrap();
        assert!(!made.is_in_place().unwrap());
        Namespace::create(&path).await.unwrap();
        assert!(!made.is_in_place().unwrap(), "another one is there");
        made.put_in_place().unwrap();
        assert!(made.is_in_place().unwrap());
        Namespace::remove(&path).unwrap();
    }
}
