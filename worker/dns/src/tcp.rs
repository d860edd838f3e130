//! Serves a container over TCP: a task for each connection. Queries on it need not wait for the answers to those before,
//! and a slow one holds up no other (RFC 7766, 6.2.1.1).

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
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

/// How many answers of a connection may wait to be written; while there are more, no further query is read.
const PIPELINE_MAX: usize = 32;

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

async fn converse(stream: TcpStream, service: Arc<Service>) {
    let (mut reader, writer) = stream.into_split();
    let (answers, to_write) = mpsc::channel(PIPELINE_MAX);
    // What is being written or relayed ends with this function, but after a client's last query.
    let mut others = JoinSet::new();
    others.spawn(write(writer, to_write));
    loop {
        match timeout(IDLE_MAX, read(&mut reader)).await {
            Ok(Ok(query)) => {
                while others.try_join_next().is_some() {}
                let mut message = Vec::new();
                match service.responder.take(&query, Transport::Tcp, &mut message) {
                    Next::Ignore => return,
                    Next::Reply(_) => {
                        // An error means that nothing can be written any more.
                        if answers.send(message).await.is_err() {
                            return;
                        }
                    }
                    Next::Relay(request) => {
                        others.spawn(relay(Arc::clone(&service), request, answers.clone()));
                    }
                }
            }
            Ok(Err(error)) => {
                debug!(%error, "connection of a container's resolver ended");
                break;
            }
            Err(_) => return,
        }
    }
    // A client may have said that it has no more to ask, and wait for what it asked.
    drop(answers);
    while others.join_next().await.is_some() {}
}

/// Writes answers, each with its length before it, until there are no more or the client does not take them.
async fn write(mut writer: OwnedWriteHalf, mut answers: mpsc::Receiver<Vec<u8>>) {
    while let Some(message) = answers.recv().await {
        let Ok(length) = u16::try_from(message.len()) else { return };
        let framed = [length.to_be_bytes().as_slice(), &message].concat();
        match timeout(IDLE_MAX, writer.write_all(&framed)).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

async fn read(stream: &mut OwnedReadHalf) -> io::Result<Vec<u8>> {
    let length = usize::from(stream.read_u16().await?);
    if length > QUERY_MAX {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut query = vec![0; length];
    stream.read_exact(&mut query).await?;
    Ok(query)
}

async fn relay(service: Arc<Service>, request: Request, answers: mpsc::Sender<Vec<u8>>) {
    let mut answer = None;
    if let Some(_permit) = service.may_relay() {
        answer = service.upstream.ask(&request, Transport::Tcp).await;
    }
    let failure = || {
        let mut message = Vec::new();
        without_records(&request, ResponseCode::ServFail, &mut message).then_some(message)
    };
    if let Some(message) = answer.or_else(failure) {
        // Fails only if the connection has ended.
        let _ = answers.send(message).await;
    }
}
