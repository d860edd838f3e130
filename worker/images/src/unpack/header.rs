//! The fixed header of a tar member: its numbers, its checksum and its kind.

use tar::{EntryType, Header};

/// Is what a member of an archive makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Symlink,
    HardLink,
    CharDevice,
    BlockDevice,
    Fifo,
}

/// Holds the numbers of a fixed header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Numbers {
    pub mode: u32,
    pub uid: u64,
    pub gid: u64,
    /// In bytes.
    pub size: u64,
    /// Seconds since the epoch.
    pub mtime: i64,
    /// Major and minor number.
    pub device: (u32, u32),
}

impl Numbers {
    /// Reads the numbers; the error says what is wrong.
    pub(crate) fn read(header: &Header) -> Result<Self, &'static str> {
        let old = header.as_old();
        let (major, minor) = match (header.as_ustar(), header.as_gnu()) {
            (Some(ustar), _) => (ustar.dev_major, ustar.dev_minor),
            (_, Some(gnu)) => (gnu.dev_major, gnu.dev_minor),
            _ => ([0; 8], [0; 8]),
        };
        Ok(Self {
            mode: number::<u32>(&old.mode)? & 0o7777,
            uid: number(&old.uid)?,
            gid: number(&old.gid)?,
            size: number(&old.size)?,
            mtime: number(&old.mtime)?,
            device: (number(&major)?, number(&minor)?),
        })
    }
}

/// Reads a number: octal digits, nothing at all for zero, or binary if the first bit is set.
///
/// The `tar` crate refuses blank numbers, which old tools write, and knows no negative times.
fn number<T: TryFrom<i128>>(field: &[u8]) -> Result<T, &'static str> {
    let value = if field[0] & 0x80 == 0 { octal(field) } else { binary(field) };
    value
        .and_then(|value| T::try_from(value).ok())
        .ok_or("a number in its header is malformed or out of range")
}

fn octal(field: &[u8]) -> Option<i128> {
    let text = field.split(|byte| *byte == 0).find(|part| !part.is_empty()).unwrap_or_default();
    let digits = std::str::from_utf8(text).ok()?.trim();
    if digits.is_empty() { Some(0) } else { i128::from_str_radix(digits, 8).ok() }
}

/// Reads a big-endian number in two's complement, whose sign is the second bit: the first only marks the form.
fn binary(field: &[u8]) -> Option<i128> {
    let sign = if field[0] & 0x40 == 0 { 0 } else { -1i128 };
    let first = if sign == 0 { field[0] & 0x7f } else { field[0] };
    let bytes = std::iter::once(&first).chain(&field[1..]);
    // Twelve bytes at most, so nothing is shifted out.
    Some(bytes.fold(sign, |value, byte| (value << 8) | i128::from(*byte)))
}

/// Says whether a header names its format; only the oldest archives do not.
pub(crate) fn has_magic(header: &Header) -> bool {
    header.as_ustar().is_some() || header.as_gnu().is_some()
}

/// Says whether the header's checksum is right; it is taken with its own field as blanks.
pub(crate) fn has_right_sum(header: &Header) -> bool {
    let bytes = header.as_bytes();
    let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|byte| u32::from(*byte)).sum();
    number(&header.as_old().cksum) == Ok(sum + 8 * u32::from(b' '))
}

/// Returns what a member makes; the error says what it is instead.
pub(crate) fn kind(header: &Header, path: &[u8], is_sparse: bool) -> Result<Kind, String> {
    match header.entry_type() {
        EntryType::GNUSparse => Err("a sparse file".to_owned()),
        _ if is_sparse => Err("a sparse file".to_owned()),
        // The oldest archives mark a folder by a slash at the end of its name only.
        EntryType::Regular | EntryType::Continuous if path.ends_with(b"/") => Ok(Kind::Folder),
        EntryType::Regular | EntryType::Continuous => Ok(Kind::File),
        EntryType::Directory => Ok(Kind::Folder),
        EntryType::Symlink => Ok(Kind::Symlink),
        EntryType::Link => Ok(Kind::HardLink),
        EntryType::Char => Ok(Kind::CharDevice),
        EntryType::Block => Ok(Kind::BlockDevice),
        EntryType::Fifo => Ok(Kind::Fifo),
        other => Err(format!("of type {:?}", char::from(other.as_byte()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_octal_blank_or_binary() {
        assert_eq!(number(b"0000755\0"), Ok(0o755));
        assert_eq!(number(b"   755 \0"), Ok(0o755));
        assert_eq!(number(b"\0\0\0\0\0\0\0\0"), Ok(0));
        assert_eq!(number(b"        "), Ok(0));
        assert_eq!(number(&[0x80, 0, 0, 0, 0, 0, 1, 2]), Ok(258));
        assert_eq!(number(&[0xff; 12]), Ok(-1i64));
        assert!(number::<u32>(b"12x\0\0\0\0\0").is_err());
        assert!(number::<u64>(&[0xff; 12]).is_err(), "a size is never negative");
        assert!(number::<u64>(&[0xbf; 12]).is_err(), "a size has at most 64 bits");
    }

    #[test]
    fn a_changed_byte_breaks_the_checksum() {
        let mut header = Header::new_gnu();
        header.set_cksum();
        assert!(has_right_sum(&header));
        header.as_mut_bytes()[0] ^= 1;
        assert!(!has_right_sum(&header));
    }
}
