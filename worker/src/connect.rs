//! How the agent reaches a manager; whoever composes the daemon supplies it, with mTLS inside.

use futures::future::BoxFuture;
use proto::model::{NodeId, Role};
use std::error::Error;
use tonic::transport::Channel;

/// Why no manager was reached.
pub type ConnectError = Box<dyn Error + Send + Sync>;

/// A manager and the `HOST:PORT` at which nodes reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagerPeer {
    /// Its node.
    pub node: NodeId,
    /// `HOST:PORT`.
    pub addr: String,
}

/// Opens channels to managers and remembers who they are.
pub trait Connector: Send + Sync + 'static {
    /// Opens a channel to some manager: after a failure, to another one than before.
    ///
    /// The channel has to notice by itself that the other end is gone (HTTP/2 keep-alive), because a
    /// manager may have nothing to say for hours.
    fn channel(&self) -> BoxFuture<'_, Result<Channel, ConnectError>>;

    /// The `HOST:PORT` at which this node serves, if it is a manager now.
    fn advertise_addr(&self) -> Option<String>;

    /// Takes the managers as they are now, and what people decided this node is to be.
    fn on_managers(&self, managers: Vec<ManagerPeer>, role: Role);
}
