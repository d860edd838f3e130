//! Whole clusters in one thread, from one seed.
//!
//! The two cores run for real: the managers' state, loops, assignments and requests, and the workers'
//! agent. What carries out their decisions is modelled here: the consensus group by what it promises,
//! sessions, machines, containers, and the people in front of it all. Time is virtual, and everything
//! random comes from the seed, so that a seed replays a history exactly.
//!
//! | Module | What it is |
//! | --- | --- |
//! | [`world`] | the event loop, and everything there is |
//! | [`history`] | a faulty phase, then a quiet one in which everything has to converge |
//! | [`happening`], [`queue`] | the events, and their order |
//! | [`group`], [`elections`], [`leader`] | the managers: the log, who leads, what a leader does |
//! | [`dispatcher`], [`sessions`] | the two halves of the agents' sessions |
//! | [`network`], [`wire`] | links, partitions, and connections that deliver in order or break |
//! | [`hosts`], [`containers`], [`kernels`] | machines, daemons, ledgers, containers, what kernels hold of networks |
//! | [`tally`] | how much of what is happened, so that a simulation in which nothing does is noticed |
//! | [`users`], [`requests`], [`wishes`] | what people ask for, and how they are answered |
//! | [`faults`] | what goes wrong |
//! | [`trace`], [`failure`] | what happened, and what is told of it when a promise was broken |
//!
//! What must hold is in [`invariants`](crate::invariants), a file for each promise.

pub mod containers;
mod dispatcher;
mod elections;
pub mod failure;
mod faults;
pub mod group;
mod happening;
pub mod history;
pub mod hosts;
pub mod kernels;
mod leader;
pub mod network;
mod queue;
pub mod requests;
pub mod rng;
pub mod script;
mod sessions;
pub mod settings;
pub mod tally;
pub mod trace;
mod users;
mod wire;
pub mod wishes;
pub mod world;

pub use failure::Failure;
pub use history::{Summary, run};
pub use settings::Settings;
pub use tally::Tally;
pub use world::World;
