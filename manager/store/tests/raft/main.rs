//! Raft's storage: openraft's own suite, restarts, failing disks, and bounds.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod log;
mod machine;
mod snapshot;
mod suite;
