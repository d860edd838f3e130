//! A whole worker against a manager of the test's own: real images, networks and containers. Needs root.

// Helpers of tests may panic as tests do; clippy exempts only functions that are tests themselves.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod image;
mod manager;
mod restart;
mod support;
mod tasks;
