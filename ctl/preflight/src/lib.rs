//! What a machine lacks for being a node, found out before anything fails for it.
//!
//! [`run`] looks and judges. `gather` looks at the machine and changes nothing that lasts; `parse` reads
//! what the kernel and `nft` print; `judge` says what it means. The last two are pure.

mod check;
mod facts;
mod gather;
mod judge;
mod parse;
mod table;

pub use check::{Check, State, Unfit, unfit};
pub use table::table;

use std::{net::SocketAddr, path::PathBuf};

/// What is looked at.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where the daemon is going to keep everything; it need not exist.
    pub data_dir: PathBuf,
    /// Where a manager is going to listen.
    pub listen_addr: SocketAddr,
    /// The nft program, by name or path.
    pub nft_program: PathBuf,
}

/// Checks the machine, always in the same order; without root only what can be seen without it.
///
/// It blocks the calling thread and is about the network namespace that this thread is in.
pub async fn run(options: &Options) -> Vec<Check> {
    judge::all(&gather::facts(options).await)
}
