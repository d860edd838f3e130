//! Conversions between wire messages and checked model types, a file per subject.
//!
//! - Model to wire never fails: `wire::Task::from(&task)`. What only the answering manager knows
//!   (task counts, who leads) is left zero for the caller to fill in, and a cluster's key and join
//!   tokens have no place in the message.
//! - What people send (`ServiceSpec`, `NodeSpec`, `ClusterSpec`) is read with every problem reported
//!   at once, each under the option a person knows: the error is [`Problems`].
//! - What machines send (`Task`, `TaskStatus`, `Node`, ...) is either right or a fault of the sender:
//!   the error is [`WireError`], which names the field.
//!
//! [`Problems`]: crate::model::Problems

mod address_pools;
mod bounds;
mod capability;
mod carried_out;
mod cluster;
mod connection;
mod container;
mod dns_config;
mod error;
mod image_reference;
mod job;
mod kernel;
mod mount;
mod network;
mod network_kind;
mod network_table;
mod node;
mod payload;
mod port;
mod probe;
mod resources;
mod restart;
mod rollout;
mod service;
mod stack;
mod subnet;
mod task;
mod task_spec;
mod time;

pub use bounds::{ARGUMENT_BYTES_MAX, SPAN_MAX, TEXTS_BYTES_MAX};
pub use cluster::{CERT_EXPIRY_MIN, HEARTBEAT_PERIOD_MIN};
pub use error::WireError;
pub use image_reference::{ImageReferenceError, check_image_reference};
pub use node::{availability_or_active, role};
pub use payload::{payload_kind, roll};
pub use restart::LOG_SIZE_BYTES_MIN;
pub use rollout::revision;
pub use service::REPLICAS_MAX;
pub use stack::STACK_OBJECTS_MAX;
