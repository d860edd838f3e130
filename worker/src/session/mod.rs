//! Holds to the managers: one session after another, with whichever of them can be reached.
//!
//! ```text
//!            .---------- back-off ----------.
//!            v                              |
//! dial -> register -> registered -> exchange '-> (the stream ends, a fault, a gap)
//!                                      '-------> goodbye, when the daemon stops
//! ```

mod convert;
mod exchange;

use crate::{
    board::Board,
    chain::Chain,
    connect::{ConnectError, Connector},
    network_checks::NetworkChecks,
    networks::Networks,
    payloads::Payloads,
};
use exchange::Exchange;
use proto::{
    model::NodeDescription,
    wire::{
        AgentMessage, ManagerMessage, Register, agent_message, dispatcher_client::DispatcherClient,
        manager_message,
    },
};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming, transport::Channel};
use tracing::{Instrument, debug, info, info_span, warn};
use worker_core::{
    agent::{Event, Report},
    backoff::Backoff,
    tables::UnknownNetwork,
};

/// How long a manager may take to answer a call or a registration.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A session this long was a success: if it ends, the next one is tried at once.
const LONG: Duration = Duration::from_secs(10);

/// Messages that may wait to be sent. The agent has one report under way at a time, and heartbeats
/// say nothing new.
const OUTBOUND_MAX: usize = 16;

/// The largest message taken: a full set of some ten thousand tasks.
const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Gives a random number each time it is asked.
pub type Jitter = Box<dyn Fn() -> u32 + Send + Sync>;

/// What a session brings.
pub(crate) enum Incoming {
    /// A manager took the registration; this line leads to it.
    Up(Line),
    /// Something for the agent.
    Told(Event),
}

/// A way to the manager at the other end of a session.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    outbound: mpsc::Sender<AgentMessage>,
    end: CancellationToken,
}

impl Line {
    /// Sends a report. If it can't be sent now, its acknowledgement stays away and it is sent again.
    pub(crate) fn report(&self, report: &Report) {
        if self.outbound.try_send(convert::report(report)).is_err() {
            debug!(sequence = report.sequence, "report could not be sent, will be repeated");
        }
    }

    /// Ends the session, so that a new one begins with everything.
    pub(crate) fn end(&self) {
        self.end.cancel();
    }
}

/// Why a session ended.
#[derive(Debug)]
enum End {
    /// The daemon stops.
    Stopped,
    /// The manager closed it, or something was missed in it.
    Over,
}

/// What went wrong with a session.
#[derive(Debug, thiserror::Error)]
enum SessionError {
    #[error("cannot reach a manager")]
    Connect(#[source] ConnectError),
    #[error("the manager did not {what} within {ANSWER_TIMEOUT:?}")]
    Timeout { what: &'static str },
    #[error("the manager refused the session")]
    Refused(#[source] Status),
    #[error("the manager did not begin with an answer to the registration; it may be of another version")]
    NotRegistered,
    #[error("the session broke")]
    Broken(#[source] Status),
    #[error("the manager sent something that this version does not understand; nothing was changed")]
    Malformed(#[source] proto::convert::WireError),
    #[error("a message of the manager was missed, beginning a new session")]
    Missed(#[source] UnknownNetwork),
}

/// Keeps this node in touch with the managers.
pub(crate) struct Sessions {
    /// The way to them.
    pub connector: Arc<dyn Connector>,
    /// What the node says of itself.
    pub description: NodeDescription,
    /// For the back-off.
    pub jitter: Jitter,
    /// Takes what they say.
    pub incoming: mpsc::Sender<Incoming>,
    /// For answering demands for logs.
    pub board: Board,
    /// For answering questions about networks.
    pub checks: NetworkChecks,
    /// Takes what they say of networks.
    pub networks: Arc<Networks>,
    /// Takes what they say of secrets and configs.
    pub payloads: Arc<Payloads>,
}

impl Sessions {
    /// Holds one session after another until told to stop, then says goodbye.
    pub(crate) async fn run(self, stop: CancellationToken) {
        let mut backoff = Backoff::default();
        while !stop.is_cancelled() {
            let mut up_since = None;
            let ended = self.session(&stop, &mut up_since).instrument(info_span!("session")).await;
            // Whoever takes it is gone only if the daemon is ending.
            let _ = self.incoming.send(Incoming::Told(Event::SessionDown)).await;
            match ended {
                Ok(End::Stopped) => return,
                Ok(End::Over) => info!("session ended"),
                Err(error) => warn!(error = %Chain(&error), "no session with the managers"),
            }
            if up_since.is_some_and(|since: Instant| since.elapsed() >= LONG) {
                backoff.reset();
                continue;
            }
            tokio::select! {
                () = sleep(backoff.after_failure((self.jitter)())) => {}
                () = stop.cancelled() => {}
            }
        }
    }

    async fn session(
        &self,
        stop: &CancellationToken,
        up_since: &mut Option<Instant>,
    ) -> Result<End, SessionError> {
        let registration = async {
            let channel =
                answered("answer", self.connector.channel()).await?.map_err(SessionError::Connect)?;
            self.register(channel).await
        };
        let (mut exchange, line) = tokio::select! {
            registered = registration => registered?,
            () = stop.cancelled() => return Ok(End::Stopped),
        };
        *up_since = Some(Instant::now());
        info!(heartbeat = ?exchange.heartbeat_period, "session with the managers begun");
        if self.incoming.send(Incoming::Up(line)).await.is_err() {
            return Ok(End::Stopped);
        }
        exchange.run(stop).await
    }

    async fn register(&self, channel: Channel) -> Result<(Exchange, Line), SessionError> {
        let mut client = DispatcherClient::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES_MAX);
        let (outbound, to_send) = mpsc::channel(OUTBOUND_MAX);
        let register = Register {
            description: Some((&self.description).into()),
            advertise_addr: self.connector.advertise_addr().unwrap_or_default(),
        };
        // The channel was just made and holds several messages.
        let _ = outbound.try_send(message(agent_message::Kind::Register(register)));
        let call = client.session(ReceiverStream::new(to_send));
        let mut inbound =
            answered("take the session", call).await?.map_err(SessionError::Refused)?.into_inner();
        let heartbeat_period = answered("take the registration", registered(&mut inbound)).await??;
        let line = Line { outbound: outbound.clone(), end: CancellationToken::new() };
        let exchange = Exchange::new(self, channel, inbound, outbound, line.end.clone(), heartbeat_period);
        Ok((exchange, line))
    }
}

/// The first message of a manager: how often it wants to hear of us.
async fn registered(inbound: &mut Streaming<ManagerMessage>) -> Result<Duration, SessionError> {
    match inbound.message().await.map_err(SessionError::Refused)?.and_then(|message| message.kind) {
        // A period of zero would leave no time for anything else.
        Some(manager_message::Kind::Registered(told)) => {
            Ok(Duration::from_millis(told.heartbeat_period_ms.max(1)))
        }
        _ => Err(SessionError::NotRegistered),
    }
}

async fn answered<T>(what: &'static str, answer: impl Future<Output = T>) -> Result<T, SessionError> {
    timeout(ANSWER_TIMEOUT, answer).await.map_err(|_| SessionError::Timeout { what })
}

fn message(kind: agent_message::Kind) -> AgentMessage {
    AgentMessage { kind: Some(kind) }
}
