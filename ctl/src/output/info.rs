//! What a node is, and which versions talk to each other.

use super::{quote, sizes, states};
use proto::wire::{self, InfoResponse, Role};
use serde::Serialize;

/// A node as docker's `info` describes it, as far as it applies.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Info {
    name: String,
    containers_running: u32,
    images: u32,
    server_version: String,
    cgroup_version: String,
    kernel_version: String,
    #[serde(rename = "OSType")]
    os: String,
    architecture: String,
    #[serde(rename = "NCPU")]
    cpus: u64,
    mem_total: u64,
    #[serde(rename = "DockerRootDir")]
    data_dir: String,
    swarm: Swarm,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Swarm {
    #[serde(rename = "NodeID")]
    node_id: String,
    node_addr: String,
    local_node_state: String,
    control_available: bool,
    error: String,
    leader: bool,
    remote_managers: Vec<RemoteManager>,
    cluster: Cluster,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RemoteManager {
    #[serde(rename = "NodeID")]
    node_id: String,
    addr: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Cluster {
    #[serde(rename = "ID")]
    id: String,
    /// Empty if the managers do not answer.
    default_addr_pool: Vec<String>,
    subnet_size: u32,
}

impl Info {
    /// Describes a node, with the settings of its cluster if they are known.
    pub fn new(info: InfoResponse, settings: Option<&wire::ClusterSpec>) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        let control_available = info.role() == Role::Manager && info.state == "active";
        let description = info.description.unwrap_or_default();
        Info {
            name: description.hostname,
            containers_running: info.containers_running,
            images: info.images,
            server_version: info.version,
            cgroup_version: info.cgroup_version,
            kernel_version: info.kernel_version,
            os: description.os,
            architecture: description.arch,
            cpus: description.nano_cpus / 1_000_000_000,
            mem_total: description.memory_bytes,
            data_dir: info.data_dir,
            swarm: Swarm {
                node_id: info.node_id,
                node_addr: info.advertise_addr,
                local_node_state: info.state,
                control_available,
                error: info.error,
                leader: info.leader,
                remote_managers: info
                    .managers
                    .into_iter()
                    .map(|manager| RemoteManager { node_id: manager.node_id, addr: manager.addr })
                    .collect(),
                cluster: Cluster {
                    id: info.cluster_id,
                    default_addr_pool: settings.default_addr_pools,
                    subnet_size: settings.default_addr_pool_mask_length.unwrap_or_default(),
                },
            },
        }
    }
}

/// Writes a node for people, with the settings of its cluster if they are known.
pub fn text(info: &InfoResponse, settings: Option<&wire::ClusterSpec>) -> String {
    let description = info.description.clone().unwrap_or_default();
    let mut lines = vec![
        format!("Name: {}", description.hostname),
        format!("Server Version: {}", info.version),
        format!("Containers Running: {}", info.containers_running),
        format!("Images: {}", info.images),
        format!("Cgroup Version: {}", info.cgroup_version),
        format!("Kernel Version: {}", info.kernel_version),
        format!("OSType: {}", description.os),
        format!("Architecture: {}", description.arch),
        format!("CPUs: {}", description.nano_cpus / 1_000_000_000),
        format!("Total Memory: {}", sizes::binary(description.memory_bytes)),
        format!("Data Dir: {}", info.data_dir),
        format!("Swarm: {}", info.state),
    ];
    if !info.error.is_empty() {
        lines.push(format!(" Error: {}", quote::one_line(&info.error)));
    }
    if !info.node_id.is_empty() {
        lines.push(format!(" NodeID: {}", info.node_id));
        lines.push(format!(
            " Role: {}{}",
            states::role(info.role()),
            if info.leader { " (leader)" } else { "" }
        ));
        lines.push(format!(" ClusterID: {}", info.cluster_id));
        if let Some(settings) = settings {
            lines.push(format!(" Default Address Pool: {}", settings.default_addr_pools.join(" ")));
            let length = settings.default_addr_pool_mask_length.unwrap_or_default();
            lines.push(format!(" SubnetSize: {length}"));
        }
        lines.push(format!(" Node Address: {}", info.advertise_addr));
        lines.push(" Manager Addresses:".into());
        lines.extend(info.managers.iter().map(|manager| format!("  {}", manager.addr)));
    }
    lines.join("\n") + "\n"
}

/// The versions of both ends.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Versions {
    /// This program.
    pub client: ClientVersion,
    /// The daemon; absent if it does not answer.
    pub server: Option<ServerVersion>,
}

