//! What the test suites share.
//!
//! [`cluster`] starts real clusters: daemons in network namespaces, containers, the real command line.
//! [`images`] makes images for them.

pub mod cluster;
pub mod images;
