//! Raft's storage over any disk: the log and vote for openraft, and the newest snapshot.
//!
//! The state machine is not here; it keeps its snapshots in a [`SnapshotStore`] and is rebuilt from
//! the newest one and the log.

mod codec;
mod disk_thread;
mod error;
mod log_reader;
mod log_store;
mod snapshot_store;
mod tail;

pub use disk_thread::DiskThread;
pub use error::RaftStoreError;
pub use log_reader::LogReader;
pub use log_store::LogStore;
pub use snapshot_store::SnapshotStore;
