//! Removing all that a node's network left in the kernel, from names alone.

use std::fs;
use std::io;

use tracing::info;
use worker_core::network::Ruleset;
use worker_core::overlay::Gate;
use worker_core::overlay::names::network_of_file;

use crate::config::NetworkConfig;
use crate::error::NetworkError;
use crate::forwarding;
use crate::links::Links;
use crate::macvlan::remove_vlans;
use crate::namespace::Namespace;
use crate::network::Network;
use crate::nft::Nft;
use crate::open::names_in;
use crate::overlay::remove_tunnel;
use crate::uplink::{check_owner, guard_of_others, guard_of_own};

impl Network {
    /// Removes namespaces, uplink and table of a node, after a crash too; containers that still run lose their network.
    ///
    /// An open [`Network`] of the same node must not be used any more, and keeps its sandbox alive until it is dropped.
    pub async fn destroy(config: &NetworkConfig) -> Result<(), NetworkError> {
        let node = config.node()?;
        let host = Namespace::open(config.host())?;
        let links = Links::of(&host).await?;
        let present = links.list().await?;
        for name in [node.uplink(), node.mesh_uplink()] {
            if let Some(link) = present.iter().find(|link| link.name == name) {
                check_owner(config, &host, link)?;
                links.delete(&name).await?;
            }
        }
        remove_vlans(&links, &config.node_id).await?;
        forwarding::switch_off(&host, guard_of_own(&present, &node), guard_of_others(&present, &node))
            .await?;
        // Forwarding is off by now if it was off before us: there is no moment in which foreign forwards pass.
        let nft = Nft::new(&config.nft);
        nft.load(&host, &node.mesh_table(), Gate::removal(&node)).await?;
        nft.load(&host, &node.table(), Ruleset::removal(&node)).await?;

        let folder = config.netns_dir();
        for namespace in names_in(&folder)? {
            let path = folder.join(&namespace);
            if let Some(network) = network_of_file(&namespace) {
                remove_tunnel(network, &path).await?;
            }
            Namespace::remove(&path)?;
        }
        match fs::remove_dir(&folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(NetworkError::Folder { verb: "remove", path: folder, source })
            }
            Ok(()) | Err(_) => {
                info!(node = %node, "network removed");
                Ok(())
            }
        }
    }
}
