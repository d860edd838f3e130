//! Networks on a link of the node, carried out: containers have links of kind macvlan on it, and no sandbox is between.
//!
//! [`Macvlans`] is told of networks and lets containers join. `parent` finds the node's link, and makes and removes VLANs on
//! it; `member` makes a container's link. What a container has goes with its namespace; which network is on a VLAN is
//! written into that one's alias, for a daemon that restarts.

mod error;
mod macvlans;
mod member;
mod parent;

pub use error::{MacvlanError, MacvlanFault};
pub use macvlans::Macvlans;
pub(crate) use parent::remove_all as remove_vlans;
