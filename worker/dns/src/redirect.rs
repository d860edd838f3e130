//! Rules that lead 127.0.0.11 port 53 to the name server's own ports, inside a container's namespace.
//!
//! The ports are written into the packets, there and back, instead of a `dnat` rule: resolvers use a port for
//! each query, and each would be kept in the kernel's table of connections for half a minute, which is full
//! after some 8000 queries a second.

use std::path::Path;

use worker_network::{Namespace, Nft};

use crate::error::ResolverError;
use crate::sockets::{ADDRESS, Sockets};

/// The table's name. No node's id is in it: a container's namespace belongs to one daemon.
const TABLE: &str = "shoal-dns";

/// Leads queries to these sockets, and no longer to those of a daemon that ran before.
pub(crate) async fn lead_to(
    sockets: &Sockets,
    namespace: &Namespace,
    nft: &Path,
) -> Result<(), ResolverError> {
    let script = script(sockets.udp_port, sockets.tcp_port);
    Ok(Nft::new(nft).load(namespace, TABLE, script).await?)
}

fn script(udp: u16, tcp: u16) -> String {
    // `add` first, since nft cannot delete what is not there. Before connection tracking, which is to see
    // none of it.
    format!(
        "add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
	chain output {{
		type filter hook output priority raw
		ip daddr {ADDRESS} udp dport 53 udp dport set {udp} notrack
		ip daddr {ADDRESS} tcp dport 53 tcp dport set {tcp} notrack
		ip saddr {ADDRESS} udp sport {udp} udp sport set 53 notrack
		ip saddr {ADDRESS} tcp sport {tcp} tcp sport set 53 notrack
	}}
}}
"
    )
}
