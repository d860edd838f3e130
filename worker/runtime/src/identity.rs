//! Who a container's main process is, read from the image's own files.

use crate::{
    overlay::{self, OverlayError},
    private_mounts::{self, PrivateMountsError},
    rootfs::Rootfs,
};
use std::{
    io,
    path::{Path, PathBuf},
};
use worker_core::oci_spec::{Identity, UserError, users};

/// Larger user and group files are refused: they are read whole.
const FILE_MAX: u64 = 4 << 20;

/// Says why a user could not be found out.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The layers can't be looked at.
    #[error("can't look into the image for its users")]
    PrivateMounts(#[source] PrivateMountsError),
    /// The layers can't be looked at.
    #[error("can't look into the image for its users")]
    Overlay(#[source] OverlayError),
    /// The root can't be opened.
    #[error("can't open the image's root")]
    Root(#[source] nix::Error),
    /// A file can't be read.
    #[error("can't read `{path}` of the image")]
    File {
        /// Its path in the image.
        path: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no such user or group.
    #[error(transparent)]
    User(#[from] UserError),
}

/// Finds out who `USER[:GROUP]` is in an image, given its layers, the lowest first. Waits for the disk.
pub fn identify(
    lower_dirs: &[PathBuf],
    user: Option<&str>,
    extra_groups: &[String],
) -> Result<Identity, IdentityError> {
    let (passwd, group) = match lower_dirs {
        [] => return Err(IdentityError::Overlay(OverlayError::NoLayers)),
        [only] => read(only)?,
        [.., highest] => private_mounts::within(|| {
            // Its own place serves as mount point: only this thread sees it covered.
            overlay::mount_layers(lower_dirs, None, highest).map_err(IdentityError::Overlay)?;
            read(highest)
        })
        .map_err(IdentityError::PrivateMounts)??,
    };
    Ok(users::resolve(user, extra_groups, &passwd, &group)?)
}

fn read(root: &Path) -> Result<(String, String), IdentityError> {
    let rootfs = Rootfs::open(root).map_err(IdentityError::Root)?;
    let text = |path| rootfs.read_text(path, FILE_MAX).map_err(|source| IdentityError::File { path, source });
    Ok((text("/etc/passwd")?, text("/etc/group")?))
}
