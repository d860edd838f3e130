//! What was seen on the machine, before anything is made of it.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Everything that is judged. What could not be seen is the sentence that says why.
#[derive(Debug, Clone)]
pub struct Facts {
    pub is_root: bool,
    /// What was tried for containers; nothing without root.
    pub containers: Vec<worker_runtime::Check>,
    /// What was tried for networks; nothing without root.
    pub network: Vec<worker_network::Check>,
    /// Where a manager is going to listen.
    pub listen_addr: SocketAddr,
    /// Whether that address is this machine's.
    pub listen: Result<(), String>,
    /// Who has the ports that a node wants.
    pub sockets: Result<Vec<Bound>, String>,
    pub clock: Clock,
    pub disk: Disk,
    pub memory: Result<Memory, String>,
    pub settings: Settings,
    pub firewalls: Result<Firewalls, String>,
}

/// What a socket speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// A socket that listens or is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    pub protocol: Protocol,
    pub addr: SocketAddr,
    pub holder: Holder,
}

/// Who holds a socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Holder {
    /// A process; `is_daemon` if it is a daemon of this program.
    Process { pid: i32, name: String, is_daemon: bool },
    /// No process at all: a device, such as one for VXLAN.
    Kernel,
    /// A process that can't be seen from here.
    Hidden,
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct Clock {
    /// Seconds since 1970.
    pub unix_seconds: i64,
    pub discipline: Result<Discipline, String>,
}

/// Whether something keeps the clock right.
#[derive(Debug, Clone, Copy)]
pub struct Discipline {
    pub is_synchronised: bool,
    /// How wrong the clock may be, by its keeper's own account.
    pub error_max: Duration,
}

/// Where the node's state is going to be.
#[derive(Debug, Clone)]
pub struct Disk {
    pub data_dir: PathBuf,
    /// The kind of file system, such as `ext4`, as far as the kernel tells.
    pub file_system: Option<String>,
    pub space: Result<Space, String>,
    /// How long a small write takes to be safe: the median of several.
    pub sync: Result<Duration, String>,
}

/// What is free on a file system.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    pub free_bytes: u64,
    /// `None` on file systems that make inodes as they are needed.
    pub free_inodes: Option<u64>,
}

/// The machine's memory, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    pub total: u64,
    pub available: u64,
}

/// Kernel settings; `None` where the kernel has no such setting.
#[derive(Debug, Clone, Copy, Default)]
pub struct Settings {
    /// `net.ipv4.conf.all.rp_filter`
    pub rp_filter: Option<u32>,
    /// `net.ipv4.ip_forward`
    pub ip_forward: Option<u32>,
    /// `net.bridge.bridge-nf-call-iptables`
    pub bridge_calls_iptables: Option<u32>,
    /// Whether there is any bridge.
    pub has_bridge: bool,
}

/// What other programs' firewalls do with what is forwarded and what comes in.
#[derive(Debug, Clone, Default)]
pub struct Firewalls {
    /// Chains that end by dropping.
    pub closed: Vec<ClosedChain>,
    /// Whether there are rules of the old iptables, which `nft` can't list.
    pub has_legacy_iptables: bool,
}

/// Which packets a chain sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hook {
    /// Those that are forwarded.
    Forward,
    /// Those for the machine itself.
    Input,
}

/// A chain that drops whatever it does not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedChain {
    pub hook: Hook,
    pub family: String,
    pub table: String,
    pub chain: String,
    pub owner: Owner,
}

/// The program whose rules these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Docker,
    Ufw,
    Firewalld,
    Unknown,
}
