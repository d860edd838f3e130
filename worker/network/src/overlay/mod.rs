//! Networks that span nodes, carried out: a sandbox namespace each, as `worker_core::overlay` decides it.
//!
//! [`Overlays`] is told of networks and lets containers join and leave. `settle` keeps what was applied last for one
//! network and performs the difference to what is wanted; after a restart, and after anything that failed half-way, it
//! reads back what the kernel has (`observe`) and starts from there. `perform` carries out one step, `tunnel` makes the
//! VXLAN device, `underlay` finds the link below it.

mod error;
mod observe;
mod overlays;
mod perform;
mod settle;
mod tunnel;
mod underlay;

pub use error::{OverlayError, OverlayFault};
pub use overlays::Overlays;
pub(crate) use tunnel::remove_tunnel;
