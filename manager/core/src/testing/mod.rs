//! Support for tests: builders of nodes and services, and a bench on which a cluster runs in memory.

mod agents;
mod bench;
mod build;

pub use agents::{BROKEN_IMAGE, MISSING_IMAGE};
pub use bench::Bench;
pub use build::{NodeBuilder, ServiceBuilder, cluster, node, service, task};
