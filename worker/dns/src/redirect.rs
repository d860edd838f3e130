//! Rules that lead 127.0.0.11 port 53 to the name server's own ports, inside a container's namespace.
//!
//! The ports are written into the packets, there and back, instead of a `dnat` rule: resolvers use a port for
//! each query, and each would be kept in the kernel's table of connections for half a minute, which is full
//! after some 8000 queries a second.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;
use worker_network::{KeptTable, Namespace};

use crate::error::ResolverError;
use crate::sockets::{ADDRESS, Sockets};

/// The table's name. No node's id is in it: a container's namespace belongs to one daemon.
const TABLE: &str = "shoal-dns";

/// How often it is looked whether something else changed the rules; nobody tells of it.
const AUDIT: Duration = Duration::from_secs(5);

/// Leads queries to these sockets, and no longer to those of a daemon that ran before.
pub(crate) async fn lead_to(
    sockets: &Sockets,
    namespace: &Namespace,
    nft: &Path,
) -> Result<KeptTable, ResolverError> {
    let script = script(sockets.udp_port, sockets.tcp_port);
    Ok(KeptTable::load(nft, namespace, TABLE, script).await?)
}

/// Puts the rules back whenever something else took or changed them, for ever. What fails is said once, and tried again.
pub(crate) async fn keep(mut table: KeptTable, namespace: PathBuf) {
    let (mut audit, mut is_said) = (interval(AUDIT), false);
    audit.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let namespace = namespace.display();
    loop {
        audit.tick().await;
        match table.put_back().await {
            Ok(told) => {
                is_said = false;
                for found in told {
                    warn!(%namespace, %found, "something else changed a name server's rules; they were put back");
                }
            }
            Err(_) if is_said => {}
            Err(error) => {
                is_said = true;
                warn!(%namespace, %error, "a name server's rules could not be looked after");
            }
        }
    }
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
		oif != lo accept
		ip daddr {ADDRESS} udp dport 53 udp dport set {udp} notrack
		ip daddr {ADDRESS} tcp dport 53 tcp dport set {tcp} notrack
		ip saddr {ADDRESS} udp sport {udp} udp sport set 53 notrack
		ip saddr {ADDRESS} tcp sport {tcp} tcp sport set 53 notrack
	}}
}}
"
    )
}
