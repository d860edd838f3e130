//! What a project says, as checked types. Texts that have a grammar of their own, such as durations and constraints,
//! stay texts with their places: whoever uses them reads them.

mod check;
mod deploy;
mod healthcheck;
mod mounts;
mod network;
mod project;
mod references;
mod service;

pub use deploy::{Deploy, Placement, Resources, RestartPolicy, Rollout, UpdateConfig};
pub use healthcheck::Healthcheck;
pub use mounts::{Mount, MountKind};
pub use network::{Attachment, Ipam, Network, Pool};
pub use project::{FileObject, Project, Volume};
pub use references::{Condition, Dependency, FileReference, Port};
pub use service::{Logging, NetworkMode, Service, Ulimit};
