//! Everything a manager decides, as pure functions: no I/O, no clock, no randomness, no tasks.
//!
//! [`state`] is what the managers replicate. Each loop looks at a snapshot of it and answers with a
//! [`Decision`]; [`reconcile::pass`] runs them all, and is the only thing the manager's shell and the
//! simulation call. `now` and new ids are arguments. That is what lets whole clusters run in one
//! thread from one seed.
//!
//! | Module | Decides |
//! | --- | --- |
//! | [`liveness`] | which nodes are up, down or lost for good |
//! | [`updater`] | how a new spec, or the previous one, gets to a service's tasks |
//! | [`orchestrator`] | which tasks there are, when one is replaced, when a replacement starts |
//! | [`enforcer`] | which tasks have to leave their node |
//! | [`allocator`] | when a service has what the cluster hands out |
//! | [`scheduler`] | which node a task goes to, or why to none |
//! | [`stacks`] | what of a stack waits for what, and what of it goes |
//! | [`reaper`] | what is forgotten |
//! | [`payloads`] | who needs which content of secrets and configs |
//! | [`ports`] | which ports services hold, and which one they get that name none |
//! | [`ipam`] | which addresses a network has, and who gets which |
//! | [`networks`] | what a node knows of the networks it takes part in |
//! | [`assignments`] | what a node is told |
//! | [`drains`] | when a task that gets connections may be stopped |
//! | [`under_way`] | how far a node is with what it was told of networks |
//! | [`network_news`] | both for all nodes of a leadership |
//! | [`features`] | what changes the state may be given, going by the oldest manager |
//! | [`membership`] | who may be promoted, demoted or removed, and who votes |
//! | [`requests`] | what a person may do, and what comes of it |

pub mod allocator;
pub mod assignments;
mod decision;
pub mod drains;
pub mod enforcer;
pub mod features;
pub mod ipam;
pub mod liveness;
pub mod membership;
pub mod network_news;
pub mod networks;
pub mod orchestrator;
pub mod payloads;
pub mod placement;
pub mod ports;
pub mod reaper;
pub mod reconcile;
pub mod requests;
pub mod scheduler;
pub mod stacks;
pub mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod under_way;
pub mod updater;

pub use decision::{CHANGES_MAX, Decision};
