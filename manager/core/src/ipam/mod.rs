//! Address management: which addresses a network has, and which of its numbers goes to whom.
//!
//! ```text
//! numbers of a range of 256:
//! 0         16        32                            192                   255
//! |- block -|- block -|- ...                        |<- virtual addresses |
//!   nodes' blocks from the bottom                     from the top downwards
//! ```
//!
//! A node that joins leases a block: its router takes a number there, and so do its containers, so that
//! the other nodes need one route for all of them. Where there is no block left, or the range is too
//! small for blocks, numbers are given out one by one, from wherever there is one.

mod intervals;
mod numbers;
mod pools;
mod subnets;

pub use numbers::{Numbers, Placed, is_usable, total, whole_blocks};
pub(crate) use subnets::clash;
pub use subnets::{IpamError, ingress_network, new_network};
