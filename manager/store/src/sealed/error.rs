//! What goes wrong with the data key and the sealed disk.

use std::{io, path::PathBuf};

use crate::disk::DiskError;

use super::DATA_KEY_BYTES;

/// Why a sealed disk or its data key could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The disk below failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The data key is not the one that the disk was sealed with.
    #[error(
        "the data key is not the one this database was encrypted with; restore the key file, or move the \
         data directory away and let this node join again"
    )]
    WrongKey,
    /// The disk was sealed by a newer version of this program.
    #[error(
        "the database is encrypted in format {found}, this version knows {known}; start the newer version \
         again, or move the data directory away and let this node join again"
    )]
    Newer {
        /// The format found.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The record of the format is cut short.
    #[error(
        "the database's record of its encryption format is damaged; move the data directory away and let \
         this node join again"
    )]
    BadFormat,
    /// The key file cannot be read.
    #[error("cannot read the data key `{path}`; check its owner and that it is readable by this user")]
    ReadKey {
        /// The key file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The key file cannot be created.
    #[error("cannot create the data key `{path}`; check that its directory is writable and not full")]
    CreateKey {
        /// The key file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The key file does not hold a key.
    #[error("the data key `{path}` has {bytes} bytes instead of {DATA_KEY_BYTES}; restore it from a backup")]
    KeyLength {
        /// The key file.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// Others than its owner may read or write the key file.
    #[error(
        "the data key `{path}` has mode {mode:04o}, so others may read it; `chmod 600` it if it is still yours alone"
    )]
    KeyExposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The random numbers for a key are not to be had.
    #[error("the system gives no random bytes for a data key")]
    Random {
        /// The system's reason.
        source: getrandom::Error,
    },
}
