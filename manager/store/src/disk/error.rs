//! What goes wrong with a disk, and the way out.

use std::{io, path::PathBuf};

use super::{MAX_KEY_BYTES, MAX_VALUE_BYTES};

/// Why a disk could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// A directory or file of the database cannot be created, opened or synced.
    #[error("cannot prepare `{path}` for the database; check that it is on a local disk and writable")]
    Prepare {
        /// The directory or file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Another process, or another part of this one, has the database open.
    #[error(
        "another daemon uses the data directory `{path}`; stop it, or give this one a directory of its own"
    )]
    InUse {
        /// The data directory.
        path: PathBuf,
    },
    /// The database does not open.
    #[error(
        "the database in `{path}` is damaged and does not open; move that directory away and let this \
         node join again: it gets its data from its peers"
    )]
    Damaged {
        /// The data directory.
        path: PathBuf,
        /// What sled says.
        source: EngineError,
    },
    /// The database was written by a newer version of this program.
    #[error(
        "the database in `{path}` has format {found}, this version knows {known}; start the newer \
         version again, or move the directory away and let this node join again"
    )]
    Newer {
        /// The data directory.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// The file system is full, or the quota used up.
    #[error(
        "no space left for the database in `{path}`; nothing acknowledged is lost: make room, then \
         start again"
    )]
    Full {
        /// The data directory.
        path: PathBuf,
        /// What the write said.
        source: EngineError,
    },
    /// sled has moved data out to a file of its own, which would not survive a power cut.
    #[error(
        "sled has put data into `{path}`, where a power cut would lose it; move the data directory away \
         and let this node join again, and report this"
    )]
    Spilled {
        /// sled's `blobs` directory.
        path: PathBuf,
    },
    /// A read failed.
    #[error("cannot read the database in `{path}`; check the device and the kernel's log")]
    Read {
        /// The data directory.
        path: PathBuf,
        /// What sled says.
        source: EngineError,
    },
    /// A write failed.
    #[error("cannot write the database in `{path}`; check the device and the kernel's log, then start again")]
    Write {
        /// The data directory.
        path: PathBuf,
        /// What sled or the system says.
        source: EngineError,
    },
    /// An earlier write failed, or the disk's thread has ended.
    #[error("the database was stopped by an earlier failure; see what the log says of it, then start again")]
    Stopped,
    /// The system gives no thread for the disk.
    #[error("cannot start a thread for the database; raise the limit on tasks (`TasksMax`, `ulimit -u`)")]
    Thread {
        /// The system's reason.
        source: io::Error,
    },
    /// A part of a value is missing or in the wrong place.
    #[error(
        "the value of `{key}` in table `{table}` is incomplete, so the database is damaged; move its \
         directory away and let this node join again: it gets its data from its peers"
    )]
    Incomplete {
        /// The table.
        table: &'static str,
        /// The key, its bytes escaped.
        key: String,
    },
    /// An encrypted value was not written under this data key, for this key of this table.
    #[error(
        "the value of `{key}` in table `{table}` does not open with the data key: it was changed, moved, \
         or written under another key; restore the key file, or move the data directory away and let \
         this node join again"
    )]
    Tampered {
        /// The table.
        table: &'static str,
        /// The key, its bytes escaped.
        key: String,
    },
    /// The random numbers that encryption needs are not to be had.
    #[error("the system gives no random bytes to encrypt a value with")]
    Random {
        /// The system's reason.
        source: getrandom::Error,
    },
    /// A key is longer than [`MAX_KEY_BYTES`].
    #[error("a key of {bytes} bytes for table `{table}` is too long: at most {MAX_KEY_BYTES}")]
    KeyTooLong {
        /// The table.
        table: &'static str,
        /// The key's length.
        bytes: usize,
    },
    /// A value is longer than [`MAX_VALUE_BYTES`].
    #[error("a value of {bytes} bytes for `{key}` in table `{table}` is too long: at most {MAX_VALUE_BYTES}")]
    ValueTooLong {
        /// The table.
        table: &'static str,
        /// The key, its bytes escaped.
        key: String,
        /// The value's length.
        bytes: usize,
    },
}

/// What the storage engine or the system below it said.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// sled returned an error.
    #[error(transparent)]
    Sled(#[from] sled::Error),
    /// A file operation of our own failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// sled panicked, as it does on some damage.
    #[error("sled panicked: {0}")]
    Panic(String),
    /// The database holds something that this program never writes.
    #[error("{0}")]
    Foreign(&'static str),
}

impl EngineError {
    /// Says whether the cause is a full file system or a used-up quota.
    pub(super) fn is_full(&self) -> bool {
        let cause = match self {
            Self::Sled(sled::Error::Io(source)) | Self::Io(source) => source,
            _ => return false,
        };
        matches!(cause.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
    }
}

/// Shows a key in a message.
pub(crate) fn show(key: &[u8]) -> String {
    key.escape_ascii().to_string()
}
