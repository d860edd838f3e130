//! A session that is up: heartbeats and reports go out, wishes and demands come in.

use super::{End, Incoming, SessionError, Sessions, convert, message};
use crate::{board::Board, connect::Connector, logs::Demands, networks::Networks};
use proto::wire::{AgentMessage, Goodbye, Heartbeat, ManagerMessage, agent_message, manager_message};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, transport::Channel};
use tracing::debug;
use worker_core::agent::Event;

/// How long the manager may take to close a session that we said goodbye in.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(1);

/// One session with one manager.
pub(super) struct Exchange {
    pub heartbeat_period: Duration,
    inbound: Streaming<ManagerMessage>,
    outbound: mpsc::Sender<AgentMessage>,
    end: CancellationToken,
    incoming: mpsc::Sender<Incoming>,
    connector: Arc<dyn Connector>,
    demands: Demands,
    networks: Arc<Networks>,
}

impl Exchange {
    pub(super) fn new(
        sessions: &Sessions,
        channel: Channel,
        inbound: Streaming<ManagerMessage>,
        outbound: mpsc::Sender<AgentMessage>,
        end: CancellationToken,
        heartbeat_period: Duration,
    ) -> Self {
        let board: Board = sessions.board.clone();
        Self {
            heartbeat_period,
            inbound,
            outbound,
            end,
            incoming: sessions.incoming.clone(),
            connector: sessions.connector.clone(),
            demands: Demands::new(channel, board),
            networks: sessions.networks.clone(),
        }
    }

    /// Talks until one side ends it. Logs that are being sent end with it.
    pub(super) async fn run(&mut self, stop: &CancellationToken) -> Result<End, SessionError> {
        let mut heartbeat = interval(self.heartbeat_period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // Cancel-safe: a message is taken from the stream only when this arm completes.
                received = self.inbound.message() => match received.map_err(SessionError::Broken)? {
                    Some(message) => self.take(message).await?,
                    None => return Ok(End::Over),
                },
                // A lost tick is made up for by the next one.
                _ = heartbeat.tick() => self.send(agent_message::Kind::Heartbeat(Heartbeat {})),
                () = self.end.cancelled() => return Ok(End::Over),
                () = stop.cancelled() => return Ok(self.say_goodbye().await),
            }
        }
    }

    async fn take(&mut self, message: ManagerMessage) -> Result<(), SessionError> {
        use manager_message::Kind;
        let event = match message.kind {
            Some(Kind::Assignments(told)) => {
                let (networks, tasks) = convert::assignments(told).map_err(SessionError::Malformed)?;
                self.networks.take(networks).map_err(SessionError::Missed)?;
                Event::Assigned(tasks)
            }
            Some(Kind::Ack(ack)) => Event::Acked { sequence: ack.sequence },
            Some(Kind::Logs(demand)) => {
                self.demands.take(demand);
                return Ok(());
            }
            Some(Kind::Managers(list)) => {
                let (managers, role) = convert::managers(list).map_err(SessionError::Malformed)?;
                self.connector.on_managers(managers, role);
                return Ok(());
            }
            // A newer manager may say more than we understand; what matters is versioned otherwise.
            Some(Kind::Registered(_)) | None => return Ok(()),
        };
        // Fails only if the daemon is ending.
        let _ = self.incoming.send(Incoming::Told(event)).await;
        Ok(())
    }

    /// Sends what need not arrive. If the way is blocked for long, the channel notices.
    fn send(&self, kind: agent_message::Kind) {
        if self.outbound.try_send(message(kind)).is_err() {
            debug!("message could not be sent");
        }
    }

    /// Tells the manager that the node's tasks go on without the daemon, and waits until it knows.
    async fn say_goodbye(&mut self) -> End {
        let told = async {
            let goodbye = message(agent_message::Kind::Goodbye(Goodbye {}));
            if self.outbound.send(goodbye).await.is_ok() {
                while let Ok(Some(_)) = self.inbound.message().await {}
            }
        };
        if timeout(GOODBYE_TIMEOUT, told).await.is_err() {
            debug!("manager did not close the session after goodbye");
        }
        End::Stopped
    }
}
