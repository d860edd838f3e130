//! Networks that span three hosts.

mod balancing;
mod border;
mod cluster;
mod lifetime;
mod mesh;
mod mesh_choices;
mod mesh_sctp;
mod reach;
mod repair;
mod restart;
