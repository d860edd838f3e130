//! Everything a node decides: no I/O, no clock, no randomness, no threads.
//!
//! * [`task`]: the life of one task.
//! * [`acknowledgement`]: what the managers are told of how far its networks are.
//! * [`agent`]: what the node holds for the managers, and what it does about it next.
//! * [`backoff`]: how long to wait before a manager is tried again.
//! * [`connections`]: which connections of a container are in use.
//! * [`dns`]: what a container's name server answers.
//! * [`etc_files`]: the texts of the files that a container is given.
//! * [`known`]: the networks it takes part in, and from whom it knows them.
//! * [`listeners`]: which sockets of the node wait for peers.
//! * [`macvlan`]: networks that are on a link of the node.
//! * [`network`]: the node's own network.
//! * [`oci_spec`]: what a task's container is, as the OCI runtime spec has it.
//! * [`overlay`]: the node's part in networks that span nodes.
//! * [`sequence`]: whether assignments arrive whole.
//! * [`tables`]: what the managers told of these.
//! * [`templates`]: texts in which tasks of a service differ.

pub mod acknowledgement;
pub mod agent;
pub mod backoff;
pub mod connections;
pub mod dns;
pub mod etc_files;
pub mod health;
pub mod known;
pub mod listeners;
pub mod macvlan;
pub mod network;
pub mod oci_spec;
pub mod overlay;
pub mod payloads;
pub mod sequence;
pub mod tables;
pub mod task;
pub mod templates;
