//! Calls to a node's daemon over its socket.

use hyper_util::rt::TokioIo;
use proto::wire::{control_client::ControlClient, node_local_client::NodeLocalClient};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long a daemon may take to take a connection.
const CONNECT: Duration = Duration::from_secs(5);

/// Says why a daemon does not answer as it should.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// Nobody listens.
    #[error("can't reach the daemon at `{socket}`")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// It refuses.
    #[error("the daemon at `{socket}` refuses to {call}")]
    Refused {
        /// The socket.
        socket: PathBuf,
        /// What it was asked for.
        call: &'static str,
        /// What it said.
        #[source]
        source: Box<tonic::Status>,
    },
}

/// A connection to one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    socket: PathBuf,
}

impl Client {
    /// Connects to the daemon that listens on a socket.
    pub async fn connect(socket: &Path) -> Result<Self, CallError> {
        let path = socket.to_owned();
        // The address is not looked at: the connector knows where to go.
        let endpoint = Endpoint::from_static("http://localhost").connect_timeout(CONNECT);
        let connector = service_fn(move |_| {
            let path = path.clone();
            async move { UnixStream::connect(path).await.map(TokioIo::new) }
        });
        match endpoint.connect_with_connector(connector).await {
            Ok(channel) => Ok(Self { channel, socket: socket.to_owned() }),
            Err(source) => Err(CallError::Connect { socket: socket.to_owned(), source }),
        }
    }

    /// What a person asks of this daemon.
    pub fn node(&self) -> NodeLocalClient<Channel> {
        NodeLocalClient::new(self.channel.clone())
    }

    /// What a person asks of the cluster.
    pub fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone())
    }

    pub(crate) fn refused(&self, call: &'static str) -> impl FnOnce(tonic::Status) -> CallError + use<> {
        let socket = self.socket.clone();
        move |status| CallError::Refused { socket, call, source: Box::new(status) }
    }
}
