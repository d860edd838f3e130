//! Support for tests: builders of nodes, services and networks, and a bench on which a cluster runs in memory.

mod agents;
mod bench;
mod build;
mod networks;
mod stack;

pub use agents::{BROKEN_IMAGE, BROKEN_ON_FIRST_IMAGE, MISSING_IMAGE, MISSING_ON_FIRST_IMAGE};
pub use bench::Bench;
pub use build::{NodeBuilder, ServiceBuilder, cluster, node, service, task};
pub use networks::{macvlan_in, network, network_in, network_spec};
pub use stack::{StackBuilder, stack};
