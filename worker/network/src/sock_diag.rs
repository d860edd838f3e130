//! The TCP sockets of a namespace, with what was said in each and when: the kernel's `sock_diag`.

use std::io;
use std::path::PathBuf;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR};
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{Socket, SocketAddr};
use thiserror::Error;
use worker_core::connections::Connection;

use crate::namespace::{Namespace, NamespaceError};

/// `SOCK_DIAG_BY_FAMILY`.
const BY_FAMILY: u16 = 20;
/// The bytes of a `struct nlmsghdr`, and of a `struct inet_diag_req_v2` after it.
const HEADER: usize = 16;
const REQUEST: usize = 56;
/// `AF_INET`, `AF_INET6` and `IPPROTO_TCP`.
const FAMILIES: [u8; 2] = [2, 10];
const TCP: u8 = 6;
/// Asks for the attribute `INET_DIAG_INFO`, which is the second.
const WITH_INFO: u8 = 1 << 1;
const EVERY_STATE: u32 = u32::MAX;

/// Why the sockets of a namespace are not known.
#[derive(Debug, Error)]
pub enum SocketsError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The kernel does not list them.
    #[error(
        "cannot list the TCP sockets of the namespace {namespace}: it takes CONFIG_INET_DIAG or the module tcp_diag"
    )]
    List {
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// Lists all TCP sockets of a namespace.
pub async fn tcp_sockets(namespace: &Namespace) -> Result<Vec<Connection>, SocketsError> {
    let path = namespace.path().to_owned();
    let listed = namespace.run(list).await?;
    listed.map_err(|source| SocketsError::List { namespace: path, source })
}

/// Lists those of the calling thread's namespace.
fn list() -> io::Result<Vec<Connection>> {
    let socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut found = Vec::new();
    for family in FAMILIES {
        socket.send(&request(family), 0)?;
        while take(&socket.recv_from_full()?.0, &mut found)? {}
    }
    Ok(found)
}

fn request(family: u8) -> Vec<u8> {
    let length = u32::try_from(HEADER + REQUEST).expect("it is small");
    let mut bytes = Vec::with_capacity(HEADER + REQUEST);
    bytes.extend(length.to_ne_bytes());
    bytes.extend(BY_FAMILY.to_ne_bytes());
    bytes.extend((NLM_F_REQUEST | NLM_F_DUMP).to_ne_bytes());
    // The sequence and the port that answers go to, which the socket knows.
    bytes.extend([0; 8]);
    bytes.extend([family, TCP, WITH_INFO, 0]);
    bytes.extend(EVERY_STATE.to_ne_bytes());
    // Whatever the addresses and ports.
    bytes.resize(HEADER + REQUEST, 0);
    bytes
}

/// Takes in what one datagram of the kernel tells; says whether there are more.
fn take(mut datagram: &[u8], found: &mut Vec<Connection>) -> io::Result<bool> {
    let cut_off = || io::Error::new(io::ErrorKind::InvalidData, "a message is cut off");
    while let Some(&head) = datagram.first_chunk::<HEADER>() {
        let [l0, l1, l2, l3, k0, k1, ..] = head;
        let length = u32::from_ne_bytes([l0, l1, l2, l3]) as usize;
        let content = datagram.get(HEADER..length).ok_or_else(cut_off)?;
        match u16::from_ne_bytes([k0, k1]) {
            NLMSG_DONE => return Ok(false),
            NLMSG_ERROR => {
                let code = content.first_chunk().map(|code| i32::from_ne_bytes(*code)).ok_or_else(cut_off)?;
                return Err(io::Error::from_raw_os_error(-code));
            }
            BY_FAMILY => found.extend(Connection::read(content)),
            _ => {}
        }
        datagram = datagram.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::links::Links;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::time::{Duration, Instant};
    use worker_core::connections::IDLE;

    /// A connection in a namespace of its own: both ends.
    async fn connected(address: &'static str) -> (Namespace, TcpStream, TcpStream) {
        let namespace = Namespace::temporary().await.unwrap();
        let links = Links::of(&namespace).await.unwrap();
        links.set_up(&links.find("lo").await.unwrap().unwrap()).await.unwrap();
        let (client, server) = namespace
            .run(move || {
                let listener = TcpListener::bind((address, 80)).unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
                (client, listener.accept().unwrap().0)
            })
            .await
            .unwrap();
        (namespace, client, server)
    }

    /// The server's end, as the kernel tells of it.
    async fn seen(namespace: &Namespace) -> Connection {
        let sockets = tcp_sockets(namespace).await.unwrap();
        *sockets.iter().find(|socket| socket.port == 80 && socket.state == 1).unwrap()
    }

    async fn until_at_rest(namespace: &Namespace) {
        let end = Instant::now() + Duration::from_secs(20);
        while seen(namespace).await.is_in_use() {
            assert!(Instant::now() < end, "{:?}", seen(namespace).await);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test]
    async fn a_connection_is_at_rest_between_requests_and_in_use_from_one_to_its_answer() {
        for address in ["127.0.0.1", "::1"] {
            let (namespace, mut client, mut server) = connected(address).await;
            assert!(seen(&namespace).await.is_in_use(), "it was just opened");
            until_at_rest(&namespace).await;
            client.write_all(b"?").unwrap();
            assert_eq!(seen(&namespace).await.unread, 1);
            server.read_exact(&mut [0]).unwrap();
            // However long it takes.
            while seen(&namespace).await.silent.unwrap().there < 2 * IDLE {
                assert!(seen(&namespace).await.is_in_use());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            server.write_all(b"!").unwrap();
            assert!(seen(&namespace).await.is_in_use(), "more may follow");
            until_at_rest(&namespace).await;
            client.read_exact(&mut [0]).unwrap();
            assert!(!seen(&namespace).await.is_in_use());
        }
    }
}
