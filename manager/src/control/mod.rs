//! What people and their tools ask of the cluster, a file per noun.

mod addresses;
mod clusters;
mod connections;
mod explain;
mod logs;
mod network_checks;
mod networks;
mod nodes;
mod payload_uses;
mod payloads;
mod service;
mod services;
mod stacks;
mod tasks;
mod watch;

pub use service::ControlService;
