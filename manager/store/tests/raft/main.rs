//! Raft's storage: openraft's own suite, restarts, failing disks, and bounds.

mod log;
mod machine;
mod snapshot;
mod suite;
