//! Looks at the machine. Nothing that outlasts the look is changed.

mod clock;
mod disk;
mod firewalls;
mod ports;

use crate::{
    Options,
    facts::{Facts, Memory, Settings},
    parse::meminfo,
};
use disk::Scratch;
use std::{
    fs,
    net::{SocketAddr, TcpListener},
};

/// Looks at everything.
pub async fn facts(options: &Options) -> Facts {
    let is_root = nix::unistd::geteuid().is_root();
    let scratch = Scratch::near(&options.data_dir);
    // Both need root for everything they try, and would blame the kernel.
    let (mut containers, mut network) = (Vec::new(), Vec::new());
    if is_root {
        if let Ok(scratch) = &scratch {
            containers = worker_runtime::preflight(scratch.path());
        }
        network = worker_network::preflight(&options.nft_program).await;
    }
    Facts {
        is_root,
        containers,
        network,
        listen_addr: options.listen_addr,
        listen: may_listen(options.listen_addr),
        sockets: ports::bound(options.listen_addr.port()),
        clock: clock::clock(),
        disk: disk::disk(&options.data_dir, scratch),
        memory: memory(),
        settings: settings(),
        firewalls: firewalls::firewalls(&options.nft_program),
    }
}

/// Tries the address with any free port: whether its own port is free is another question.
fn may_listen(addr: SocketAddr) -> Result<(), String> {
    TcpListener::bind((addr.ip(), 0)).map(drop).map_err(|error| error.to_string())
}

fn memory() -> Result<Memory, String> {
    const PATH: &str = "/proc/meminfo";
    let text = fs::read_to_string(PATH).map_err(|error| format!("cannot read {PATH}: {error}"))?;
    meminfo::memory(&text).ok_or_else(|| format!("{PATH} does not tell the memory"))
}

fn has_bridge() -> bool {
    let mut links = fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    links.any(|link| link.path().join("bridge").is_dir())
}

/// Below `/proc/sys/net` a thread sees the settings of its own network namespace.
fn settings() -> Settings {
    let read = |key: &str| fs::read_to_string(format!("/proc/sys/net/{key}")).ok()?.trim().parse().ok();
    Settings {
        rp_filter: read("ipv4/conf/all/rp_filter"),
        ip_forward: read("ipv4/ip_forward"),
        bridge_calls_iptables: read("bridge/bridge-nf-call-iptables"),
        has_bridge: has_bridge(),
    }
}
