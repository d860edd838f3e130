//! Networks of real namespaces: each test has a host, a peer outside, and one daemon or two, all in namespaces of its own.

// Helpers of tests are tests too: what goes wrong in one fails the test that called it.
#![allow(clippy::unwrap_used)]

mod egress;
mod firewalls;
mod forwarding;
mod frames;
mod isolation;
mod lifetime;
mod macvlan;
mod overlay;
mod published;
mod repair;
mod restart;
mod sockets;
mod world;
