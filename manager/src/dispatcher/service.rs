//! The dispatcher's RPCs.

use super::{hub::Hub, logs::LogBroker, network_questions::NetworkQuestions, registration, session::Session};
use crate::{
    clock::Clock,
    leadership::Leadership,
    status::{caller_node, caller_of},
    store::Store,
};
use proto::wire::{
    AgentMessage, ManagerMessage, PublishLogsRequest, PublishLogsResponse, agent_message, dispatcher_server,
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use tracing::{Instrument, info_span};

/// Messages to an agent that may wait for it to read them.
const OUTBOUND_WAITING: usize = 64;
/// An agent that does not register in this time is hung up on.
const REGISTER_TIME_MAX: Duration = Duration::from_secs(10);

/// Answers agents.
#[derive(Clone)]
pub struct DispatcherService {
    /// The state.
    pub store: Store,
    /// Whether this manager leads.
    pub leadership: Leadership,
    /// The sessions.
    pub hub: Hub,
    /// The log streams that are open.
    pub logs: LogBroker,
    /// What nodes are asked about networks.
    pub questions: NetworkQuestions,
    /// The leader's clock.
    pub clock: Clock,
    /// Numbers the sessions.
    pub numbers: Arc<AtomicU64>,
}

impl DispatcherService {
    /// The service for a listener.
    pub fn server(self) -> dispatcher_server::DispatcherServer<Self> {
        dispatcher_server::DispatcherServer::new(self)
    }
}

#[tonic::async_trait]
impl dispatcher_server::Dispatcher for DispatcherService {
    type SessionStream = ReceiverStream<Result<ManagerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let caller = caller_of(&request)?;
        let node = caller_node(&request)?;
        let term = self.leadership.my_term().ok_or_else(changing)?;
        let mut inbound = request.into_inner();
        let first = tokio::time::timeout(REGISTER_TIME_MAX, inbound.message())
            .await
            .map_err(|_| Status::deadline_exceeded("the agent did not register"))??;
        let Some(AgentMessage { kind: Some(agent_message::Kind::Register(register)) }) = first else {
            return Err(Status::invalid_argument("a session begins with the registration"));
        };
        registration::record(&self.store, self.clock, node, &caller, register).await?;
        let period = match self.store.snapshot().cluster() {
            Some(cluster) if self.leadership.my_term() == Some(term) => cluster.spec.heartbeat_period,
            // Opened now, the session would be one of a leadership that knows nothing of it.
            _ => return Err(changing()),
        };

        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (messages, outbound) = mpsc::channel(OUTBOUND_WAITING);
        let seat = self.hub.open(node, number, messages.clone(), self.clock.now());
        let session = Session { service: self.clone(), node, number, term, period, seat, messages };
        let span = info_span!("session", %node, number);
        tokio::spawn(session.run(inbound).instrument(span));
        Ok(Response::new(ReceiverStream::new(outbound)))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<PublishLogsRequest>>,
    ) -> Result<Response<PublishLogsResponse>, Status> {
        let node = caller_node(&request)?;
        let mut messages = request.into_inner();
        let Some(PublishLogsRequest { demand_id, mut chunk }) = messages.message().await? else {
            return Err(Status::invalid_argument("the first message names the demand"));
        };
        // However the node's stream ends, its part of the logs ends with it.
        let _part = self.logs.part(demand_id.clone(), node);
        loop {
            if let Some(chunk) = chunk.take()
                && !self.logs.deliver(&demand_id, node, chunk).await
            {
                return Err(Status::cancelled("nobody reads these logs any more"));
            }
            match messages.message().await? {
                Some(message) => chunk = message.chunk,
                None => return Ok(Response::new(PublishLogsResponse {})),
            }
        }
    }
}

fn changing() -> Status {
    Status::unavailable("the cluster's leader is changing; try again")
}
