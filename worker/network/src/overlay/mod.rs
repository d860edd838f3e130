//! Networks that span nodes, carried out: a sandbox namespace each, as `worker_core::overlay` decides it.
//!
//! [`Overlays`] is told of networks and lets containers join and leave. `settle` performs the difference between what was
//! `applied` last for one network and what is wanted; after a restart, and after anything that failed half-way, it
//! reads back what the kernel has (`observe`) and starts from there. `perform` carries out one step, `tunnel` makes the
//! VXLAN device, `underlay` finds the link below it, `audit` puts back what others change, `mesh` makes what the ingress network has besides, on the `host_side`
//! too.

mod answers;
mod applied;
mod audit;
mod error;
mod host_side;
mod mesh;
mod observe;
mod overlays;
mod perform;
mod sandbox;
mod settle;
mod tunnel;
mod underlay;

pub(crate) use audit::lost_namespace;
pub use error::{OverlayError, OverlayFault};
pub(crate) use host_side::HostSide;
pub use overlays::Overlays;
pub(crate) use tunnel::remove_tunnel;
