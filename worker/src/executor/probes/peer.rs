//! Reaching a container's ports from inside its network, where nothing is in between.

use super::super::node::Node;
use crate::chain::Chain;
use hyper_util::rt::TokioIo;
use proto::model::TaskId;
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU16,
    sync::Arc,
};
use tokio::net::{TcpSocket, TcpStream};
use tonic::transport::{Endpoint, Uri};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use worker_network::Namespace;

/// A container as it is reached by network.
#[derive(Clone)]
pub(super) struct Peer(Arc<Inner>);

struct Inner {
    namespace: Result<Namespace, String>,
    addresses: Vec<IpAddr>,
}

impl Peer {
    /// Finds a task's container. One without a network of its own is reached on its node, one without
    /// addresses on itself.
    pub(super) fn of(node: &Node, task: TaskId) -> Self {
        let attachment = node.network.attachment(&task.to_string());
        let namespace = match &attachment {
            None => Ok(node.network.host().clone()),
            Some(attachment) => Namespace::open(&attachment.netns).map_err(|error| Chain(&error).to_string()),
        };
        let own = attachment.iter().flat_map(|attachment| &attachment.addresses);
        let mut addresses: Vec<IpAddr> = own.map(|address| address.address).collect();
        if addresses.is_empty() {
            addresses = vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
        }
        Self(Arc::new(Inner { namespace, addresses }))
    }

    /// This process, reached on itself.
    #[cfg(test)]
    pub(super) fn on_loopback() -> Self {
        let namespace =
            Namespace::open(std::path::Path::new("/proc/self/ns/net")).map_err(|error| error.to_string());
        Self(Arc::new(Inner { namespace, addresses: vec![Ipv4Addr::LOCALHOST.into()] }))
    }

    /// Connects to a port of it, on the first of its addresses that is listened on.
    pub(super) async fn connect(&self, port: NonZeroU16) -> Result<TcpStream, String> {
        let namespace = self.0.namespace.as_ref().map_err(Clone::clone)?;
        let mut refused = String::new();
        for &address in &self.0.addresses {
            let make = move || if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
            let socket = namespace.run(make).await.map_err(|error| Chain(&error).to_string())?;
            let connected = match socket {
                Ok(socket) => socket.connect(SocketAddr::new(address, port.get())).await,
                Err(error) => Err(error),
            };
            match connected {
                Ok(stream) => return Ok(stream),
                Err(error) if refused.is_empty() => refused = format!("port {port}: {error}"),
                Err(_) => {}
            }
        }
        Err(refused)
    }
}

/// Asks whether it serves, by the gRPC health checking protocol v1.
pub(super) async fn grpc_check(peer: &Peer, port: NonZeroU16, service: String) -> Result<String, String> {
    let peer = peer.clone();
    let connector = tower::service_fn(move |_: Uri| {
        let peer = peer.clone();
        async move { peer.connect(port).await.map(TokioIo::new).map_err(std::io::Error::other) }
    });
    let endpoint = Endpoint::from_static("http://container");
    let channel = endpoint.connect_with_connector(connector).await;
    let channel = channel.map_err(|error| Chain(&error).to_string())?;
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service }).await;
    match answer {
        Ok(answer) => match answer.into_inner().status() {
            ServingStatus::Serving => Ok("SERVING".to_owned()),
            other => Err(other.as_str_name().to_owned()),
        },
        Err(status) => Err(format!("{:?}: {}", status.code(), status.message())),
    }
}
