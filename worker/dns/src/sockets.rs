//! The sockets of a container's name server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::net::{TcpListener, UdpSocket};
use worker_core::etc_files::NAME_SERVER;
use worker_network::Namespace;

use crate::error::ResolverError;

/// Where containers look for their name server, as their `resolv.conf` says.
pub(crate) const ADDRESS: Ipv4Addr = NAME_SERVER;

/// The sockets of a container's name server, at ports that the kernel chose: port 53 is the application's.
pub(crate) struct Sockets {
    pub(crate) udp: UdpSocket,
    pub(crate) tcp: TcpListener,
    pub(crate) udp_port: u16,
    pub(crate) tcp_port: u16,
}

impl Sockets {
    /// Opens the sockets inside a namespace.
    pub(crate) async fn open(namespace: &Namespace) -> Result<Self, ResolverError> {
        let address = SocketAddr::V4(SocketAddrV4::new(ADDRESS, 0));
        let opened = namespace.run(move || open_here(address)).await?;
        let (udp, tcp) = opened.map_err(|source| ResolverError::Listen {
            address,
            namespace: namespace.path().to_owned(),
            source,
        })?;
        let registered = || {
            let (udp_port, tcp_port) = (udp.local_addr()?.port(), tcp.local_addr()?.port());
            let (udp, tcp) = (UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?);
            Ok(Self { udp, tcp, udp_port, tcp_port })
        };
        registered()
            .map_err(|source| ResolverError::Register { namespace: namespace.path().to_owned(), source })
    }
}

/// Opens the sockets in the namespace that the thread is in.
fn open_here(address: SocketAddr) -> io::Result<(std::net::UdpSocket, std::net::TcpListener)> {
    let udp = std::net::UdpSocket::bind(address)?;
    let tcp = std::net::TcpListener::bind(address)?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}
