//! What is seen of a container's connections: that it listens, and that the last is answered.

use super::{
    node::Node,
    ports::{Listeners, PortError, tcp_tables},
};
use crate::chain::Chain;
use proto::model::{PublishedPort, Task};
use std::{path::Path, time::Duration};
use tokio::time::{Instant, sleep};
use tracing::{debug, warn};
use worker_core::{
    connections,
    listeners::{open_connections, patience},
    network::{Opening, PortKey},
};
use worker_network::{Namespace, tcp_sockets};

/// How soon it is looked again, at first.
const SOON: Duration = Duration::from_millis(10);

/// How late it is looked again at most.
const LATE: Duration = Duration::from_millis(200);

/// How long there must have been no connections: one may be on its way, sent by a node just before it
/// let go.
const QUIET: Duration = Duration::from_millis(100);

/// Waits until a task's container listens on the ports that its service publishes, on each as long as it may take. One
/// without a network of its own is not waited for.
pub(super) async fn until_listening(node: &Node, task: &Task) {
    if let Err(error) = listening(node, task).await {
        warn!(task = %task.id, error = %Chain(&error), "not known whether the container listens");
    }
}

/// Waits until no connection that others made to a task's container is in use any more. If no other task of its
/// service gets the new ones, it is not waited for: nobody would be served meanwhile.
pub(super) async fn until_drained(node: &Node, task: &Task) {
    if !node.networks.is_served_besides(task) {
        return;
    }
    if let Err(error) = drained(node, task).await {
        warn!(task = %task.id, error = %Chain(&error), "not known whether the container has connections");
    }
}

async fn listening(node: &Node, task: &Task) -> Result<(), PortError> {
    let Some(container) = namespace_of(node, task)? else { return Ok(()) };
    let target = |port: &PublishedPort| {
        let key = PortKey { protocol: port.protocol.into(), port: port.target };
        Opening { key, host_ip: None }
    };
    let begun = Instant::now();
    loop {
        let listeners = Listeners::of(&container).await?;
        let is_over = |port: &PublishedPort| begun.elapsed() >= patience(port);
        if task.spec.ports.iter().all(|port| listeners.on(target(port)).is_some() || is_over(port)) {
            return Ok(());
        }
        // Clients wait as well: it is noticed late by an eighth of the time that it took.
        sleep((begun.elapsed() / 8).clamp(SOON, LATE)).await;
    }
}

async fn drained(node: &Node, task: &Task) -> Result<(), PortError> {
    let Some(container) = namespace_of(node, task)? else { return Ok(()) };
    let count = async || in_use(&container).await;
    let mut pause = SOON;
    loop {
        if count().await? == 0 {
            sleep(QUIET).await;
            if count().await? == 0 {
                return Ok(());
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(LATE);
    }
}

/// How many connections are in use; where the kernel does not tell what was said in them, how many there are.
async fn in_use(container: &Namespace) -> Result<usize, PortError> {
    match tcp_sockets(container).await {
        Ok(sockets) => Ok(connections::in_use(&sockets)),
        Err(error) => {
            debug!(error = %Chain(&error), "every open connection counts as in use");
            Ok(open_connections(&container.run(tcp_tables).await??))
        }
    }
}

/// The network namespace of a task's container, if it has one of its own.
fn namespace_of(node: &Node, task: &Task) -> Result<Option<Namespace>, PortError> {
    let attachment = node.network.attachment(&task.id.to_string());
    Ok(attachment.map(|held| Namespace::open(Path::new(&held.netns))).transpose()?)
}
