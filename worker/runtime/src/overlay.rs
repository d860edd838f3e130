//! A container's root: the image's layers, and above them what the container changes.

use nix::{
    fcntl::{OFlag, open},
    mount::{MsFlags, mount},
    sys::stat::Mode,
};
use std::{
    os::fd::{AsRawFd, OwnedFd},
    path::{Path, PathBuf},
};

/// Says why a root can't be mounted.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// The image has no layers.
    #[error("the image has no layers")]
    NoLayers,
    /// A layer is not there.
    #[error("layer `{path}` can't be opened; the image must be pulled again")]
    Layer {
        /// Its folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: nix::Error,
    },
    /// A folder for changes is not there.
    #[error("folder `{path}` for the container's changes can't be opened")]
    Upper {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: nix::Error,
    },
    /// The mount.
    #[error(
        "can't mount {layers} layers as `{target}`; the kernel needs overlayfs, and a file system it can use"
    )]
    Mount {
        /// How many.
        layers: usize,
        /// Where.
        target: PathBuf,
        /// Why.
        #[source]
        source: nix::Error,
    },
}

/// The two folders overlayfs needs for changes.
pub(crate) struct Changes<'a> {
    /// Keeps what was changed.
    pub upper: &'a Path,
    /// Scratch space in the same file system.
    pub work: &'a Path,
}

/// Mounts layers, the lowest first, with or without a place for changes.
pub(crate) fn mount_layers(
    lower_dirs: &[PathBuf],
    changes: Option<Changes>,
    target: &Path,
) -> Result<(), OverlayError> {
    if lower_dirs.is_empty() {
        return Err(OverlayError::NoLayers);
    }
    let opened = |path: &PathBuf| {
        open_folder(path).map_err(|source| OverlayError::Layer { path: path.clone(), source })
    };
    // The kernel wants the highest first.
    let layers: Vec<OwnedFd> = lower_dirs.iter().rev().map(opened).collect::<Result<_, _>>()?;
    let paths: Vec<String> = layers.iter().map(short_path).collect();
    let mut options = format!("lowerdir={}", paths.join(":"));
    let mut kept_open = Vec::new();
    if let Some(Changes { upper, work }) = changes {
        for (option, path) in [("upperdir", upper), ("workdir", work)] {
            let folder =
                open_folder(path).map_err(|source| OverlayError::Upper { path: path.into(), source })?;
            options.push_str(&format!(",{option}={}", short_path(&folder)));
            kept_open.push(folder);
        }
    }
    mount(Some("overlay"), target, Some("overlay"), MsFlags::empty(), Some(options.as_str()))
        .map_err(|source| OverlayError::Mount { layers: layers.len(), target: target.into(), source })
}

fn open_folder(path: &Path) -> nix::Result<OwnedFd> {
    open(path, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())
}

/// All options together must fit in a page, so 128 layers have room only with paths as short as these;
/// they also contain none of the characters that separate options.
fn short_path(folder: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", folder.as_raw_fd())
}
