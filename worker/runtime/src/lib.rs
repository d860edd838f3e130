//! Runs containers on a node: a shim per container, its cgroups, its root, its output.
//!
//! The daemon uses [`Runtime`] and never is a container's parent: that is the [`shim`], a process of
//! its own that lives as long as the container and outlives the daemon. The two talk over a socket in
//! the container's folder ([`container_dir`]), and how a container ended is on disk before anyone is
//! told ([`exit_record`]).
//!
//! No call here blocks for long except where it says so; none may be made from the shim's side but
//! [`shim::main`].

pub mod cgroup;
pub mod container_dir;
mod descriptors;
pub mod exec;
pub mod exit_record;
pub mod identity;
pub mod logs;
mod overlay;
pub mod preflight;
mod private_mounts;
mod process_id;
mod protocol;
mod recovery;
mod rootfs;
pub mod running;
pub mod runtime;
pub mod shim;
mod spawn;

pub use cgroup::{CgroupError, Hierarchies};
pub use container_dir::ContainerDir;
pub use exec::{ExecError, Executed};
pub use exit_record::{ExitRecord, Outcome, RecordError};
pub use identity::{IdentityError, identify};
pub use preflight::{Check, preflight};
pub use running::{Running, RunningError};
pub use runtime::{ContainerStart, Found, Runtime, RuntimeConfig, RuntimeError};
pub use spawn::StartError;
