//! Networks that span three hosts.

mod balancing;
mod border;
mod cluster;
mod lifetime;
mod mesh;
mod reach;
mod restart;
