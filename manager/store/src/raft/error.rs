//! What goes wrong when raft's log, vote and snapshots are stored or read.

use openraft::AnyError;

use crate::disk::DiskError;

/// Why something of raft's could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum RaftStoreError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A record cannot be encoded.
    #[error("cannot encode {what} for the database")]
    Encode {
        /// The kind of record.
        what: &'static str,
        /// The encoder's reason.
        source: rmp_serde::encode::Error,
    },
    /// A record on disk cannot be decoded.
    #[error(
        "cannot decode {what} from the database: it is damaged or from a newer version; move the data \
         directory away and let this node join again"
    )]
    Decode {
        /// The kind of record.
        what: &'static str,
        /// The decoder's reason.
        source: rmp_serde::decode::Error,
    },
    /// An entry of the log cannot be decoded.
    #[error(
        "cannot decode log entry {index} from the database: it is damaged or from a newer version; move \
         the data directory away and let this node join again"
    )]
    DecodeEntry {
        /// The entry's index.
        index: u64,
        /// The decoder's reason.
        source: rmp_serde::decode::Error,
    },
    /// An entry does not follow the one before it, so the log would have a hole.
    #[error("log entry {index} does not follow the last one, {last}: raft must send what is between first")]
    Gap {
        /// The last index in the log.
        last: u64,
        /// The index of the refused entry.
        index: u64,
    },
    /// A record on disk is not where, or not as long, as it should be.
    #[error("{what} on disk is damaged; move the data directory away and let this node join again")]
    Damaged {
        /// The kind of record.
        what: &'static str,
    },
}

impl RaftStoreError {
    /// Puts the error and its causes in the one form that openraft takes.
    pub(super) fn for_raft(&self) -> AnyError {
        AnyError::new(self)
    }
}
