//! Who takes part in the consensus group: taking managers in, and letting them go.

mod rpc;

use crate::{
    clock::Clock,
    dispatcher::Hub,
    leadership::Leadership,
    members::{Members, NewcomerError, check_newcomer, leavers},
    raft::{Member, Raft, RaftId},
    store::{ProposeError, Store},
};
use manager_core::state::{Change, Expect, ObjectId, Refusal, Transaction};
use openraft::{
    ChangeMembers, RaftMetrics,
    error::{ChangeMembershipError, ClientWriteError, RaftError},
    metrics::WaitError,
};
use proto::{
    model::{ManagerStatus, Node, NodeId},
    wire::membership_server,
};
use std::{
    collections::BTreeSet,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};
use tracing::info;

/// How long one change of the group may take. Without a majority it would take for ever.
const CHANGE_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a newcomer may take to catch up with the state.
const CATCH_UP_TIME_MAX: Duration = Duration::from_secs(60);
/// A newcomer that does not answer the leader for so long can't be reached at its address.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(8);
/// How often that is looked at.
const LOOK_PERIOD: Duration = Duration::from_millis(500);

/// Changes the group, one member at a time. Clones share the turn.
#[derive(Clone)]
pub struct Membership {
    raft: Raft,
    store: Store,
    leadership: Leadership,
    hub: Hub,
    clock: Clock,
    /// openraft refuses a second change while one is under way; callers wait for their turn instead.
    turn: Arc<Mutex<()>>,
}

/// Says why the group could not be changed.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// The newcomer may not enter.
    #[error(transparent)]
    Newcomer(#[from] NewcomerError),
    /// The leader can't call the newcomer.
    #[error(
        "the leader can't reach this manager at {addr}: make sure that the address is right (--advertise-addr) and that \
         no firewall closes this port"
    )]
    Unreachable {
        /// Where the newcomer says it is.
        addr: String,
    },
    /// The newcomer is too slow.
    #[error("this manager has not caught up with the state within {CATCH_UP_TIME_MAX:?}; try again")]
    Slow,
    /// Other changes take too long, or an earlier one is not confirmed yet.
    #[error("another change of the managers' group is under way; try again")]
    Busy,
    /// It may or may not be made later.
    #[error(
        "the change of the managers' group was not confirmed by a majority of them within {CHANGE_TIME_MAX:?}; it may \
         still be made. Make sure that more than half of the managers are running and reach each other"
    )]
    Unconfirmed,
    /// openraft refused or failed.
    #[error("failed to change the managers' group: {0}")]
    Group(String),
    /// Another manager leads.
    #[error("this manager does not lead the cluster any more")]
    NotLeader,
    /// The group changed, and the state could not be told.
    #[error("failed to record the change of the managers' group")]
    Record(#[source] ProposeError),
}

impl Membership {
    /// Changes to this group.
    pub fn new(raft: Raft, store: Store, leadership: Leadership, hub: Hub, clock: Clock) -> Self {
        Self { raft, store, leadership, hub, clock, turn: Arc::default() }
    }

    /// The service for a listener.
    pub fn server(&self) -> membership_server::MembershipServer<Self> {
        membership_server::MembershipServer::new(self.clone())
    }

    /// Takes a manager into the group: it first catches up, and only then counts for majorities.
    pub async fn take_in(&self, node: NodeId, id: RaftId, addr: String) -> Result<(), MembershipError> {
        let member = Member { node, addr: addr.clone() };
        {
            let _turn = self.turn().await?;
            self.check(node, id)?;
            // From here on this is its number, and none that `leavers` would have to compare it with.
            self.record(node, |node| {
                node.manager = node.manager.take().filter(|manager| manager.raft_id == id)
            })
            .await?;
            self.change(self.raft.add_learner(id, member, false)).await?;
        }
        // Without the turn: one that can't be reached must not keep others from coming and going.
        self.wait_until_caught_up(id, &addr).await?;
        let _turn = self.turn().await?;
        self.check(node, id)?;
        self.change(self.raft.change_membership(ChangeMembers::AddVoterIds(BTreeSet::from([id])), false))
            .await?;
        self.record(node, |node| node.manager = Some(ManagerStatus { raft_id: id, addr: addr.clone() }))
            .await?;
        info!(%node, raft_id = id, addr, "manager taken into the group");
        Ok(())
    }

    fn check(&self, node: NodeId, id: RaftId) -> Result<(), MembershipError> {
        let state = self.store.snapshot();
        let known = state.node(node).ok_or(NewcomerError::Demoted)?;
        Ok(check_newcomer(&state, &self.members(), known, id)?)
    }

