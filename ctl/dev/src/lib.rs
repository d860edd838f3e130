//! A development cluster on one machine: `shoal up` and `shoal down`.
//!
//! Every node is a real daemon in a network namespace with addresses of its own, so that nothing of
//! it differs from a cluster of machines but the wire:
//!
//! ```text
//!                         namespace `fabric`
//! machine --- host ---+-------- bridge --------+         addresses in 10.88.0.0/24:
//!  (host_link only)   |           |            |           machine  .1
//!                    m1          m2           w1           managers .11 and up
//!                     |           |            |           workers  .51 and up
//!                   eth0        eth0         eth0
//!               namespace m1  namespace m2  namespace w1
//! ```
//!
//! [`up`] looks at what is there and makes what is missing, so it also finishes what a crash or a
//! reboot interrupted. [`down`] removes every trace. [`Cluster`] and [`Node`] let tests break things
//! in between: kill a daemon, cut a link, cut the power.

mod client;
mod cluster;
mod collision;
mod daemon;
mod down;
mod error;
mod fabric;
mod folders;
mod formation;
mod host_link;
mod links;
mod lock;
mod members;
mod mounts;
mod node;
mod options;
mod place;
mod process;
mod record;
mod roots;
mod status;
mod subnet;
mod up;

pub use client::{CallError, Client};
pub use cluster::Cluster;
pub use daemon::DaemonError;
pub use down::{Down, down};
pub use error::Error;
pub use fabric::FabricError;
pub use folders::FolderError;
pub use formation::FormationError;
pub use host_link::HostLinkError;
pub use links::LinkError;
pub use lock::LockError;
pub use mounts::MountsError;
pub use node::Node;
pub use options::{DownOptions, OptionsError, UpOptions};
pub use place::{MANAGERS_MAX, WORKERS_MAX};
pub use process::{ProcessError, ProcessId};
pub use record::RecordError;
pub use roots::Roots;
pub use status::{NodeStatus, Status, status};
pub use subnet::{Subnet, SubnetError};
pub use up::{Up, up};
