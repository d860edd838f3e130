//! Which file system a folder is on, from `/proc/self/mountinfo`.

use std::{
    ffi::OsString,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};

/// Returns the kind of the file system that an absolute path without links is on.
pub fn file_system_of(mountinfo: &[u8], path: &Path) -> Option<String> {
    let mounts = mountinfo.split(|byte| *byte == b'\n').filter_map(mount);
    let above = mounts.filter(|(point, _)| path.starts_with(point));
    // Of several at one point the last one is on top.
    above.max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind)
}

/// Reads a line (proc(5)): `ID PARENT DEVICE ROOT POINT OPTIONS ... - KIND SOURCE ...`.
fn mount(line: &[u8]) -> Option<(PathBuf, String)> {
    let mut fields = line.split(|byte| *byte == b' ');
    let point = unescaped(fields.nth(4)?);
    let kind = fields.skip_while(|field| *field != b"-").nth(1)?;
    Some((PathBuf::from(OsString::from_vec(point)), String::from_utf8_lossy(kind).into_owned()))
}

/// Undoes `\040` and the like, which the kernel writes for blanks, tabs, line ends and backslashes.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.first_chunk::<3>().and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = &after[3..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &[u8] = b"\
21 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 21 0:26 / /var/lib rw - tmpfs tmpfs rw
31 21 0:27 / /var/lib rw master:3 shared:4 - xfs /dev/vdb rw
32 21 0:28 / /mnt/my\\040share rw - nfs4 host:/x rw
";

    #[test]
    fn the_deepest_mount_counts_and_of_two_at_one_point_the_later() {
        let kind = |path: &str| file_system_of(MOUNTINFO, Path::new(path));
        assert_eq!(kind("/srv/shoal").as_deref(), Some("ext4"));
        assert_eq!(kind("/var/lib/shoal").as_deref(), Some("xfs"));
        assert_eq!(kind("/var/library").as_deref(), Some("ext4"));
        assert_eq!(kind("/mnt/my share/x").as_deref(), Some("nfs4"));
        assert_eq!(file_system_of(b"nonsense\n", Path::new("/")), None);
    }
}