/// This program.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ClientVersion {
    /// Its version.
    pub version: &'static str,
    /// Operating system.
    pub os: &'static str,
    /// Architecture.
    pub arch: &'static str,
}

/// The daemon.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerVersion {
    /// Its version.
    pub version: String,
    /// Operating system.
    pub os: String,
    /// Architecture.
    pub arch: String,
    /// The kernel it runs on.
    pub kernel_version: String,
}

/// Writes versions for people.
pub fn versions_text(versions: &Versions) -> String {
    let ClientVersion { version, os, arch } = &versions.client;
    let mut text = format!("Client:\n Version:           {version}\n OS/Arch:           {os}/{arch}\n");
    if let Some(ServerVersion { version, os, arch, kernel_version }) = &versions.server {
        text += &format!("\nServer:\n Version:           {version}\n OS/Arch:           {os}/{arch}\n");
        text += &format!(" Kernel:            {kernel_version}\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{fixtures, json};
    use proto::wire::ManagerAddr;

    fn info() -> InfoResponse {
        InfoResponse {
            version: "0.1.0".into(),
            node_id: fixtures::id("node1"),
            cluster_id: fixtures::id("cluster"),
            role: Role::Manager.into(),
            advertise_addr: "10.0.0.1:2377".into(),
            data_dir: "/var/lib/shoal".into(),
            state: "active".into(),
            description: fixtures::node(1).description,
            managers: vec![ManagerAddr { node_id: fixtures::id("node1"), addr: "10.0.0.1:2377".into() }],
            containers_running: 3,
            images: 2,
            cgroup_version: "2".into(),
            kernel_version: "6.18.0".into(),
            leader: true,
            ..Default::default()
        }
    }

    fn settings() -> wire::ClusterSpec {
        wire::ClusterSpec {
            default_addr_pools: vec!["10.20.0.0/16".into(), "fd00:20::/48".into()],
            default_addr_pool_mask_length: Some(26),
            ..Default::default()
        }
    }

    #[test]
    fn a_node_is_described_for_people() {
        let expected = "\
Name: host-1
Server Version: 0.1.0
Containers Running: 3
Images: 2
Cgroup Version: 2
Kernel Version: 6.18.0
OSType: linux
Architecture: amd64
CPUs: 4
Total Memory: 8GiB
Data Dir: /var/lib/shoal
Swarm: active
 NodeID: node100000000000000000000
 Role: manager (leader)
 ClusterID: cluster000000000000000000
 Default Address Pool: 10.20.0.0/16 fd00:20::/48
 SubnetSize: 26
 Node Address: 10.0.0.1:2377
 Manager Addresses:
  10.0.0.1:2377
";
        assert_eq!(text(&info(), Some(&settings())), expected);
        let outside = InfoResponse { state: "inactive".into(), node_id: String::new(), ..info() };
        assert!(text(&outside, None).ends_with("Swarm: inactive\n"));
    }

    #[test]
    fn templates_see_dockers_fields() {
        let value = json::template_value(&Info::new(info(), Some(&settings()))).unwrap();
        let text = json::compact(&value);
        assert!(text.contains(r#""NCPU":4"#) && text.contains(r#""ControlAvailable":true"#), "{text}");
        assert!(text.contains(r#""DefaultAddrPool":["10.20.0.0/16","fd00:20::/48"]"#), "{text}");
        assert!(text.contains(r#""SubnetSize":26"#), "{text}");
    }
}
