//! Serves a container over UDP: one loop, which remembers what it answered, and a task for each query that is relayed.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::net::UdpSocket;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::prepared::Prepared;
use crate::reply;
use crate::request::{QUERY_MAX, Request};
use crate::resolver::Service;
use crate::responder::{Next, Transport, limit, without_records};

/// How long to wait after the socket failed, which it does when the system is out of memory.
const PAUSE: Duration = Duration::from_millis(100);

/// How many queries are answered before others of the daemon get their turn, when they come without a pause.
const BURST: usize = 64;

/// Serves until it is dropped; relays end with it.
pub(crate) async fn serve(socket: UdpSocket, service: Arc<Service>) {
    let mut inbox = vec![0; QUERY_MAX];
    let mut server = Server {
        socket: Arc::new(socket),
        prepared: service.responder.prepared(),
        service,
        relays: JoinSet::new(),
        outbox: Vec::with_capacity(QUERY_MAX),
    };
    loop {
        if let Err(error) = server.burst(&mut inbox).await {
            warn!(%error, "cannot receive name queries of a container");
            sleep(PAUSE).await;
        }
    }
}

struct Server {
    socket: Arc<UdpSocket>,
    service: Arc<Service>,
    prepared: Prepared,
    relays: JoinSet<()>,
    outbox: Vec<u8>,
}

impl Server {
    /// Waits for queries and takes those that are there.
    async fn burst(&mut self, inbox: &mut [u8]) -> io::Result<()> {
        self.socket.readable().await?;
        for _ in 0..BURST {
            match self.socket.try_recv_from(inbox) {
                Ok((length, client)) => self.take(&inbox[..length], client),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn take(&mut self, query: &[u8], client: SocketAddr) {
        self.outbox.clear();
        if self.prepared.answer(query, self.service.responder.turn(), &mut self.outbox) {
            return send(&self.socket, &self.outbox, client);
        }
        match self.service.responder.take(query, Transport::Udp, &mut self.outbox) {
            Next::Ignore => {}
            Next::Reply(reuse) => {
                send(&self.socket, &self.outbox, client);
                self.prepared.keep(query, &self.outbox, reuse);
            }
            Next::Relay(request) => self.relay(request, client),
        }
    }

    fn relay(&mut self, request: Request, client: SocketAddr) {
        while self.relays.try_join_next().is_some() {}
        match self.service.may_relay() {
            Some(permit) => {
                let (socket, service) = (Arc::clone(&self.socket), Arc::clone(&self.service));
                self.relays.spawn(relay(socket, service, request, client, permit));
            }
            None => {
                if without_records(&request, ResponseCode::ServFail, &mut self.outbox) {
                    send(&self.socket, &self.outbox, client);
                }
            }
        }
    }
}

async fn relay(
    socket: Arc<UdpSocket>,
    service: Arc<Service>,
    request: Request,
    client: SocketAddr,
    _permit: OwnedSemaphorePermit,
) {
    let mut outbox = Vec::new();
    match service.upstream.ask(&request, Transport::Udp).await {
        Some(answer) if answer.len() <= limit(&request, Transport::Udp) => send(&socket, &answer, client),
        Some(_) => {
            if reply::truncated(&request, &mut outbox) {
                send(&socket, &outbox, client);
            }
        }
        None => {
            if without_records(&request, ResponseCode::ServFail, &mut outbox) {
                send(&socket, &outbox, client);
            }
        }
    }
}

/// Sends without waiting: a client whose buffer is full loses the answer, as over any network, and asks
/// again.
fn send(socket: &UdpSocket, answer: &[u8], client: SocketAddr) {
    if let Err(error) = socket.try_send_to(answer, client) {
        debug!(%client, %error, "answer to a name query not sent");
    }
}
