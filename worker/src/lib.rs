//! Carries out what a node decides: holds to the managers, runs their tasks, survives their absence.
//!
//! ```text
//!   managers <-- session --> driver --> executor --> images, network, volumes, containers
//!                              |  ^         |
//!                       ledger '  '--- outcomes
//! ```
//!
//! # Layout
//!
//! * [`Worker`]: from its start to its end; [`Handle`]: how others ask it.
//! * `session`: one session after another with some manager, over the [`Connector`].
//! * `driver`: tells `worker_core::agent` what happens and does what it wants.
//! * `executor`: performs the steps of each task.
//! * [`ledger`]: what survives a restart; `recover`: what a restart finds.
//! * `networks`: carries out what the managers tell of networks, and `network_states` how far each is; `name_servers`: the
//!   containers' DNS, with the host's servers (`host_servers`) behind it.
//! * `network_checks`: looks whether networks are as the managers told, when they ask.
//! * `surroundings`: what is around the node; `own_network`: which subnets its own containers have.
//! * `volumes`, `task_files`: what containers are given besides their image.
//! * `logs`: sends output that managers ask for.
//!
//! # What is never done
//!
//! * A container is never started before the ledger says that it is.
//! * No container ends because the daemon does, or because no manager can be reached.

mod board;
mod chain;
mod config;
mod connect;
mod description;
mod driver;
mod every_nodes_ports;
mod executor;
mod host_servers;
pub mod ledger;
mod logs;
mod name_servers;
mod network_checks;
mod network_kernel;
mod network_states;
mod networks;
mod own_network;
mod payload_files;
mod payloads;
mod recover;
mod session;
mod surroundings;
mod task_files;
mod volumes;
mod worker;

pub use board::Board;
pub use config::{Facilities, WorkerConfig};
pub use connect::{ConnectError, Connector, ManagerPeer};
pub use description::describe;
pub use own_network::own_network;
pub use recover::RecoverError;
pub use session::Jitter;
pub use surroundings::surrounded;
pub use worker::{Handle, Worker, WorkerError};
