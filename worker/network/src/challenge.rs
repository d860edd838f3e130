//! Challenges clients of lost backends, from a namespace through which they speak to them.

use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, sendto, setsockopt, socket,
    sockopt,
};
use thiserror::Error;
use tracing::debug;
use worker_core::overlay::challenge::{MARK, packets};

use crate::namespace::{Namespace, NamespaceError};
use crate::tracked::Tracked;

/// Why clients could not be challenged.
#[derive(Debug, Error)]
pub enum ChallengeError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// There is no socket for packets with headers of our own.
    #[error("cannot open a raw socket in the namespace {namespace}")]
    Socket {
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: Errno,
    },
}

/// Has the clients of connections say where they are, so that they are reset; nothing happens to those that have ended. One
/// that cannot be reached is passed over: it learns of the loss when it speaks.
pub(crate) async fn challenge(namespace: &Namespace, clients: Vec<Tracked>) -> Result<(), ChallengeError> {
    let path = namespace.path().to_owned();
    namespace
        .run(move || {
            let failed = |source| ChallengeError::Socket { namespace: path.clone(), source };
            for family in [AddressFamily::Inet, AddressFamily::Inet6] {
                let is_inet = family == AddressFamily::Inet;
                let of_family: Vec<&Tracked> =
                    clients.iter().filter(|held| held.client.is_ipv4() == is_inet).collect();
                if of_family.is_empty() {
                    continue;
                }
                let socket = raw(family).map_err(failed)?;
                for held in of_family {
                    for packet in packets(held.flow.destination, held.client) {
                        // A raw socket takes the port for a protocol.
                        let to = SockaddrStorage::from(SocketAddr::new(held.client.ip(), 0));
                        if let Err(error) = sendto(socket.as_raw_fd(), &packet, &to, MsgFlags::empty()) {
                            debug!(client = %held.client, %error, "client of a lost backend cannot be challenged");
                        }
                    }
                }
            }
            Ok(())
        })
        .await?
}

/// Opens a socket that sends packets with their headers, marked as challenges.
fn raw(family: AddressFamily) -> nix::Result<OwnedFd> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let socket = socket(family, SockType::Raw, flags, SockProtocol::Raw)?;
    setsockopt(&socket, sockopt::Mark, &MARK)?;
    Ok(socket)
}
