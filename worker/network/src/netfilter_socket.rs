//! A socket to the kernel's netfilter: nftables and connection tracking.

use std::{io, thread};

use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};

use crate::traffic;

/// A blocking socket to netfilter in the namespace of the thread that opened it. It is closed on a thread of its own: the
/// kernel has who closes one wait until nobody looks any more at what a transaction removed.
pub(crate) struct NetfilterSocket(Option<Socket>);

impl NetfilterSocket {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(Some(socket)))
    }

    /// Sends messages, and notes that they were.
    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.socket().send(bytes, 0).map(traffic::note)
    }

    /// Waits for what the kernel says next.
    pub(crate) fn receive(&self) -> io::Result<Vec<u8>> {
        self.socket().recv_from_full().map(|(datagram, _)| datagram)
    }

    fn socket(&self) -> &Socket {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for NetfilterSocket {
    fn drop(&mut self) {
        let socket = self.0.take();
        // Without a thread it is closed here.
        drop(thread::Builder::new().name("close".to_owned()).spawn(move || drop(socket)));
    }
}