    async fn wait_until_caught_up(&self, id: RaftId, addr: &str) -> Result<(), MembershipError> {
        let target = self.raft.metrics().borrow().last_log_index;
        let begun = Instant::now();
        let mut heard = begun;
        loop {
            // A manager that leads no more replicates nothing.
            let caught_up = |metrics: &RaftMetrics<RaftId, Member>| match &metrics.replication {
                None => true,
                Some(replication) => {
                    replication.get(&id).is_some_and(|matched| matched.map(|matched| matched.index) >= target)
                }
            };
            match self.raft.wait(Some(LOOK_PERIOD)).metrics(caught_up, "a newcomer catches up").await {
                Ok(metrics) if metrics.replication.is_none() => return Err(MembershipError::NotLeader),
                Ok(_) => return Ok(()),
                Err(WaitError::ShuttingDown) => return Err(MembershipError::NotLeader),
                Err(WaitError::Timeout(..)) => {}
            }
            if self.leadership.is_reachable(id) {
                heard = Instant::now();
            }
            if heard.elapsed() >= SILENCE_TIME_MAX {
                return Err(MembershipError::Unreachable { addr: addr.to_owned() });
            }
            if begun.elapsed() >= CATCH_UP_TIME_MAX {
                return Err(MembershipError::Slow);
            }
        }
    }

    /// Takes every member out of the group that is to be none any more. Called whenever the state changes.
    pub async fn let_demoted_go(&self) -> Result<(), MembershipError> {
        let me = self.raft.metrics().borrow().id;
        // Looked at without the turn first, as there is hardly ever anything to do.
        if leavers(&self.store.snapshot(), &self.members(), me).is_empty() {
            return Ok(());
        }
        let _turn = self.turn().await?;
        for (id, node) in leavers(&self.store.snapshot(), &self.members(), me) {
            self.remove_from_group(id).await?;
            // A leader that has removed itself leaves this to the next one.
            self.record(node, |node| {
                node.manager = node.manager.take().filter(|manager| manager.raft_id != id)
            })
            .await?;
            info!(%node, raft_id = id, "manager let go from the group");
        }
        Ok(())
    }

    /// Takes one manager out of the group.
    async fn remove_from_group(&self, id: RaftId) -> Result<(), MembershipError> {
        let (voter, learner) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow();
            let membership = metrics.membership_config.membership();
            (membership.voter_ids().any(|voter| voter == id), membership.get_node(&id).is_some())
        };
        let ids = BTreeSet::from([id]);
        let change = match (voter, learner) {
            (true, _) => ChangeMembers::RemoveVoters(ids),
            (false, true) => ChangeMembers::RemoveNodes(ids),
            (false, false) => return Ok(()),
        };
        self.change(self.raft.change_membership(change, false)).await
    }

    fn members(&self) -> Members {
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow();
        metrics.membership_config.membership().nodes().map(|(&id, member)| (id, member.node)).collect()
    }

    async fn turn(&self) -> Result<MutexGuard<'_, ()>, MembershipError> {
        timeout(CHANGE_TIME_MAX, self.turn.lock()).await.map_err(|_| MembershipError::Busy)
    }

    async fn change<T>(
        &self,
        change: impl Future<Output = Result<T, ChangeError>>,
    ) -> Result<(), MembershipError> {
        match timeout(CHANGE_TIME_MAX, change).await {
            Ok(changed) => changed.map(drop).map_err(group_error),
            Err(_) => Err(MembershipError::Unconfirmed),
        }
    }

    /// Changes a node object, again from its new version if it was changed meanwhile.
    async fn record(&self, id: NodeId, change: impl Fn(&mut Node)) -> Result<(), MembershipError> {
        loop {
            let state = self.store.snapshot();
            let Some(node) = state.node(id) else { return Ok(()) };
            let mut changed = Node::clone(node);
            change(&mut changed);
            if changed == **node {
                return Ok(());
            }
            changed.updated_at = self.clock.now();
            let transaction = Transaction {
                expect: vec![Expect { object: ObjectId::Node(id), version: node.version }],
                changes: vec![Change::PutNode(Box::new(changed))],
            };
            match self.store.propose(transaction).await {
                Ok(_) => return Ok(()),
                Err(ProposeError::Refused(Refusal::Stale { .. })) => {}
                Err(error) => return Err(MembershipError::Record(error)),
            }
        }
    }
}

type ChangeError = RaftError<RaftId, ClientWriteError<RaftId, Member>>;

fn group_error(error: ChangeError) -> MembershipError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => MembershipError::NotLeader,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(
            _,
        ))) => MembershipError::Busy,
        other => MembershipError::Group(other.to_string()),
    }
}
