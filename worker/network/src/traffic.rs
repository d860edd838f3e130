//! How much this process has sent to the kernel for networks: what a change costs, counted where it leaves.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::BufMut;
use netlink_sys::{AsyncSocket, Socket, SocketAddr, TokioSocket};

static MESSAGES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

/// What was sent: over netlink, and as scripts to the nft program.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many messages; a script or a transaction is one.
    pub messages: u64,
    /// How many bytes they had.
    pub bytes: u64,
}

impl Traffic {
    /// Returns what was sent since the process started.
    pub fn so_far() -> Self {
        Self { messages: MESSAGES.load(Ordering::Relaxed), bytes: BYTES.load(Ordering::Relaxed) }
    }

    /// Returns what was sent after an earlier look.
    pub fn since(self) -> Self {
        let now = Self::so_far();
        Self { messages: now.messages - self.messages, bytes: now.bytes - self.bytes }
    }
}

/// Notes that a message of this many bytes was sent.
pub(crate) fn note(bytes: usize) {
    MESSAGES.fetch_add(1, Ordering::Relaxed);
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
}

/// A netlink socket that notes what is sent by it.
pub(crate) struct CountingSocket(TokioSocket);

impl AsyncSocket for CountingSocket {
    fn socket_ref(&self) -> &Socket {
        self.0.socket_ref()
    }

    fn socket_mut(&mut self) -> &mut Socket {
        self.0.socket_mut()
    }

    fn new(protocol: isize) -> io::Result<Self> {
        TokioSocket::new(protocol).map(Self)
    }

    fn poll_send(&self, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(cx, buf).map_ok(noted)
    }

    fn poll_send_to(&self, cx: &mut Context<'_>, buf: &[u8], addr: &SocketAddr) -> Poll<io::Result<usize>> {
        self.0.poll_send_to(cx, buf, addr).map_ok(noted)
    }

    fn poll_recv<B: BufMut>(&self, cx: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<()>> {
        self.0.poll_recv(cx, buf)
    }

    fn poll_recv_from<B: BufMut>(&self, cx: &mut Context<'_>, buf: &mut B) -> Poll<io::Result<SocketAddr>> {
        self.0.poll_recv_from(cx, buf)
    }

    fn poll_recv_from_full(&self, cx: &mut Context<'_>) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        self.0.poll_recv_from_full(cx)
    }
}

fn noted(bytes: usize) -> usize {
    note(bytes);
    bytes
}
