//! Durable storage: a small disk on sled, encryption at rest, and raft's log, vote and snapshots on top.
//!
//! # Layout
//!
//! * [`disk`]: ordered keys in named tables, written in atomic batches that are on the platter when
//!   they return. [`disk::SledDisk`] is the real one, [`disk::MemDisk`] stands in for it in simulations.
//!   It knows nothing of raft, so a worker's ledger can use it too.
//! * [`sealed`]: a disk over a disk that encrypts every value under one data key.
//! * [`raft`]: openraft's log storage and the snapshot store over any disk.
//!
//! **Invariant:** nothing is acknowledged before it has been synced to the device.

pub mod disk;
pub mod raft;
pub mod sealed;
