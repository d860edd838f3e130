//! What a node decides about the networks that span nodes: from what the managers tell to what its kernel should hold.
//!
//! Each network has a sandbox namespace of its own: a router with a link to each local container and a VXLAN device, the
//! *tunnel*, to all other nodes. It has no way to the host, so nothing but the network's own packets can pass; only that of
//! the ingress network has one, for clients of published ports and for nothing else.
//!
//! ```text
//!   container 10.0.1.18 ──eth1── c<task> ┐         ┌ block 10.0.1.32/28, via node B's router and tunnel address
//!   container 10.0.1.19 ──eth1── c<task> ┤ sandbox ┤
//!                    10.0.1.1, fe80::1   └── vx0 ──┴ block 10.0.1.48/28, via node C's
//! ```
//!
//! | module | decides |
//! | --- | --- |
//! | [`plan()`] | all of it, from the managers' table and the local containers: a function |
//! | [`follow`] | the same, as table and containers change: at the cost of what changes |
//! | [`state`] | what links, addresses, neighbours and routes are |
//! | [`balance`] | which backend each slot of a virtual address leads to |
//! | [`rules`], [`sets`] | the nft text |
//! | [`elements`] | what is in sets and maps, as text and as bytes |
//! | [`diff()`] | the steps from one state to another, in an order in which no packet is lost that need not be |
//! | [`difference`] | what of it is missing or other than it should be, in words |
//! | [`flows`], [`challenge`] | which connections have lost their backend, and how their clients learn of it |
//! | [`mesh`] | what the ingress network's sandbox has besides: a link to the host, published ports, ways back to clients |
//! | [`gate`], [`inside`] | the rules that go with it on the host and in containers |
//! | [`names`], [`mac`] | names in the kernel, hardware addresses |

pub mod balance;
pub mod challenge;
pub mod diff;
pub mod difference;
pub mod elements;
pub mod flows;
pub mod follow;
pub mod gate;
pub mod inside;
pub mod mac;
pub mod mesh;
pub mod names;
mod parts;
pub mod plan;
pub mod rules;
pub mod sets;
pub mod state;

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod mesh_tests;
#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod sample;

pub use diff::{Step, diff};
pub use difference::{Difference, differences};
pub use elements::{Element, ElementChange};
pub use follow::Plan;
pub use gate::Gate;
pub use mac::Mac;
pub use mesh::Mesh;
pub use names::Interface;
pub use plan::{PlanError, View, container_addresses, plan};
pub use rules::{Rules, RulesChange};
pub use state::{Container, ContainerLink, Desired, Kernel, Tunnel, Way};
