//! What a container's name server answers: the names of the networks it is attached to, and of no others.
//!
//! | Name | Answer |
//! | --- | --- |
//! | `SERVICE`, an alias | the virtual address; without one, as `tasks.SERVICE` |
//! | `tasks.SERVICE` | the tasks that serve |
//! | `SLOT.SERVICE`, for a global service `NODEID.SERVICE` | the task of that slot |
//! | `SERVICE.SLOT.TASKID` | that task |
//! | `_PORT._PROTOCOL.SERVICE` | SRV: a port in the container and the tasks behind it (below) |
//! | any of them and `.NETWORK` | the same in that network only |
//! | an address in `in-addr.arpa` or `ip6.arpa` | who has it |
//!
//! `PORT` is a number as the service publishes it or as it is in the container, or the registered name of one:
//! `_8080._tcp.web`, `_http._tcp.web`. Targets are names of slots, so that an answer with many stays small.
//!
//! Everything else is forwarded. What has the form of a name above but nobody behind it is answered here as
//! well: asked outside, it would tell strangers what runs here, and a stranger could own it.

mod answer;
mod names;
mod question;
mod reverse;
mod service;
mod size;
#[cfg(test)]
mod tests;
mod well_known;
mod zone;
mod zones;

pub use answer::{Answer, Record};
pub use names::Names;
pub use question::{Kind, Question};
pub use size::{UDP_MAX, UDP_PLAIN, UDP_RELAYED, records_that_fit, udp_limit};
pub use zone::Zone;
pub use zones::Zones;

/// How long an answer may be kept, in seconds: a task that is gone is asked for no longer than that.
pub const TTL: u32 = 2;
