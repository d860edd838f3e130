//! One node of a cluster: the worker's agent always, and a manager for as long as people want one here.
//!
//! [`run`] is the daemon from start to end; [`node`] is the node's life in and out of clusters;
//! [`follow`] makes it a manager or a worker when people promote or demote it. [`socket`] is where
//! root on this machine speaks to it.

mod address;
mod agent;
mod config;
mod enrol;
mod follow;
mod identity;
mod images;
mod local_service;
mod machine;
mod managers;
mod node;
mod run;
mod socket;

pub use address::{AddressError, listen_addr};
pub use config::{DEFAULT_PORT, DaemonConfig};
pub use machine::hostname;
pub use run::{DaemonError, run};
