//! Datagrams: sockets in containers that say who they are, and clients that go on asking from one port.

use super::{Container, container::inside};
use anyhow::Result;
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// How long one datagram is waited for before the next one is sent.
const PAUSE: Duration = Duration::from_millis(100);

/// A socket in a container that answers every datagram with one word; gone when dropped.
pub struct Echo {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// Opens one at a port of a container.
    pub fn start(container: &Container, port: u16, word: String) -> Result<Self> {
        let socket = container.inside(move || UdpSocket::bind((Ipv6Addr::UNSPECIFIED, port)))??;
        socket.set_read_timeout(Some(PAUSE))?;
        let ended = Arc::new(AtomicBool::new(false));
        let told = ended.clone();
        let thread = thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // Where the network is gone there is nobody to tell.
                if let Ok((_, from)) = socket.recv_from(&mut [0; 16]) {
                    drop(socket.send_to(word.as_bytes(), from));
                }
            }
        });
        Ok(Self { ended, thread: Some(thread) })
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// A client with one port.
pub struct Asker {
    socket: UdpSocket,
}

impl Asker {
    /// Opens one in the namespace that a file leads to.
    pub fn open(namespace: &Path, to: SocketAddr) -> Result<Self> {
        let any: SocketAddr =
            if to.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
        let socket = inside(namespace, move || UdpSocket::bind(any))??;
        socket.connect(to)?;
        socket.set_read_timeout(Some(PAUSE))?;
        Ok(Self { socket })
    }

    /// Sends a datagram and returns the word that comes back, if any does.
    pub fn ask(&self) -> io::Result<String> {
        let mut word = [0; 64];
        self.socket.send(b"who?")?;
        let count = self.socket.recv(&mut word)?;
        Ok(String::from_utf8_lossy(&word[..count]).into_owned())
    }
}
