//! What is wrong with an archive, and how much of one is accepted.

use std::io;

/// Bounds what one archive may unpack to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the uncompressed archive. The default, 64 GiB, leaves room for machine-learning images.
    pub bytes: u64,
    /// Members of the archive. The default is two million; large real layers have a tenth of it.
    pub entries: u64,
    /// Bytes of a path. The default is the kernel's own limit, 4096.
    pub path: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { bytes: 64 << 30, entries: 2_000_000, path: 4096 }
    }
}

/// Says why an archive cannot be read, and at which entry.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It ends early.
    #[error("the archive is truncated at {place}: get it again")]
    Truncated {
        /// The entry that was being read, in words.
        place: String,
        /// What the reader said.
        #[source]
        source: io::Error,
    },
    /// It cannot be read or decompressed.
    #[error("the archive cannot be read at {place}")]
    Unreadable {
        /// The entry that was being read, in words.
        place: String,
        /// What the reader said.
        #[source]
        source: io::Error,
    },
    /// It is something else altogether.
    #[error("it is no tar archive, neither plain nor compressed by gzip or zstd")]
    NotTar,
    /// It is no well-formed tar archive.
    #[error("the archive is corrupt at {place}: {reason}")]
    Corrupt {
        /// The entry that was being read, in words.
        place: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// It is larger than is accepted.
    #[error("the archive exceeds the limit of {limit} {what} at {place}")]
    TooLarge {
        /// The entry that was being read, in words.
        place: String,
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// It holds something that image layers do not.
    #[error("{place} is {kind}, which is not supported: build the image without it")]
    Unsupported {
        /// The entry, in words.
        place: String,
        /// What it is.
        kind: String,
    },
}

impl ArchiveError {
    pub(crate) fn read(place: &str, source: io::Error) -> Self {
        let place = place.to_owned();
        if source.kind() == io::ErrorKind::UnexpectedEof {
            return Self::Truncated { place, source };
        }
        Self::Unreadable { place, source }
    }
}
