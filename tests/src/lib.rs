//! What the test suites share.
//!
//! [`cluster`] starts real clusters: daemons in network namespaces, containers, the real command line.
//! [`images`] makes images for them.
//! [`sim`] is a whole cluster in one thread, from one seed; [`invariants`] is what must hold in it.

pub mod cluster;
pub mod images;
pub mod invariants;
pub mod sim;
