//! Serves a container over TCP: a task for each connection, queries on it one after the other (RFC 7766).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use crate::request::{QUERY_MAX, Request};
use crate::resolver::Service;
use crate::responder::{Next, Transport, without_records};

/// How many connections a container may have; further ones are closed at once.
const CONNECTIONS_MAX: usize = 64;

/// How long a connection may be idle, and how long a client may take for one message.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How long to wait after no connection could be accepted, which happens when the daemon is out of
/// descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is dropped; connections end with it.
pub(crate) async fn serve(listener: TcpListener, service: Arc<Service>) {
    let mut connections = JoinSet::new();
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                warn!(%error, "cannot accept name queries of a container");
                sleep(PAUSE).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        if connections.len() < CONNECTIONS_MAX {
            connections.spawn(converse(stream, Arc::clone(&service)));
        }
    }
}

async fn converse(mut stream: TcpStream, service: Arc<Service>) {
    loop {
        match timeout(IDLE_MAX, read(&mut stream)).await {
            Ok(Ok(query)) => {
                let Some(answer) = answer(&service, &query).await else { return };
                match timeout(IDLE_MAX, stream.write_all(&answer)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            Ok(Err(error)) => return debug!(%error, "connection of a container's resolver ended"),
            Err(_) => return,
        }
    }
}

async fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > QUERY_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await?;
    Ok(query)
}

/// The answer to a query, with its length before it; `None` if the connection is not worth going on with.
async fn answer(service: &Service, query: &[u8]) -> Option<Vec<u8>> {
    let mut message = Vec::new();
    match service.responder.take(query, Transport::Tcp, &mut message) {
        Next::Ignore => return None,
        Next::Reply => {}
        Next::Relay(request) => message = relayed(service, &request).await?,
    }
    let length = u16::try_from(message.len()).ok()?;
    Some([length.to_be_bytes().as_slice(), &message].concat())
}

async fn relayed(service: &Service, request: &Request) -> Option<Vec<u8>> {
    if let Some(_permit) = service.may_relay()
        && let Some(answer) = service.upstream.ask(request, Transport::Tcp).await
    {
        return Some(answer);
    }
    let mut failure = Vec::new();
    without_records(request, ResponseCode::ServFail, &mut failure).then_some(failure)
}
