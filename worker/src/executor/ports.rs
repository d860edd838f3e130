//! The ports of the node that a task publishes: refused if a program of the node listens there.

use proto::model::{HostIp, PublishedPort, ServiceSpec};
use std::{
    collections::BTreeMap,
    fs, io,
    net::{IpAddr, SocketAddr},
};
use worker_core::{
    listeners::{Listener, sctp_listeners, tcp_listeners, udp_listeners},
    network::{HostPort, Opening, PortKey, Protocol},
};
use worker_network::{Namespace, NamespaceError};

/// Why ports can't be published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PortError {
    /// A program of the node listens there, and would be cut off.
    #[error(
        "port {port} is in use on this node: {user} listens at {address}; publish another port, or end that program"
    )]
    InUse { port: PortKey, address: SocketAddr, user: String },
    /// The node's sockets can't be listed.
    #[error("cannot list the sockets that listen on this node in `{path}`")]
    List {
        path: &'static str,
        #[source]
        source: io::Error,
    },
    /// The node's network can't be looked into.
    #[error("cannot look into the node's network")]
    Namespace(#[from] NamespaceError),
}

/// The ports of a service that are published on the task's own node.
pub(crate) fn host_ports(spec: &ServiceSpec) -> Vec<HostPort> {
    let host_port = |port: &PublishedPort| {
        let (protocol, target, host_ip) = (port.protocol.into(), port.target, port.host_ip);
        Some(HostPort { protocol, published: port.published?, target, host_ip })
    };
    spec.host_ports().filter_map(host_port).collect()
}

/// Refuses ports that a program of the node listens on.
pub(crate) async fn check_free(host: &Namespace, ports: &[HostPort]) -> Result<(), PortError> {
    if ports.is_empty() {
        return Ok(());
    }
    let listeners = Listeners::of(host).await?;
    let opening = |port: &HostPort| Opening { key: port.key(), host_ip: port.host_ip };
    ports.iter().try_for_each(|port| listeners.check_free(opening(port)))
}

/// The sockets of a node that wait for peers.
pub(crate) struct Listeners(BTreeMap<Protocol, Vec<Listener>>);

impl Listeners {
    /// Those that are there now.
    pub(crate) async fn of(host: &Namespace) -> Result<Self, PortError> {
        Ok(Self(host.run(listeners).await??))
    }

    /// Refuses a port that one of them has.
    pub(crate) fn check_free(&self, opening: Opening) -> Result<(), PortError> {
        let Some(listener) = self.on(opening) else { return Ok(()) };
        let port = opening.key;
        let user = program(listener.inode).unwrap_or_else(|| "another program".into());
        Err(PortError::InUse { port, address: listener.address, user })
    }

    /// One that waits at a port, and would lose peers if it were published.
    pub(super) fn on(&self, Opening { key, host_ip }: Opening) -> Option<&Listener> {
        let is_there = |listener: &&Listener| {
            listener.address.port() == key.port.get() && listens_at(listener.address.ip(), host_ip)
        };
        self.0.get(&key.protocol)?.iter().find(is_there)
    }
}

/// Whether one who listens at an address would lose peers to a port that is published at some addresses of the node.
fn listens_at(address: IpAddr, host_ip: Option<HostIp>) -> bool {
    match host_ip {
        None => true,
        // A socket at `::` has those of IPv4 too.
        Some(host_ip) if address.is_unspecified() => address.is_ipv6() || host_ip.net().addr().is_ipv4(),
        Some(host_ip) => host_ip.contains(address.to_canonical()),
    }
}

/// The sockets that wait for peers in the calling thread's network namespace.
fn listeners() -> Result<BTreeMap<Protocol, Vec<Listener>>, PortError> {
    let tcp = tcp_tables()?.iter().flat_map(|table| tcp_listeners(table)).collect();
    let udp = tables(["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"])?;
    let udp = udp.iter().flat_map(|table| udp_listeners(table)).collect();
    let sctp = tables(["/proc/thread-self/net/sctp/eps"])?;
    let sctp = sctp.iter().flat_map(|table| sctp_listeners(table)).collect();
    Ok(BTreeMap::from([(Protocol::Tcp, tcp), (Protocol::Udp, udp), (Protocol::Sctp, sctp)]))
}

/// The TCP sockets of the calling thread's network namespace, as text.
pub(super) fn tcp_tables() -> Result<Vec<String>, PortError> {
    tables(["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"])
}

fn tables<const N: usize>(paths: [&'static str; N]) -> Result<Vec<String>, PortError> {
    let mut tables = Vec::new();
    for path in paths {
        match fs::read_to_string(path) {
            Ok(table) => tables.push(table),
            // A kernel without IPv6, or without SCTP.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(PortError::List { path, source }),
        }
    }
    Ok(tables)
}

/// Names the program that has a socket open; `None` if it can't be found.
fn program(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let has_it = |pid: &u32| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).ok();
        open.into_iter()
            .flatten()
            .flatten()
            .any(|file| fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == wanted.as_str()))
    };
    let pids =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let pid = pids.into_iter().find(has_it)?;
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(format!("`{}` (process {pid})", name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[tokio::test]
    async fn a_port_that_is_listened_on_is_refused_and_the_program_named() {
        let host = Namespace::temporary().await.unwrap();
        let listener = host.run(|| TcpListener::bind("127.0.0.1:8080").unwrap()).await.unwrap();
        let port = |protocol| HostPort {
            protocol,
            published: 8080.try_into().unwrap(),
            target: 80.try_into().unwrap(),
            host_ip: None,
        };
        let error = check_free(&host, &[port(Protocol::Tcp)]).await.unwrap_err().to_string();
        let own = format!("(process {})", std::process::id());
        assert!(error.contains("port 8080/tcp") && error.contains(&own), "{error}");
        check_free(&host, &[port(Protocol::Udp)]).await.unwrap();
        let elsewhere = HostPort { host_ip: Some("10.0.0.5".parse().unwrap()), ..port(Protocol::Tcp) };
        check_free(&host, &[elsewhere]).await.unwrap();
        let there = HostPort { host_ip: Some("127.0.0.0/8".parse().unwrap()), ..port(Protocol::Tcp) };
        check_free(&host, &[there]).await.unwrap_err();
        drop(listener);
        let everywhere = host.run(|| TcpListener::bind("0.0.0.0:8080").unwrap()).await.unwrap();
        check_free(&host, &[elsewhere]).await.unwrap_err();
        drop(everywhere);
        check_free(&host, &[port(Protocol::Tcp)]).await.unwrap();
    }
}
