//! Joins people who read logs with the nodes that have them.

use super::hub::Hub;
use crate::clock::RandomIds;
use futures::Stream;
use proto::{
    model::{IdSource, NodeId, TaskId},
    wire::{LogChunk, LogDemand, LogOptions, ManagerMessage, manager_message::Kind},
};
use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::sync::mpsc;

/// Chunks that may wait for a reader; then the nodes wait too.
const CHUNKS_WAITING: usize = 64;

/// Knows every log stream that is open. Clones share it.
#[derive(Clone, Default)]
pub struct LogBroker {
    demands: Arc<Mutex<BTreeMap<String, Demand>>>,
}

/// What one reader wants of one node.
struct Demand {
    node: NodeId,
    chunks: mpsc::Sender<LogChunk>,
}

impl LogBroker {
    /// Asks every node for the logs of its tasks. What nodes can't answer becomes a warning in the
    /// stream, so that one silent node does not hide the others.
    pub fn read(&self, hub: &Hub, tasks: BTreeMap<NodeId, Vec<TaskId>>, options: &LogOptions) -> LogStream {
        let (chunks, stream) = mpsc::channel(CHUNKS_WAITING);
        let mut open = Vec::new();
        for (node, tasks) in tasks {
            let id = format!("{:032x}", RandomIds.next_bits());
            let demand = LogDemand {
                demand_id: id.clone(),
                task_ids: tasks.iter().map(ToString::to_string).collect(),
                options: Some(*options),
                cancel: false,
            };
            self.demands().insert(id.clone(), Demand { node, chunks: chunks.clone() });
            open.push((node, id.clone()));
            let asked = hub.outbound(node).is_some_and(|outbound| outbound.try_send(Ok(message(demand))).is_ok());
            if !asked {
                self.demands().remove(&id);
                for task in tasks {
                    let warning = format!("logs of task {task} can't be read: its node {node} does not answer");
                    // The reader has not begun to read, so there may be no room; then it sees fewer warnings.
                    let _ = chunks.try_send(LogChunk { task_id: task.to_string(), lines: Vec::new(), warning });
                }
            }
        }
        LogStream { stream, open, broker: self.clone(), hub: hub.clone() }
    }

    /// Hands a node's chunk to its reader, waiting for room; says whether there is one.
    pub async fn deliver(&self, demand: &str, node: NodeId, chunk: LogChunk) -> bool {
        let reader = self.demands().get(demand).filter(|demand| demand.node == node).map(|demand| demand.chunks.clone());
        match reader {
            Some(reader) => reader.send(chunk).await.is_ok(),
            None => false,
        }
    }

    /// Notes that a node answers a demand; when the part is dropped, it has sent all it will.
    pub fn part(&self, demand: String, node: NodeId) -> LogPart {
        LogPart { broker: self.clone(), demand, node }
    }

    fn finish(&self, demand: &str, node: NodeId) {
        let mut demands = self.demands();
        if demands.get(demand).is_some_and(|demand| demand.node == node) {
            demands.remove(demand);
        }
    }

    /// Ends what a node was asked for, because its session is gone.
    pub fn forget_node(&self, node: NodeId) {
        self.demands().retain(|_, demand| demand.node != node);
    }

    fn demands(&self) -> MutexGuard<'_, BTreeMap<String, Demand>> {
        // Nothing that panics is done under the lock.
        self.demands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's part of a log stream.
pub struct LogPart {
    broker: LogBroker,
    demand: String,
    node: NodeId,
}

impl Drop for LogPart {
    fn drop(&mut self) {
        self.broker.finish(&self.demand, self.node);
    }
}

/// The chunks for one reader. It ends when every node has sent what it has; dropping it tells the
/// nodes to stop.
pub struct LogStream {
    stream: mpsc::Receiver<LogChunk>,
    open: Vec<(NodeId, String)>,
    broker: LogBroker,
    hub: Hub,
}

impl Stream for LogStream {
    type Item = LogChunk;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<LogChunk>> {
        self.stream.poll_recv(cx)
    }
}

impl Drop for LogStream {
    fn drop(&mut self) {
        for (node, id) in &self.open {
            if self.broker.demands().remove(id).is_some()
                && let Some(outbound) = self.hub.outbound(*node)
            {
                // If there is no room the node finds out at its next chunk.
                let cancel = LogDemand { demand_id: id.clone(), cancel: true, ..LogDemand::default() };
                let _ = outbound.try_send(Ok(message(cancel)));
            }
        }
    }
}

fn message(demand: LogDemand) -> ManagerMessage {
    ManagerMessage { kind: Some(Kind::Logs(demand)) }
}
