//! The language that managers, workers and the CLI share: wire messages and checked model types.
//!
//! `schema/` holds the `.proto` files, one per conversation; [`wire`] is generated from them. What
//! arrives on the wire is turned into the checked types of [`model`] at the border, with all problems
//! reported at once, and only those are used inside.

pub mod convert;
pub mod model;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod wire;
