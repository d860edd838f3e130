//! Networks that span three hosts.

mod balancing;
mod border;
mod cluster;
mod lifetime;
mod reach;
mod restart;
