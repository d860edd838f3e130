//! Sends the logs that managers demand, each demand in a call of its own that this node opens.

mod tail;

use crate::{board::Board, chain::Chain};
use futures::future::join_all;
use proto::{
    model::TaskId,
    wire::{LogChunk, LogDemand, LogOptions, PublishLogsRequest, dispatcher_client::DispatcherClient},
};
use std::collections::HashMap;
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tracing::{debug, warn};

/// Chunks of one demand that may wait to be sent; a reader that is ahead of the network waits.
const CHUNKS_MAX: usize = 16;

/// The demands of one session. Dropping it ends them.
pub(crate) struct Demands {
    channel: Channel,
    board: Board,
    running: JoinSet<()>,
    by_id: HashMap<String, AbortHandle>,
}

impl Demands {
    /// Answers demands over this channel.
    pub(crate) fn new(channel: Channel, board: Board) -> Self {
        Self { channel, board, running: JoinSet::new(), by_id: HashMap::new() }
    }

    /// Begins to answer a demand, or ends one.
    pub(crate) fn take(&mut self, demand: LogDemand) {
        while self.running.try_join_next().is_some() {}
        self.by_id.retain(|_, answer| !answer.is_finished());
        if demand.cancel {
            if let Some(answer) = self.by_id.remove(&demand.demand_id) {
                answer.abort();
            }
            return;
        }
        let id = demand.demand_id.clone();
        let answer = self.running.spawn(answer(self.channel.clone(), self.board.clone(), demand));
        if let Some(earlier) = self.by_id.insert(id, answer) {
            earlier.abort();
        }
    }
}

async fn answer(channel: Channel, board: Board, demand: LogDemand) {
    let id = demand.demand_id;
    let (chunks, to_send) = mpsc::channel(CHUNKS_MAX);
    let options = demand.options.unwrap_or_default();
    let outlet = Outlet { demand: id.clone(), chunks };
    // Tells the manager which demand the call belongs to, even if there is no line.
    outlet.send(None).await;
    let tasks = demand.task_ids.into_iter();
    let readers: Vec<_> = tasks.map(|task| read(outlet.clone(), board.clone(), task, options)).collect();
    // The call ends when the last outlet is gone.
    drop(outlet);
    let mut client = DispatcherClient::new(channel);
    let call = client.publish_logs(ReceiverStream::new(to_send));
    let (sent, _) = tokio::join!(call, join_all(readers));
    match sent {
        Ok(_) => debug!(demand = %id, "logs sent"),
        Err(status) => warn!(demand = %id, error = %Chain(&status), "logs could not be sent"),
    }
}

/// Reads one task's log to its end; what goes wrong is told in the place of lines.
async fn read(outlet: Outlet, board: Board, task: String, options: LogOptions) {
    let problem = match task.parse::<TaskId>() {
        Err(error) => Some(error.to_string()),
        Ok(id) => tail::read(&outlet, &board, id, options).await.err().map(|error| Chain(&error).to_string()),
    };
    if let Some(warning) = problem {
        outlet.send(Some(LogChunk { task_id: task, lines: Vec::new(), warning })).await;
    }
}

/// Where the chunks of one demand go.
#[derive(Clone)]
struct Outlet {
    demand: String,
    chunks: mpsc::Sender<PublishLogsRequest>,
}

impl Outlet {
    /// Sends a chunk; `false` once nobody takes any.
    async fn send(&self, chunk: Option<LogChunk>) -> bool {
        self.chunks.send(PublishLogsRequest { demand_id: self.demand.clone(), chunk }).await.is_ok()
    }
}
