//! Real containers on the real kernel. Needs root and the program `busybox`, statically linked.
#![allow(clippy::unwrap_used, reason = "in tests a panic is the failure")]

mod confinement;
mod life;
mod output;
mod recovery;
mod start_errors;
mod support;
mod version_2;
