//! A session that is up: heartbeats and reports go out, wishes and demands come in.

use super::{End, Incoming, SessionError, Sessions, convert, message};
use crate::{
    board::Board, connect::Connector, logs::Demands, network_checks::NetworkChecks, networks::Networks,
    payloads::Payloads,
};
use proto::wire::{
    AgentMessage, Goodbye, Heartbeat, ManagerMessage, NetworkQuestion, agent_message, manager_message,
};
use std::{future::pending, sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_util::sync::CancellationToken;
use tonic::{Streaming, transport::Channel};
use tracing::debug;
use worker_core::{acknowledgement::Acknowledgement, agent::Event};

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
    checks: NetworkChecks,
    /// Questions that are being answered.
    answering: JoinSet<()>,
    networks: Arc<Networks>,
    payloads: Arc<Payloads>,
    acknowledgement: Acknowledgement,
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
            checks: sessions.checks.clone(),
            answering: JoinSet::new(),
            networks: sessions.networks.clone(),
            payloads: sessions.payloads.clone(),
            acknowledgement: Acknowledgement::default(),
        }
    }

    /// Talks until one side ends it. Logs that are being sent end with it.
    pub(super) async fn run(&mut self, stop: &CancellationToken) -> Result<End, SessionError> {
        let mut heartbeat = interval(self.heartbeat_period);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut carried_out = self.networks.carried_out();
        loop {
            self.acknowledgement.reached(&carried_out.borrow_and_update());
            tokio::select! {
                // Cancel-safe: a message is taken from the stream only when this arm completes.
                received = self.inbound.message() => match received.map_err(SessionError::Broken)? {
                    Some(message) => self.take(message).await?,
                    None => return Ok(End::Over),
                },
                // A lost tick is made up for by the next one.
                _ = heartbeat.tick() => self.send(agent_message::Kind::Heartbeat(Heartbeat {})),
                // Fails only when the sender is gone, which `self` holds.
                _ = carried_out.changed() => {}
                // Cancel-safe: the word is taken only when there is a place for it.
                () = send_word(&mut self.acknowledgement, &self.outbound) => {}
                () = self.end.cancelled() => return Ok(End::Over),
                () = stop.cancelled() => return Ok(self.say_goodbye().await),
            }
        }
    }

    async fn take(&mut self, message: ManagerMessage) -> Result<(), SessionError> {
        use manager_message::Kind;
        let event = match message.kind {
            Some(Kind::Assignments(told)) => {
                let (networks, payloads, tasks) =
                    convert::assignments(told).map_err(SessionError::Malformed)?;
                // The agent judges the same, and asks for a new session if something is missing.
                if self.acknowledgement.is_next(tasks.full, tasks.sequence) {
                    let edition = self.networks.take(networks).map_err(SessionError::Missed)?;
                    self.acknowledgement.told(tasks.sequence, edition);
                    self.payloads.take(payloads);
                }
                Event::Assigned(tasks)
            }
            Some(Kind::Ack(ack)) => Event::Acked { sequence: ack.sequence },
            Some(Kind::Logs(demand)) => {
                self.demands.take(demand);
                return Ok(());
            }
            Some(Kind::NetworkQuestion(question)) => {
                self.answer(question);
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

    /// Looks at networks beside the session, which goes on meanwhile.
    fn answer(&mut self, question: NetworkQuestion) {
        while self.answering.try_join_next().is_some() {}
        let (checks, outbound) = (self.checks.clone(), self.outbound.clone());
        self.answering.spawn(async move {
            let findings = agent_message::Kind::NetworkFindings(checks.answer(question).await);
            // Fails only if the session is over, and the question with it.
            let _ = outbound.send(message(findings)).await;
        });
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

/// Says how far the node is with networks once there is something to say and a place for it in the queue. What comes
/// while there is none is in the word that is sent then.
async fn send_word(acknowledgement: &mut Acknowledgement, outbound: &mpsc::Sender<AgentMessage>) {
    if !acknowledgement.has_word() {
        return pending().await;
    }
    // Fails only when the session is over, which the stream from the managers tells as well.
    let Ok(place) = outbound.reserve().await else { return pending().await };
    if let Some(word) = acknowledgement.say() {
        place.send(message(agent_message::Kind::CarriedOut((&word).into())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use proto::wire;
    use worker_core::acknowledgement::Progress;

    #[test]
    fn a_word_that_finds_the_queue_full_is_sent_later_with_what_came_meanwhile() {
        let (outbound, mut sent) = mpsc::channel(1);
        let mut acknowledgement = Acknowledgement::default();
        assert_eq!(send_word(&mut acknowledgement, &outbound).now_or_never(), None, "there is none yet");
        outbound.try_send(message(agent_message::Kind::Heartbeat(Heartbeat {}))).unwrap();
        for edition in 1..=3 {
            acknowledgement.told(edition, edition);
            acknowledgement.reached(&Progress { edition, ..Progress::default() });
            assert_eq!(send_word(&mut acknowledgement, &outbound).now_or_never(), None);
        }
        assert_eq!(sent.try_recv().unwrap(), message(agent_message::Kind::Heartbeat(Heartbeat {})));
        assert_eq!(send_word(&mut acknowledgement, &outbound).now_or_never(), Some(()));
        let word = wire::CarriedOut { sequence: 3, ..Default::default() };
        assert_eq!(sent.try_recv().unwrap(), message(agent_message::Kind::CarriedOut(word)));
        assert_eq!(send_word(&mut acknowledgement, &outbound).now_or_never(), None);
    }
}
