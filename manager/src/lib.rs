//! A manager: one of the nodes that keep the cluster's state, decide and answer.
//!
//! What is decided is in `manager-core`; this crate carries it out. [`raft`] replicates the state,
//! [`store`] is the one door to it, [`leader`] runs the decisions while this manager leads,
//! [`dispatcher`] talks to the agents, [`control`] to people, [`ca`] to nodes that want a
//! certificate. [`gate`] stands before all of them: it checks who calls and passes calls on to the
//! leader. [`manager`] puts them together.

pub mod access;
pub mod ca;
pub mod clock;
pub mod control;
pub mod dispatcher;
mod elections;
mod forward;
mod founding;
mod gate;
pub mod leader;
pub mod leadership;
pub mod manager;
mod members;
pub mod membership;
pub mod raft;
pub mod snapshots;
mod status;
pub mod store;

pub use manager::{Manager, ManagerConfig, StartError, new_join_tokens};
