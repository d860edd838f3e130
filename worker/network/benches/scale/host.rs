//! A node in a namespace of its own, with the daemon's own network code, which goes with the value.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use proto::model::NodeId;
use tempfile::TempDir;
use worker_core::dns::Zones;
use worker_core::tables::{Tables, Told};
use worker_network::{Namespace, Network, NetworkConfig};

use crate::model::{NETWORK, data_path};

pub type Fault = Box<dyn Error + Send + Sync>;

/// Hosts on one link, all in namespaces.
pub struct Hosts {
    pub hosts: Vec<Host>,
    folder: TempDir,
}

/// A host, and what its daemon was told.
pub struct Host {
    pub network: Network,
    pub tables: Tables,
    pub zones: Zones,
}

impl Hosts {
    /// Makes hosts for these nodes, whose data paths are those of the first nodes of a model.
    pub async fn new(nodes: &[NodeId]) -> Result<Self, Fault> {
        let folder = tempfile::Builder::new().prefix("shoal-scale-").tempdir()?;
        let mut hosts = Self { hosts: Vec::new(), folder };
        let lan = Namespace::create(&hosts.folder.path().join("lan")).await?;
        run(&lan, "ip link add lan type bridge").await?;
        run(&lan, "ip link set lan up").await?;
        for (index, node) in (0..).zip(nodes) {
            let host = hosts.host(&lan, index, *node).await?;
            hosts.hosts.push(host);
        }
        Ok(hosts)
    }

    async fn host(&self, lan: &Namespace, index: u32, node: NodeId) -> Result<Host, Fault> {
        let path = self.folder.path().join(format!("host{index}"));
        let namespace = Namespace::create(&path).await?;
        let veth = format!("ip link add port{index} type veth peer name lan0 netns {}", path.display());
        run(lan, &veth).await?;
        run(lan, &format!("ip link set port{index} master lan up")).await?;
        run(&namespace, "ip link set lo up").await?;
        run(&namespace, "ip link set lan0 up").await?;
        run(&namespace, &format!("ip address add {}/15 dev lan0", data_path(index))).await?;
        let mut config = NetworkConfig::new(node.to_string(), self.folder.path().join(format!("run{index}")));
        config.host_netns = Some(path);
        let network = Network::open(config, Vec::new()).await?.network;
        Ok(Host { network, tables: Tables::default(), zones: Zones::default() })
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for path in files_below(self.folder.path()) {
            if Namespace::is_bound(&path).unwrap_or(false)
                && let Err(error) = Namespace::remove(&path)
            {
                eprintln!("left behind: {error}");
            }
        }
    }
}

impl Host {
    /// Takes in what the managers tell: tables and names first, as the daemon does, then the kernel.
    pub async fn take(&mut self, told: Told) -> Result<(), Fault> {
        self.note(told)?;
        self.carry_out().await
    }

    /// Takes it into tables and names only.
    pub fn note(&mut self, told: Told) -> Result<(), Fault> {
        let rows = self.tables.take(told)?;
        self.zones.update(&self.tables, &rows);
        Ok(())
    }

    /// Makes the kernel hold what the tables say.
    pub async fn carry_out(&self) -> Result<(), Fault> {
        let table = self.tables.get(NETWORK).ok_or("the network was told")?;
        self.network.overlays().apply(table).await?;
        Ok(())
    }

    /// The network's namespace on this host.
    pub async fn sandbox(&self) -> Result<Namespace, Fault> {
        Ok(self.network.overlays().sandbox(NETWORK).await.ok_or("the network has a sandbox")?)
    }
}

/// Runs a command in a namespace, and returns what it prints.
pub async fn run(namespace: &Namespace, command: &str) -> Result<String, Fault> {
    let mut words = command.split_whitespace().map(str::to_owned);
    let mut program = Command::new(words.next().ok_or("a command has a name")?);
    program.args(words);
    let output = namespace.run(move || program.output()).await??;
    if !output.status.success() {
        return Err(format!("`{command}`: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
