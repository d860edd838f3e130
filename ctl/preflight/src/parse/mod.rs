//! Reads what the kernel and `nft` print.

pub mod meminfo;
pub mod mounts;
pub mod ruleset;
pub mod sockets;
