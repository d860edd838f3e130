//! Serves a container over UDP: one loop, and a task for each query that is relayed.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::net::UdpSocket;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use crate::reply;
use crate::request::{QUERY_MAX, Request};
use crate::resolver::Service;
use crate::responder::{Next, Transport, limit, without_records};

/// How long to wait after the socket failed, which it does when the system is out of memory.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped; relays end with it.
pub(crate) async fn serve(socket: UdpSocket, service: Arc<Service>) {
    let socket = Arc::new(socket);
    let mut relays = JoinSet::new();
    let (mut inbox, mut outbox) = (vec![0; QUERY_MAX], Vec::with_capacity(QUERY_MAX));
    loop {
        let (length, client) = match socket.recv_from(&mut inbox).await {
            Ok(received) => received,
            Err(error) => {
                warn!(%error, "cannot receive name queries of a container");
                sleep(PAUSE).await;
                continue;
            }
        };
        while relays.try_join_next().is_some() {}
        match service.responder.take(&inbox[..length], Transport::Udp, &mut outbox) {
            Next::Ignore => {}
            Next::Reply => send(&socket, &outbox, client),
            Next::Relay(request) => match service.may_relay() {
                Some(permit) => {
                    let (socket, service) = (Arc::clone(&socket), Arc::clone(&service));
                    relays.spawn(relay(socket, service, request, client, permit));
                }
                None => {
                    if without_records(&request, ResponseCode::ServFail, &mut outbox) {
                        send(&socket, &outbox, client);
                    }
                }
            },
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
