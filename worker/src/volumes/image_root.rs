//! A look into an image: its layers put together where nobody else sees it.

use nix::{
    errno::Errno,
    fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2},
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
    sys::stat::Mode,
};
use std::{
    os::fd::{AsRawFd, OwnedFd},
    panic,
    path::{Path, PathBuf},
    thread,
};

/// Why an image can't be looked into.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImageRootError {
    #[error("cannot make a mount namespace; the daemon must run as root")]
    Namespace(#[source] nix::Error),
    #[error("cannot open layer `{path}`; pull the image again")]
    Layer {
        path: PathBuf,
        #[source]
        source: nix::Error,
    },
    #[error("cannot put {layers} layers together; the kernel needs overlayfs")]
    Mount {
        layers: usize,
        #[source]
        source: nix::Error,
    },
    #[error("cannot open `{path}` of the image")]
    Open {
        path: PathBuf,
        #[source]
        source: nix::Error,
    },
}

/// Looks at a folder of an image, given its layers, the topmost first; `None` if it has no such folder.
///
/// Links in the path stay within the image. The folder's own path is good only while looking.
pub(super) fn within<T: Send>(
    layers: &[PathBuf],
    folder: &str,
    look: impl FnOnce(&Path) -> T + Send,
) -> Result<Option<T>, ImageRootError> {
    let Some(topmost) = layers.first() else { return Ok(None) };
    // The mount is seen by this thread only, and gone with it.
    thread::scope(|scope| {
        let looking = scope.spawn(|| {
            enter_own_mounts().map_err(ImageRootError::Namespace)?;
            let root = match layers {
                [_] => topmost,
                _ => put_together(layers, topmost)?,
            };
            let content = open_within(root, folder)?;
            Ok(content.map(|content| look(&by_descriptor(&content))))
        });
        looking.join().unwrap_or_else(|panicked| panic::resume_unwind(panicked))
    })
}

fn enter_own_mounts() -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SLAVE, None::<&str>)
}

/// Mounts the layers over the topmost one's own folder.
fn put_together<'a>(layers: &[PathBuf], at: &'a PathBuf) -> Result<&'a PathBuf, ImageRootError> {
    let opened =
        |path: &PathBuf| folder(path).map_err(|source| ImageRootError::Layer { path: path.clone(), source });
    let opened: Vec<OwnedFd> = layers.iter().map(opened).collect::<Result<_, _>>()?;
    // Paths by descriptor are short, so that those of many layers fit in the page that options may take.
    let paths: Vec<String> = opened.iter().map(|layer| by_descriptor(layer).display().to_string()).collect();
    let options = format!("lowerdir={}", paths.join(":"));
    mount(Some("overlay"), at, Some("overlay"), MsFlags::MS_RDONLY, Some(options.as_str()))
        .map_err(|source| ImageRootError::Mount { layers: layers.len(), source })?;
    Ok(at)
}

fn open_within(root: &Path, wanted: &str) -> Result<Option<OwnedFd>, ImageRootError> {
    let failed = |source| ImageRootError::Open { path: wanted.into(), source };
    let root = folder(root).map_err(failed)?;
    let resolve = ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC).resolve(resolve);
    match openat2(&root, wanted, how) {
        Ok(content) => Ok(Some(content)),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(None),
        Err(source) => Err(failed(source)),
    }
}

fn folder(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

fn by_descriptor(folder: &OwnedFd) -> PathBuf {
    format!("/proc/thread-self/fd/{}", folder.as_raw_fd()).into()
}
