//! One agent's session: assignments go out, reports come in.

use super::{
    hub::{Outbound, Seat},
    service::DispatcherService,
};
use manager_core::{
    assignments::Told,
    state::{Change, State, Transaction},
    under_way::UnderWay,
};
use proto::{
    model::{CarriedOut, DesiredState, NodeId, Role, TaskId, TaskStatus, Timestamp},
    wire::{
        self, AgentMessage, ManagerMessage, ManagerPeer, Registered, StatusAck, StatusReport, agent_message,
        manager_message::Kind,
    },
};
use std::{convert::Infallible, sync::Arc, time::Duration};
use tokio::time::sleep;
use tonic::{Status, Streaming};
use tracing::{debug, info, warn};

/// A session that is open.
pub(super) struct Session {
    pub service: DispatcherService,
    pub node: NodeId,
    pub number: u64,
    /// The leadership it belongs to; it ends with it.
    pub term: u64,
    /// How often the agent is told to be heard.
    pub period: Duration,
    pub seat: Seat,
    pub messages: Outbound,
}

/// Why a session ended.
#[derive(Debug, thiserror::Error)]
enum End {
    #[error("the agent hung up")]
    HungUp,
    #[error("the agent said goodbye: its daemon restarts")]
    Goodbye,
    #[error("the connection was lost: {}", .0.message())]
    Lost(#[from] Status),
    #[error("the agent opened another session, or this manager ends them all")]
    Dismissed,
    #[error("the node was removed")]
    Removed,
    #[error("another manager leads")]
    NotLeader,
    #[error("the heartbeat period has changed, and agents are told it when they register")]
    NewPeriod,
    #[error("the report could not be written: {0}")]
    Report(crate::store::ProposeError),
}

/// What the agent was told so far.
#[derive(Default)]
struct Sent {
    tasks: Told,
    under_way: UnderWay,
    managers: Option<(Vec<ManagerPeer>, Role)>,
}

impl Session {
    pub async fn run(self, inbound: Streaming<AgentMessage>) {
        info!("session opened");
        let end = tokio::select! {
            Err(end) = self.converse(inbound) => end,
            // Whatever these two cut short, the agent repeats in its next session.
            () = self.seat.dismissed.cancelled() => End::Dismissed,
            () = self.service.leadership.my_term_changed(Some(self.term)) => End::NotLeader,
        };
        self.service.hub.close(self.node, self.number, self.service.clock.now());
        self.service.logs.forget_session(self.node, self.number);
        self.service.questions.forget_session(self.node, self.number);
        info!(reason = %end, "session closed");
    }

    async fn converse(&self, mut inbound: Streaming<AgentMessage>) -> Result<Infallible, End> {
        let heartbeat_period_ms = u64::try_from(self.period.as_millis()).unwrap_or(u64::MAX);
        self.say(Kind::Registered(Registered { heartbeat_period_ms })).await?;
        let mut sent = Sent::default();
        loop {
            let again = self.tell(&mut sent).await?;
            tokio::select! {
                // Cancel safe: a permit that was not taken stays for the next time.
                () = self.seat.wake.notified() => {}
                // Cancel safe: tonic keeps a half-read message in the stream.
                message = inbound.message() => self.hear(message, &mut sent).await?,
                () = self.wait_until(again) => {}
            }
        }
    }

    async fn wait_until(&self, when: Option<Timestamp>) {
        match when {
            Some(when) => sleep(when.since(self.service.clock.now())).await,
            None => std::future::pending().await,
        }
    }

    /// Tells the agent what it does not know yet; says when there may be more.
    async fn tell(&self, sent: &mut Sent) -> Result<Option<Timestamp>, End> {
        loop {
            let again = self.tell_once(sent).await?;
            if !sent.tasks.has_more() {
                return Ok(again);
            }
        }
    }

