//! What people type in option values: each form is read by a pure function that says what would be
//! right when it is wrong.

pub mod attachment;
pub mod bytes;
pub mod choice;
pub mod cpus;
pub mod csv;
pub mod duration;
pub mod env;
pub mod filters;
pub mod log_options;
pub mod mount;
pub mod network;
pub mod number;
pub mod pairs;
pub mod payload_use;
pub mod probe;
pub mod publish;
pub mod since;

pub use compose::words;
