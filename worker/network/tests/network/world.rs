//! A host and a peer outside it, in namespaces bound below a temporary folder, removed with it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use worker_network::{Adopted, Attachment, HostPort, Namespace, Network, NetworkConfig, Opened, Protocol};

pub const HOST_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
pub const PEER_IPV4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
pub const HOST_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 1));
pub const PEER_IPV6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9));

/// The MTU between host and peer, which containers are to have too.
pub const MTU: u32 = 1400;

pub struct World {
    pub host: Namespace,
    pub peer: Namespace,
    folder: TempDir,
}

impl World {
    /// Makes a host with `wan0`, whose default route leads to a peer.
    pub async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("shoal-network-").tempdir().unwrap();
        let host = Namespace::create(&folder.path().join("host")).await.unwrap();
        let peer = Namespace::create(&folder.path().join("peer")).await.unwrap();
        let world = Self { host, peer, folder };
        world.join(&world.peer, "wan0", MTU).await;
        ip(&world.host, "link set lo up").await;
        ip(&world.peer, "link set lo up").await;
        for (namespace, link, ipv4, ipv6) in
            [(&world.host, "wan0", HOST_IPV4, HOST_IPV6), (&world.peer, "eth0", PEER_IPV4, PEER_IPV6)]
        {
            ip(namespace, &format!("address add {ipv4}/24 dev {link}")).await;
            ip(namespace, &format!("address add {ipv6}/64 dev {link} nodad")).await;
        }
        ip(&world.host, &format!("route add default via {PEER_IPV4}")).await;
        ip(&world.host, &format!("route add default via {PEER_IPV6}")).await;
        world
    }

    /// Makes another namespace of this world.
    pub async fn namespace(&self, name: &str) -> Namespace {
        Namespace::create(&self.folder.path().join(name)).await.unwrap()
    }

    /// Joins the host to a namespace: `link` here, `eth0` there, both up.
    pub async fn join(&self, far: &Namespace, link: &str, mtu: u32) {
        let to = far.path().display();
        ip(&self.host, &format!("link add {link} mtu {mtu} type veth peer name eth0 mtu {mtu} netns {to}"))
            .await;
        // A tentative address would keep the first packets waiting.
        sysctl(&self.host, &format!("ipv6/conf/{link}/accept_dad"), "0").await;
        sysctl(far, "ipv6/conf/eth0/accept_dad", "0").await;
        ip(&self.host, &format!("link set {link} up")).await;
        ip(far, "link set eth0 up").await;
    }

    pub fn config(&self, node_id: &str) -> NetworkConfig {
        let mut config = NetworkConfig::new(node_id, self.folder.path().join(node_id));
        config.host_netns = Some(self.host.path().to_owned());
        config
    }

    /// Opens a daemon's network for the first time.
    pub async fn open(&self, node_id: &str) -> Network {
        self.reopen(node_id, Vec::new()).await.network
    }

    /// Writes a file of this world.
    pub fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes an executable script that stands in for a program.
    pub fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        // Written by a process of its own: a descriptor of ours, inherited by another test's child, would keep it busy.
        let write = r#"printf '#!/bin/sh\n%s\n' "$1" > "$2" && chmod 755 "$2""#;
        let status = Command::new("sh").args(["-c", write, "sh", body]).arg(&path).status().unwrap();
        assert!(status.success());
        path
    }

    pub async fn reopen(&self, node_id: &str, adopted: Vec<Adopted>) -> Opened {
        Network::open(self.config(node_id), adopted).await.unwrap()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        unbind_below(self.folder.path());
    }
}

/// What a daemon's ledger remembers of a container of no network that spans nodes.
pub fn adopted(attachment: Attachment, ports: Vec<HostPort>) -> Adopted {
    Adopted { attachment, ports, pid: None, joined: Default::default() }
}

/// Unbinds all namespaces below a folder.
pub fn unbind_below(folder: &Path) {
    for path in files_below(folder) {
        if Namespace::is_bound(&path).unwrap_or(false) {
            let _ = Namespace::remove(&path);
        }
    }
}

/// Opens a container's namespace.
pub fn inside(attachment: &Attachment) -> Namespace {
    Namespace::open(&attachment.netns).unwrap()
}

pub fn port(protocol: Protocol, published: u16, target: u16) -> HostPort {
    let number = |port| NonZeroU16::new(port).unwrap();
    HostPort { protocol, published: number(published), target: number(target), host_ip: None }
}

/// Runs `ip` in a namespace and returns what it prints.
pub async fn ip(namespace: &Namespace, arguments: &str) -> String {
    run(namespace, &format!("ip {arguments}")).await
}

/// Runs a program in a namespace, never in the machine's own, and returns what it prints.
pub async fn run(namespace: &Namespace, command: &str) -> String {
    let command = command.to_owned();
    let output = namespace
        .run(move || {
            let own = fs::read_link("/proc/self/ns/net").unwrap();
            assert_ne!(fs::read_link("/proc/thread-self/ns/net").unwrap(), own, "{command}");
            let mut words = command.split_whitespace();
            let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
            assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
            output
        })
        .await
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

pub async fn sysctl(namespace: &Namespace, key: &str, value: &'static str) {
    let path = Path::new("/proc/sys/net").join(key);
    namespace.run(move || fs::write(&path, value).unwrap()).await.unwrap();
}

pub async fn read_sysctl(namespace: &Namespace, key: &str) -> String {
    let path = Path::new("/proc/sys/net").join(key);
    namespace.run(move || fs::read_to_string(&path).unwrap().trim().to_owned()).await.unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path()),
            _ => vec![entry.path()],
        })
        .collect()
}