    /// Tells the agent as much as fits into a message.
    async fn tell_once(&self, sent: &mut Sent) -> Result<Option<Timestamp>, End> {
        let state = self.service.store.snapshot();
        let Some(node) = state.node(self.node) else { return Err(End::Removed) };
        if state.cluster().is_some_and(|cluster| cluster.spec.heartbeat_period != self.period) {
            return Err(End::NewPeriod);
        }
        let managers = (managers_of(&state), node.spec.role);
        if sent.managers.as_ref() != Some(&managers) {
            let role = wire::Role::from(managers.1).into();
            self.say(Kind::Managers(wire::ManagerList { managers: managers.0.clone(), role })).await?;
            sent.managers = Some(managers);
        }
        let now = self.service.clock.now();
        let tables = self.service.hub.tables(&state, now);
        let (held, again) = self.service.hub.held(self.node, now);
        let told = sent.tasks.tell(&state, &tables, self.node, |task| held.contains(&task));
        let reached = match &told {
            Some(told) => {
                sent.under_way.told(told.sequence, state.version());
                None
            }
            None => sent.under_way.nothing_to_tell(state.version()),
        };
        if let Some(reached) = reached {
            self.service.hub.carried_out(self.node, &reached);
        }
        if let Some(assignments) = told {
            debug!(
                put = assignments.put.len(),
                remove = assignments.remove.len(),
                networks = assignments.networks.len(),
                payloads = assignments.payloads.len(),
                full = assignments.full,
                "assignments"
            );
            for task in assignments.put.iter().filter(|task| task.desired > DesiredState::Running) {
                let silent = self.service.hub.silent(task.id);
                if !silent.is_empty() {
                    warn!(task = %task.id, ?silent, "nodes have not let go of a task that is stopped now");
                }
            }
            let message = wire::Assignments {
                full: assignments.full,
                sequence: assignments.sequence,
                put: assignments.put.iter().map(|task| wire::Task::from(&**task)).collect(),
                remove: assignments.remove.iter().map(ToString::to_string).collect(),
                networks: assignments.networks.iter().map(wire::NetworkUpdate::from).collect(),
                remove_networks: assignments.remove_networks.iter().map(ToString::to_string).collect(),
                payloads: assignments.payloads.iter().map(wire::PayloadDelivery::from).collect(),
                remove_payloads: assignments.remove_payloads.iter().map(|&key| key.into()).collect(),
            };
            self.say(Kind::Assignments(message)).await?;
        }
        Ok(again)
    }

    async fn hear(&self, message: Result<Option<AgentMessage>, Status>, sent: &mut Sent) -> Result<(), End> {
        let message = message?.ok_or(End::HungUp)?;
        self.service.hub.heard(self.node, self.service.clock.now(), self.period);
        match message.kind {
            Some(agent_message::Kind::Report(report)) => self.take_report(report).await,
            Some(agent_message::Kind::NetworkFindings(findings)) => {
                self.service.questions.answered(self.node, findings);
                Ok(())
            }
            Some(agent_message::Kind::Goodbye(_)) => {
                self.service.hub.goodbye(self.node);
                Err(End::Goodbye)
            }
            Some(agent_message::Kind::CarriedOut(said)) => {
                self.take_carried_out(said, sent);
                Ok(())
            }
            // A heartbeat has said all by arriving; a second registration changes nothing.
            Some(agent_message::Kind::Heartbeat(_) | agent_message::Kind::Register(_)) | None => Ok(()),
        }
    }

    fn take_carried_out(&self, said: wire::CarriedOut, sent: &mut Sent) {
        match CarriedOut::try_from(said) {
            Ok(said) => {
                for reached in sent.under_way.carried_out(said) {
                    self.service.hub.carried_out(self.node, &reached);
                }
            }
            // Stops that concern its networks take their time then.
            Err(error) => warn!(%error, "malformed word of networks ignored"),
        }
    }

    /// Writes a report down and acknowledges it.
    async fn take_report(&self, report: StatusReport) -> Result<(), End> {
        let state = self.service.store.snapshot();
        let changes =
            report.tasks.into_iter().filter_map(|task| self.change_of(&state, task)).collect::<Vec<_>>();
        if !changes.is_empty() {
            self.service.store.propose(Transaction::of(changes)).await.map_err(End::Report)?;
        }
        self.say(Kind::Ack(StatusAck { sequence: report.sequence })).await
    }

    /// The change a report makes; none if it is about a task that is not this node's.
    fn change_of(&self, state: &State, report: wire::TaskReport) -> Option<Change> {
        let id: TaskId = report.task_id.parse().ok()?;
        if state.task(id)?.node != Some(self.node) {
            warn!(task = %id, "report about another node's task ignored");
            return None;
        }
        match TaskStatus::try_from(report.status?) {
            Ok(status) => Some(Change::ReportStatus { task: id, status }),
            Err(error) => {
                warn!(task = %id, %error, "malformed report ignored");
                None
            }
        }
    }

    async fn say(&self, kind: Kind) -> Result<(), End> {
        self.messages.send(Ok(ManagerMessage { kind: Some(kind) })).await.map_err(|_| End::HungUp)
    }
}

fn managers_of(state: &State) -> Vec<ManagerPeer> {
    let peer = |node: &Arc<proto::model::Node>| {
        Some(ManagerPeer { node_id: node.id.to_string(), addr: node.manager.as_ref()?.addr.clone() })
    };
    state.nodes().filter_map(peer).collect()
}
