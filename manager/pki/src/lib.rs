//! Who is who in a cluster: its certificate authority, its nodes' certificates, join tokens, and
//! TLS connections between nodes that know each other by them.
//!
//! A node's certificate says `CN = node id, OU = role, O = cluster id`. Both ends of a connection
//! show theirs; a connection to a manager is refused unless the certificate says `manager`.

pub mod authority;
pub mod identity;
pub mod listener;
pub mod material;
pub mod request;
pub mod token;
pub mod transport;

pub use authority::{Authority, Issue};
pub use identity::NodeIdentity;
pub use listener::{PeerInfo, incoming};
pub use material::{Credentials, Material};
pub use token::JoinToken;
pub use transport::{Peer, channel};
