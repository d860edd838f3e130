//! A node's network, carried out: namespaces, links, routes and nft rules, as `worker_core::network` decides them.
//!
//! ```text
//!   container 172.30.0.2 ──eth0── c<task> ┐
//!   container 172.30.0.3 ──eth0── c<task> ┤ sandbox ── up0 ── sh<node>u ── host ── LAN
//!                                          └ DNAT, masquerade   DNAT, masquerade
//! ```
//!
//! # Layout
//!
//! - [`Network`]: `network` (attach, detach, publish), `open` (make or take over), `destroy`
//! - its parts: `sandbox`, `uplink`, `container`, `forwarding`
//! - [`overlay`]: networks that span nodes, one sandbox each; that of the ingress network has an uplink too
//! - [`macvlan`]: networks on a link of the node, without a sandbox
//! - what others change: `alarms` notices it, `nft_loaded` and `wiring` tell what is missing, `keep`, `own`,
//!   `overlay::audit` and `kept_table` put it back, `faults` and `repairs` remember what failed and what was done
//! - the kernel: [`namespace`], `links`, `routes`, `present`, `dump`, `policy`, `marked`, `neighbours`, `sysctl`, `nft`,
//!   `nft_change`, `nft_dump`, `conntrack`, `conntrack_filter`, `tracked`, `challenge`; `traffic` counts what is sent there
//! - [`preflight`]: what the machine lacks
//!
//! # What is never done
//!
//! - Nothing enters a namespace on a thread of the runtime.
//! - The host gets no route to a container.
//! - The text of rules is never read back from the kernel, only compared by its hash.
//! - What is not ours is never touched; ours are links, tables and namespaces of our names, and all that hangs on them.

mod alarms;
mod challenge;
mod config;
mod conntrack;
mod conntrack_filter;
mod container;
mod destroy;
mod dump;
mod error;
mod faults;
mod forwarding;
mod held;
mod keep;
mod kept_table;
mod link_error;
mod links;
pub mod macvlan;
mod marked;
pub mod namespace;
mod neighbours;
mod netfilter_socket;
mod network;
mod nft;
mod nft_change;
mod nft_dump;
mod nft_loaded;
mod nft_messages;
mod open;
pub mod overlay;
mod own;
mod policy;
mod preflight;
mod present;
mod repairs;
mod routes;
mod sandbox;
mod sock_diag;
mod sysctl;
mod tracked;
mod traffic;
mod uplink;
mod wiring;

pub use challenge::ChallengeError;
pub use config::NetworkConfig;
pub use conntrack::ConntrackError;
pub use error::NetworkError;
pub use kept_table::KeptTable;
pub use link_error::LinkError;
pub use macvlan::{MacvlanError, Macvlans};
pub use namespace::{Namespace, NamespaceError};
pub use network::{Adopted, Network, Opened};
pub use nft::{Nft, NftError};
pub use overlay::{OverlayError, OverlayFault, Overlays};
pub use preflight::{Check, Outcome, preflight};
pub use repairs::{Inspection, Repairs};
pub use sock_diag::{SocketsError, tcp_sockets};
pub use sysctl::SysctlError;
pub use traffic::Traffic;
pub use worker_core::network::{Access, Attachment, HostPort, InterfaceAddress, Protocol};
pub use worker_core::overlay::{Container, Interface};
