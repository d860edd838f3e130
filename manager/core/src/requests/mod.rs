//! What people ask of the cluster, checked against the state: each request becomes a transaction, or
//! an error that says what would be right.
//!
//! A transaction expects the objects it was made from. If it is refused as stale, something else came
//! first: the caller makes it anew from the present state, which also checks the request again.

mod aliases;
pub mod connection;
pub mod find;
pub mod network;
pub mod node;
pub mod payload;
mod ports;
pub mod service;
pub mod stack;
