//! Accepting TLS connections, and who is at the other end.

use crate::{identity::NodeIdentity, material::Credentials};
use futures::{Stream, StreamExt, stream::FuturesUnordered};
use std::{io, net::SocketAddr, pin::Pin, task, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;
use tracing::debug;

/// A caller who does not finish its handshake in this time is dropped, so that silent connections
/// can't pile up.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// Handshakes going on at the same time; more callers wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 256;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub struct PeerInfo {
    /// The address it calls from.
    pub addr: SocketAddr,
    /// What its certificate says; `None` if it showed none.
    pub identity: Option<NodeIdentity>,
}

/// An accepted connection.
pub struct Connection {
    stream: TlsStream<TcpStream>,
    peer: PeerInfo,
}

/// The connections that arrive at a listener, each once its handshake is done. It ends only with
/// the process: a failed accept or handshake concerns that one caller.
pub fn incoming(
    listener: TcpListener,
    credentials: Credentials,
) -> impl Stream<Item = io::Result<Connection>> {
    let state = (listener, credentials, FuturesUnordered::new());
    futures::stream::unfold(state, |(listener, credentials, mut handshakes)| async move {
        loop {
            tokio::select! {
                // Cancel safe: a connection that was not yet accepted stays in the kernel's queue.
                accepted = listener.accept(), if handshakes.len() < HANDSHAKES_MAX => match accepted {
                    Ok((stream, addr)) => handshakes.push(handshake(stream, addr, credentials.clone())),
                    Err(error) => {
                        debug!(%error, "cannot accept a connection");
                        // Out of file descriptors, most likely: trying again at once would spin.
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                // Cancel safe: the handshakes stay in the set.
                Some(done) = handshakes.next(), if !handshakes.is_empty() => {
                    if let Some(connection) = done {
                        return Some((Ok(connection), (listener, credentials, handshakes)));
                    }
                }
            }
        }
    })
}

async fn handshake(stream: TcpStream, addr: SocketAddr, credentials: Credentials) -> Option<Connection> {
    // Requests are small and someone waits for each.
    let _ = stream.set_nodelay(true);
    let accepting = TlsAcceptor::from(credentials.server()).accept(stream);
    let stream = match tokio::time::timeout(HANDSHAKE_TIME_MAX, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            debug!(%addr, %error, "handshake failed");
            return None;
        }
        Err(_) => {
            debug!(%addr, "handshake took too long");
            return None;
        }
    };
    let identity = match stream.get_ref().1.peer_certificates().and_then(|chain| chain.first()) {
        None => None,
        Some(cert) => match NodeIdentity::of_der(cert) {
            Ok(identity) => Some(identity),
            Err(error) => {
                debug!(%addr, %error, "certificate names no node");
                return None;
            }
        },
    };
    Some(Connection { stream, peer: PeerInfo { addr, identity } })
}

impl Connected for Connection {
    type ConnectInfo = PeerInfo;

    fn connect_info(&self) -> PeerInfo {
        self.peer
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        buf: &[u8],
    ) -> task::Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> task::Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
