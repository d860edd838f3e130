//! Which subnets this node gives its own containers: chosen once, and kept for as long as its containers may run.

use crate::surroundings::around;
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use tracing::{info, warn};
use worker_core::network::OwnSubnets;
use worker_network::NetworkConfig;

/// The file in the run folder, which goes as the containers do when the machine restarts.
const FILE: &str = "own-subnets.json";

/// Returns the settings of this node's network: with the subnets its containers have, or those that nothing around the
/// node has.
pub fn own_network(node_id: impl Into<String>, run_dir: impl Into<PathBuf>) -> NetworkConfig {
    let mut config = NetworkConfig::new(node_id, run_dir);
    let around: Vec<_> = around().collect();
    let path = config.run_dir.join(FILE);
    let chosen = kept(&path).unwrap_or_else(|| {
        let chosen = OwnSubnets::choose(&around);
        info!(ipv4 = %chosen.ipv4, ipv6 = %chosen.ipv6, "subnets of the node's own containers chosen");
        if let Err(error) = keep(&path, &chosen) {
            warn!(path = %path.display(), %error, "subnets of the node's own containers can't be remembered, and change when the host's routes do");
        }
        chosen
    });
    for hidden in chosen.hidden(&around) {
        warn!(subnet = %hidden, "containers can't reach a subnet the host has a route to, since they have its addresses");
    }
    (config.ipv4, config.ipv6) = (chosen.ipv4, chosen.ipv6);
    config
}

fn kept(path: &Path) -> Option<OwnSubnets> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn keep(path: &Path, chosen: &OwnSubnets) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(chosen)?)?;
    fs::rename(new, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_chosen_stays_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let run_dir = folder.path().join("run");
        let first = own_network("node", &run_dir);
        let other = OwnSubnets { ipv4: "10.9.0.0/16".parse().unwrap(), ipv6: first.ipv6 };
        assert_eq!(kept(&run_dir.join(FILE)).unwrap().ipv4, first.ipv4);
        keep(&run_dir.join(FILE), &other).unwrap();
        assert_eq!(own_network("node", &run_dir).ipv4, other.ipv4);
        fs::write(run_dir.join(FILE), "half a f").unwrap();
        assert_eq!(own_network("node", &run_dir).ipv4, first.ipv4);
    }
}
