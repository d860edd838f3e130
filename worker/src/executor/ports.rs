//! The ports of the node that a task publishes: refused if a program of the node listens there.

use proto::model::{PortMode, PublishedPort};
use std::{collections::BTreeMap, fs, io, net::SocketAddr};
use worker_core::{
    listeners::{Listener, tcp_listeners, udp_listeners},
    network::{HostPort, PortKey, Protocol},
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
pub(crate) fn host_ports(ports: &[PublishedPort]) -> Vec<HostPort> {
    let on_node = ports.iter().filter(|port| port.mode == PortMode::Host);
    let host_port = |port: &PublishedPort| HostPort {
        protocol: port.protocol.into(),
        published: port.published,
        target: port.target,
    };
    on_node.map(host_port).collect()
}

/// Refuses ports that a program of the node listens on.
pub(crate) async fn check_free(host: &Namespace, ports: &[HostPort]) -> Result<(), PortError> {
    if ports.is_empty() {
        return Ok(());
    }
    let listeners = Listeners::of(host).await?;
    ports.iter().try_for_each(|port| listeners.check_free(port.key()))
}

/// The sockets of a node that wait for peers.
pub(crate) struct Listeners(BTreeMap<Protocol, Vec<Listener>>);

impl Listeners {
    /// Those that are there now.
    pub(crate) async fn of(host: &Namespace) -> Result<Self, PortError> {
        Ok(Self(host.run(listeners).await??))
    }

    /// Refuses a port that one of them has.
    pub(crate) fn check_free(&self, port: PortKey) -> Result<(), PortError> {
        let Some(listener) = self.on(port) else { return Ok(()) };
        let user = program(listener.inode).unwrap_or_else(|| "another program".into());
        Err(PortError::InUse { port, address: listener.address, user })
    }

    /// One that waits at a port.
    pub(super) fn on(&self, port: PortKey) -> Option<&Listener> {
        let same = |listener: &&Listener| listener.address.port() == port.port.get();
        self.0.get(&port.protocol)?.iter().find(same)
    }
}

/// The sockets that wait for peers in the calling thread's network namespace.
fn listeners() -> Result<BTreeMap<Protocol, Vec<Listener>>, PortError> {
    let tcp = tcp_tables()?.iter().flat_map(|table| tcp_listeners(table)).collect();
    let udp = tables(["/proc/thread-self/net/udp", "/proc/thread-self/net/udp6"])?;
    let udp = udp.iter().flat_map(|table| udp_listeners(table)).collect();
    Ok(BTreeMap::from([(Protocol::Tcp, tcp), (Protocol::Udp, udp)]))
}

/// The TCP sockets of the calling thread's network namespace, as text.
pub(super) fn tcp_tables() -> Result<Vec<String>, PortError> {
    tables(["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"])
}

fn tables(paths: [&'static str; 2]) -> Result<Vec<String>, PortError> {
    let mut tables = Vec::new();
    for path in paths {
        match fs::read_to_string(path) {
            Ok(table) => tables.push(table),
            // A kernel without IPv6.
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
        };
        let error = check_free(&host, &[port(Protocol::Tcp)]).await.unwrap_err().to_string();
        let own = format!("(process {})", std::process::id());
        assert!(error.contains("port 8080/tcp") && error.contains(&own), "{error}");
        check_free(&host, &[port(Protocol::Udp)]).await.unwrap();
        drop(listener);
        check_free(&host, &[port(Protocol::Tcp)]).await.unwrap();
    }
}
