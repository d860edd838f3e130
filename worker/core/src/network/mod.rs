//! What a node decides about its own network: names, addresses, leases, published ports and the nft rules that carry them.
//!
//! One sandbox namespace per daemon is a router with a link to each container and one uplink to the host. The subnet of
//! the containers exists only inside the sandbox; the host sees a pair of link addresses and holds no route to containers.
//!
//! | module | decides |
//! | --- | --- |
//! | [`names`] | what links, tables and namespaces are called |
//! | [`subnet`], [`addressing`] | which addresses containers have |
//! | [`choice`] | which subnets the node's own containers have |
//! | [`uplink`] | which link addresses join the sandbox to the host |
//! | [`lease`] | which host number a task gets |
//! | [`ports`] | which published ports are added and removed |
//! | [`ledger`], [`refusal`] | what each task holds, and why it cannot have more |
//! | [`guard`] | whether foreign forwards are dropped |
//! | [`hand_over`] | how the host hands published ports to a sandbox |
//! | [`flow`] | which connections are to be forgotten as ports change |
//! | [`wiring`] | which links, addresses and routes are missing |
//! | `isolation` | which rules keep containers from what is not theirs |
//! | [`ruleset`] | the nft text for all of it, and for one change |

pub mod addressing;
pub mod attachment;
pub mod choice;
pub mod flow;
pub mod guard;
pub(crate) mod hand_over;
mod isolation;
pub mod lease;
pub mod ledger;
pub mod names;
pub(crate) mod nft_table;
pub mod ports;
pub mod refusal;
pub mod ruleset;
pub mod sought;
pub mod subnet;
pub mod uplink;
pub mod wiring;

pub use addressing::Subnets;
pub use attachment::{Access, Attachment, InterfaceAddress};
pub use choice::OwnSubnets;
pub use flow::Flow;
pub use guard::Guard;
pub use ledger::Ledger;
pub use names::{NameError, NodeShort, TaskShort};
pub use ports::{Forward, HostPort, Opening, PortChange, PortKey, Protocol};
pub use refusal::LedgerError;
pub use ruleset::Ruleset;
pub use sought::Sought;
pub use subnet::{Ipv4Subnet, Ipv6Subnet, SubnetError};
pub use uplink::{Occupied, UplinkAddresses};
pub use wiring::{Leads, LedRoute, LinkShape, PairEnd, Wiring, usual_metric};
