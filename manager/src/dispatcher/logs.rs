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
    /// The number of the session in which the node was asked.
    session: u64,
    tasks: Vec<TaskId>,
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
            if self.ask(hub, node, &id, &tasks, options, &chunks) {
                open.push((node, id));
            } else {
                warn(&chunks, &tasks, |task| {
                    format!("logs of task {task} can't be read: its node {node} does not answer")
                });
            }
        }
        LogStream { stream, open, broker: self.clone(), hub: hub.clone() }
    }

    /// Asks one node; says whether it has a session that takes the demand.
    fn ask(
        &self,
        hub: &Hub,
        node: NodeId,
        id: &str,
        tasks: &[TaskId],
        options: &LogOptions,
        chunks: &mpsc::Sender<LogChunk>,
    ) -> bool {
        let Some((session, outbound)) = hub.outbound(node) else { return false };
        let demand = LogDemand {
            demand_id: id.to_owned(),
            task_ids: tasks.iter().map(ToString::to_string).collect(),
            options: Some(*options),
            cancel: false,
        };
        // First, since the answer may come at once.
        let reader = Demand { node, session, tasks: tasks.to_vec(), chunks: chunks.clone() };
        self.demands().insert(id.to_owned(), reader);
        let asked = outbound.try_send(Ok(message(demand))).is_ok();
        if !asked {
            self.demands().remove(id);
        }
        asked
    }

    /// Hands a node's chunk to its reader, waiting for room; says whether there is one.
    pub async fn deliver(&self, demand: &str, node: NodeId, chunk: LogChunk) -> bool {
        let reader = self
            .demands()
            .get(demand)
            .filter(|demand| demand.node == node)
            .map(|demand| demand.chunks.clone());
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

    /// Ends what a node was asked for in a session that is over, and tells the readers.
    pub fn forget_session(&self, node: NodeId, session: u64) {
        self.demands().retain(|_, demand| {
            let lost = demand.node == node && demand.session == session;
            if lost {
                let text = |task| {
                    format!(
                        "logs of task {task} may be incomplete: the connection to its node {node} was lost"
                    )
                };
                warn(&demand.chunks, &demand.tasks, text);
            }
            !lost
        });
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
                && let Some((_, outbound)) = self.hub.outbound(*node)
            {
                // If there is no room the node finds out at its next chunk.
                let cancel = LogDemand { demand_id: id.clone(), cancel: true, ..LogDemand::default() };
                let _ = outbound.try_send(Ok(message(cancel)));
            }
        }
    }
}

/// Puts a warning for each task into a reader's stream. If there is no room it sees fewer warnings.
fn warn(chunks: &mpsc::Sender<LogChunk>, tasks: &[TaskId], text: impl Fn(TaskId) -> String) {
    for &task in tasks {
        let _ =
            chunks.try_send(LogChunk { task_id: task.to_string(), lines: Vec::new(), warning: text(task) });
    }
}

fn message(demand: LogDemand) -> ManagerMessage {
    ManagerMessage { kind: Some(Kind::Logs(demand)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{FutureExt, StreamExt};
    use proto::model::Timestamp;

    const NODE: NodeId = NodeId::from_bits(1);
    const TASK: TaskId = TaskId::from_bits(2);

    fn read(broker: &LogBroker, hub: &Hub) -> LogStream {
        broker.read(hub, [(NODE, vec![TASK])].into(), &LogOptions::default())
    }

    /// What the reader would be given now.
    fn next(stream: &mut LogStream) -> Option<Option<LogChunk>> {
        stream.next().now_or_never()
    }

    #[test]
    fn a_node_without_a_session_costs_a_warning_and_not_the_stream() {
        let mut stream = read(&LogBroker::default(), &Hub::default());
        assert!(next(&mut stream).unwrap().unwrap().warning.contains("does not answer"));
        assert_eq!(next(&mut stream), Some(None));
    }

    #[test]
    fn a_reader_is_told_when_the_node_is_lost_and_only_by_the_session_it_was_asked_in() {
        let (broker, hub) = (LogBroker::default(), Hub::default());
        let (outbound, _agent) = mpsc::channel(4);
        hub.open(NODE, 2, outbound, Timestamp(0));
        let mut stream = read(&broker, &hub);
        broker.forget_session(NODE, 1);
        assert_eq!(next(&mut stream), None, "an older session that ends late takes nothing with it");
        broker.forget_session(NODE, 2);
        assert!(next(&mut stream).unwrap().unwrap().warning.contains("was lost"));
        assert_eq!(next(&mut stream), Some(None));
    }

    #[tokio::test]
    async fn only_the_node_that_was_asked_delivers_and_a_reader_that_goes_stops_it() {
        let (broker, hub) = (LogBroker::default(), Hub::default());
        let (outbound, mut agent) = mpsc::channel(4);
        hub.open(NODE, 1, outbound, Timestamp(0));
        let mut stream = read(&broker, &hub);
        let Some(Kind::Logs(demand)) = agent.recv().await.unwrap().unwrap().kind else { panic!("a demand") };
        let chunk = LogChunk { task_id: TASK.to_string(), ..LogChunk::default() };
        assert!(!broker.deliver(&demand.demand_id, NodeId::from_bits(9), chunk.clone()).await);
        assert!(broker.deliver(&demand.demand_id, NODE, chunk.clone()).await);
        assert_eq!(stream.next().await, Some(chunk.clone()));

        drop(stream);
        let Some(Kind::Logs(cancel)) = agent.recv().await.unwrap().unwrap().kind else { panic!("a demand") };
        assert!(cancel.cancel && cancel.demand_id == demand.demand_id);
        assert!(!broker.deliver(&demand.demand_id, NODE, chunk).await);
    }
}
