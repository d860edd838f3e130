//! Name servers inside real network namespaces. Needs root.

// Helpers of tests are tests too: what goes wrong in one fails the test that called it.
#![allow(clippy::unwrap_used)]

mod container;
mod local;
mod relay;
mod rules;
mod server;
