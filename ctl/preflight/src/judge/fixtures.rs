//! A machine that has everything, for the tests.

use super::sizes::GIB;
use crate::facts::{Clock, Discipline, Disk, Facts, Firewalls, Memory, Settings, Space};
use std::time::Duration;
use worker_network::Outcome;

/// The facts of a machine that has everything.
pub fn facts() -> Facts {
    let kernel = worker_runtime::Check {
        name: "kernel",
        ok: true,
        detail: "6.1.0".into(),
        remedy: "use Linux 5.12 or newer",
    };
    let nft = worker_network::Check {
        name: "nft",
        outcome: Outcome::Works("nftables v1.0.6".into()),
        remedy: "install the package nftables",
    };
    Facts {
        is_root: true,
        containers: vec![kernel],
        network: vec![nft],
        listen_addr: "0.0.0.0:2377".parse().expect("an address"),
        listen: Ok(()),
        sockets: Ok(Vec::new()),
        clock: Clock {
            unix_seconds: 1_775_000_000,
            discipline: Ok(Discipline { is_synchronised: true, error_max: Duration::from_millis(12) }),
        },
        disk: Disk {
            data_dir: "/var/lib/shoal".into(),
            file_system: Some("ext4".into()),
            space: Ok(Space { free_bytes: 40 * GIB, free_inodes: Some(2_000_000) }),
            sync: Ok(Duration::from_micros(1_500)),
        },
        memory: Ok(Memory { total: 8 * GIB, available: 6 * GIB }),
        settings: Settings {
            rp_filter: Some(2),
            ip_forward: Some(0),
            bridge_calls_iptables: None,
            has_bridge: true,
        },
        firewalls: Ok(Firewalls::default()),
    }
}
