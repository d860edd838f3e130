//! Where a node's questions to servers outside come from: the daemon's own namespace, or a container's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::net::TcpSocket;
use worker_network::Namespace;

/// The namespace that sockets are made in.
#[derive(Debug)]
pub(crate) enum Origin {
    /// That of the daemon.
    Daemon,
    /// That of the container which asks.
    Container(Namespace),
}

impl Origin {
    /// Makes a socket that speaks to servers of this one's family, at a port that the kernel draws.
    pub(crate) async fn udp(&self, server: SocketAddr) -> io::Result<UdpSocket> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let bound = self.make(move || UdpSocket::bind((any, 0))).await?;
        bound.set_nonblocking(true)?;
        Ok(bound)
    }

    /// Makes a socket for a connection to this server.
    pub(crate) async fn tcp(&self, server: SocketAddr) -> io::Result<TcpSocket> {
        let is_ipv4 = server.is_ipv4();
        self.make(move || if is_ipv4 { TcpSocket::new_v4() } else { TcpSocket::new_v6() }).await
    }

    async fn make<T: Send + 'static>(
        &self,
        make: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        match self {
            Self::Daemon => make(),
            Self::Container(namespace) => namespace.run(make).await.map_err(io::Error::other)?,
        }
    }
}
