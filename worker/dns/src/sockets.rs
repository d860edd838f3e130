//! The sockets of a container's name server.

use std::io;
use std::net::{self, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};

use nix::sys::socket::{SockType, getsockopt, sockopt};
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
    /// Takes over the sockets that an earlier daemon opened, else opens new ones inside the namespace; says which.
    pub(crate) async fn open(
        namespace: &Namespace,
        held: Vec<OwnedFd>,
    ) -> Result<(Self, bool), ResolverError> {
        let registered = |(udp, tcp)| {
            Self::register(udp, tcp)
                .map_err(|source| ResolverError::Register { namespace: namespace.path().to_owned(), source })
        };
        if let Some(sockets) = adopted(held) {
            return Ok((registered(sockets)?, true));
        }
        let address = SocketAddr::V4(SocketAddrV4::new(ADDRESS, 0));
        let opened = namespace.run(move || open_here(address)).await?;
        let opened = opened.map_err(|source| ResolverError::Listen {
            address,
            namespace: namespace.path().to_owned(),
            source,
        })?;
        Ok((registered(opened)?, false))
    }

    fn register(udp: net::UdpSocket, tcp: net::TcpListener) -> io::Result<Self> {
        let (udp_port, tcp_port) = (udp.local_addr()?.port(), tcp.local_addr()?.port());
        let (udp, tcp) = (UdpSocket::from_std(udp)?, TcpListener::from_std(tcp)?);
        Ok(Self { udp, tcp, udp_port, tcp_port })
    }

    /// Further descriptors of the same sockets.
    pub(crate) fn duplicates(&self) -> io::Result<Vec<OwnedFd>> {
        Ok(vec![self.udp.as_fd().try_clone_to_owned()?, self.tcp.as_fd().try_clone_to_owned()?])
    }
}

/// The two sockets, if that is what the descriptors are.
fn adopted(held: Vec<OwnedFd>) -> Option<(net::UdpSocket, net::TcpListener)> {
    let [udp, tcp] = <[OwnedFd; 2]>::try_from(held).ok()?;
    let is = |socket: &OwnedFd, kind| getsockopt(socket, sockopt::SockType) == Ok(kind);
    if !is(&udp, SockType::Datagram) || !is(&tcp, SockType::Stream) {
        return None;
    }
    let (udp, tcp) = (net::UdpSocket::from(udp), net::TcpListener::from(tcp));
    let is_ours = |address: io::Result<SocketAddr>| address.is_ok_and(|address| address.ip() == ADDRESS);
    (is_ours(udp.local_addr()) && is_ours(tcp.local_addr())).then_some((udp, tcp))
}

/// Opens the sockets in the namespace that the thread is in.
fn open_here(address: SocketAddr) -> io::Result<(net::UdpSocket, net::TcpListener)> {
    let udp = net::UdpSocket::bind(address)?;
    let tcp = net::TcpListener::bind(address)?;
    udp.set_nonblocking(true)?;
    tcp.set_nonblocking(true)?;
    Ok((udp, tcp))
}
