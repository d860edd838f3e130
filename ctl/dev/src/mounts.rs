//! What is mounted below the cluster's folders, and taking it off.

use nix::{
    errno::Errno,
    mount::{MntFlags, umount2},
};
use std::{ffi::OsString, fs, io, os::unix::ffi::OsStringExt, path::PathBuf};

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// Says why mounts can't be found or taken off.
#[derive(Debug, thiserror::Error)]
pub enum MountsError {
    /// The list of mounts can't be read.
    #[error("can't read the list of mounts in {MOUNTINFO}")]
    Read(#[source] io::Error),
    /// A mount can't be taken off.
    #[error("can't unmount `{point}`")]
    Unmount {
        /// Where it is mounted.
        point: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
}

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    pub point: PathBuf,
    /// The inode of the network namespace that is bound there, if it is one.
    pub namespace: Option<u64>,
}

/// The mounts at or below any of the paths, in the order they were made.
pub(crate) fn within(paths: &[PathBuf]) -> Result<Vec<Mount>, MountsError> {
    let text = fs::read(MOUNTINFO).map_err(MountsError::Read)?;
    let mounts = text.split(|&byte| byte == b'\n').filter_map(parse);
    Ok(mounts.filter(|mount| paths.iter().any(|path| mount.point.starts_with(path))).collect())
}

/// Takes everything below the folders off, the deepest and last first; a mount at a folder itself was
/// not made by the cluster and stays. What is still in use vanishes for all others at once.
pub(crate) fn unmount_below(folders: &[PathBuf]) -> Result<(), MountsError> {
    let is_ours = |mount: &Mount| !folders.contains(&mount.point);
    loop {
        let Some(last) = within(folders)?.into_iter().rfind(is_ours) else { return Ok(()) };
        match umount2(&last.point, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {
            // Gone meanwhile.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(source) => return Err(MountsError::Unmount { point: last.point, source }),
        }
    }
}

/// Reads a line of mountinfo (proc(5)): `ID PARENT DEVICE ROOT POINT OPTIONS ... - KIND SOURCE ...`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&byte| byte == b' ');
    let root = fields.nth(3)?;
    let point = PathBuf::from(OsString::from_vec(unescape(fields.next()?)));
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    let inode = || std::str::from_utf8(root).ok()?.strip_prefix("net:[")?.strip_suffix(']')?.parse().ok();
    Some(Mount { point, namespace: (kind == b"nsfs").then(inode).flatten() })
}

/// Puts back the spaces and the like that the kernel writes as a backslash and three octal digits.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, others)) = rest.split_first() {
        let octal = others.get(..3).filter(|_| first == b'\\').and_then(|digits| {
            digits.iter().try_fold(0u32, |value, digit| {
                digit.checked_sub(b'0').filter(|digit| *digit < 8).map(|digit| value * 8 + u32::from(digit))
            })
        });
        match octal.and_then(|value| u8::try_from(value).ok()) {
            Some(byte) => {
                text.push(byte);
                rest = &others[3..];
            }
            None => {
                text.push(first);
                rest = others;
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_namespace_is_known_by_its_inode() {
        let line = b"99 24 0:4 net:[4026532281] /run/a\\040b/netns/m1 rw shared:9 - nsfs nsfs rw";
        let mount = Mount { point: "/run/a b/netns/m1".into(), namespace: Some(4_026_532_281) };
        assert_eq!(parse(line), Some(mount));
        let overlay = b"99 24 0:50 / /var/lib/x/rootfs rw - overlay overlay rw,lowerdir=/a";
        assert_eq!(parse(overlay), Some(Mount { point: "/var/lib/x/rootfs".into(), namespace: None }));
        assert_eq!(parse(b"nonsense"), None);
    }

    #[test]
    fn backslashes_that_are_no_escape_stay() {
        assert_eq!(unescape(br"a\134b\9\04"), br"a\b\9\04");
    }
}
