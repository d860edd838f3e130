//! Who takes part in the consensus group: taking managers in, and letting them go.

use crate::{
    clock::Clock,
    dispatcher::Hub,
    leadership::Leadership,
    raft::{Member, Raft, RaftId},
    status::{caller_node, of_membership, of_propose},
    store::{ProposeError, Store},
};
use manager_core::{
    membership::{check_demotion, removal},
    state::{Change, Expect, ObjectId, State, Transaction},
};
use openraft::{
    ChangeMembers,
    error::{ChangeMembershipError, ClientWriteError, RaftError},
};
use proto::{
    model::{ManagerStatus, Node, NodeId, NodeState, Role},
    wire::{JoinGroupRequest, JoinGroupResponse, LeaveRequest, LeaveResponse, membership_server},
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status};
use tracing::info;

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
        let _turn = self.turn.lock().await;
        let member = Member { node, addr: addr.clone() };
        self.raft.add_learner(id, member, true).await.map_err(group_error)?;
        let change = ChangeMembers::AddVoterIds(BTreeSet::from([id]));
        self.raft.change_membership(change, false).await.map_err(group_error)?;
        self.record(node, |node| node.manager = Some(ManagerStatus { raft_id: id, addr: addr.clone() })).await?;
        info!(%node, raft_id = id, addr, "manager taken into the group");
        Ok(())
    }

    /// Takes every manager out of the group that people have demoted. Called whenever the state
    /// changes; the leader itself goes last, so that there is someone to finish the others.
    pub async fn let_demoted_go(&self) -> Result<(), MembershipError> {
        let _turn = self.turn.lock().await;
        let me = self.raft.metrics().borrow().id;
        let mut demoted: Vec<(NodeId, RaftId)> = self
            .store
            .snapshot()
            .nodes()
            .filter(|node| node.spec.role == Role::Worker)
            .filter_map(|node| Some((node.id, node.manager.as_ref()?.raft_id)))
            .collect();
        demoted.sort_by_key(|&(_, id)| id == me);
        for (node, id) in demoted {
            self.remove_from_group(id).await?;
            // A leader that has removed itself leaves this to the next one.
            self.record(node, |node| node.manager = None).await?;
            info!(%node, raft_id = id, "manager let go from the group");
        }
        Ok(())
    }

    /// Lets a node go that leaves the cluster. It is down from now on, though its agent may still report
    /// how its tasks end.
    async fn let_leave(&self, node: &Node) -> Result<(), MembershipError> {
        let now = self.clock.now();
        // Before the group is changed, since a leader that took itself out can't write any more.
        self.record(node.id, |node| {
            node.spec.role = Role::Worker;
            node.status.state = NodeState::Down;
            node.status.message = "left the cluster".to_owned();
            node.status.since = now;
        })
        .await?;
        if node.manager.is_some() {
            self.let_demoted_go().await?;
        }
        // One whose join failed half-way leaves no trace.
        if node.status.state == NodeState::Unknown {
            let state = self.store.snapshot();
            let gone = state.node(node.id).map(|node| removal(&state, node, now)).unwrap_or_default();
            self.store.propose_all(gone).await.map_err(MembershipError::Record)?;
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
        if voter {
            self.raft.change_membership(ChangeMembers::RemoveVoters(ids), false).await.map_err(group_error)?;
        } else if learner {
            self.raft.change_membership(ChangeMembers::RemoveNodes(ids), false).await.map_err(group_error)?;
        }
        Ok(())
    }

    /// Whether a manager may leave the cluster.
    fn check_leave(&self, state: &State, node: &Node, force: bool) -> Result<(), Status> {
        match (check_demotion(state, node, &self.leadership.reachable(state)), force) {
            (Ok(()), true) => Ok(()),
            (Ok(()), false) => Err(Status::failed_precondition(
                "this node is a manager: demote it first (`shoal node demote`), or leave with --force, which takes it \
                 out of the managers' group at once",
            )),
            (Err(error), true) => Err(of_membership(error)),
            (Err(error), false) => Err(Status::failed_precondition(format!(
                "{error}; or leave with --force, after which nobody can change the cluster any more"
            ))),
        }
    }

    /// Changes a node object, again from its new version if it was changed meanwhile.
    async fn record(&self, id: NodeId, change: impl Fn(&mut Node)) -> Result<(), MembershipError> {
        loop {
            let state = self.store.snapshot();
            let Some(node) = state.node(id) else { return Ok(()) };
            let mut changed = Node::clone(node);
            change(&mut changed);
            changed.updated_at = self.clock.now();
            let transaction = Transaction {
                expect: vec![Expect { object: ObjectId::Node(id), version: node.version }],
                changes: vec![Change::PutNode(Box::new(changed))],
            };
            match self.store.propose(transaction).await {
                Ok(_) => return Ok(()),
                Err(ProposeError::Refused(_)) => continue,
                Err(error) => return Err(MembershipError::Record(error)),
            }
        }
    }
}

#[tonic::async_trait]
impl membership_server::Membership for Membership {
    async fn join_group(&self, request: Request<JoinGroupRequest>) -> Result<Response<JoinGroupResponse>, Status> {
        let node = caller_node(&request)?;
        let JoinGroupRequest { raft_id, addr } = request.into_inner();
        let state = self.store.current().await.map_err(of_propose)?;
        let known = state.node(node).ok_or_else(|| Status::permission_denied("this node is not part of the cluster"))?;
        if known.spec.role != Role::Manager {
            return Err(Status::failed_precondition("this node was demoted meanwhile"));
        }
        if known.manager == Some(ManagerStatus { raft_id, addr: addr.clone() }) {
            return Ok(Response::new(JoinGroupResponse {}));
        }
        self.take_in(node, raft_id, addr).await.map_err(status)?;
        Ok(Response::new(JoinGroupResponse {}))
    }

    async fn leave(&self, request: Request<LeaveRequest>) -> Result<Response<LeaveResponse>, Status> {
        let node = caller_node(&request)?;
        let force = request.into_inner().force;
        let state = self.store.current().await.map_err(of_propose)?;
        let Some(known) = state.node(node) else { return Ok(Response::new(LeaveResponse {})) };
        if known.manager.is_some() {
            self.check_leave(&state, known, force)?;
        }
        self.hub.leave(node);
        if let Err(error) = self.let_leave(known).await {
            self.hub.stay(node);
            return Err(status(error));
        }
        info!(%node, "node left");
        Ok(Response::new(LeaveResponse {}))
    }
}

fn group_error(error: RaftError<RaftId, ClientWriteError<RaftId, Member>>) -> MembershipError {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(_)) => MembershipError::NotLeader,
        RaftError::APIError(ClientWriteError::ChangeMembershipError(ChangeMembershipError::InProgress(_))) => {
            MembershipError::Group("another change is under way; try again".to_owned())
        }
        other => MembershipError::Group(other.to_string()),
    }
}

fn status(error: MembershipError) -> Status {
    match error {
        MembershipError::NotLeader => Status::unavailable("the cluster's leader is changing; try again"),
        MembershipError::Record(error) => of_propose(error),
        MembershipError::Group(_) => Status::failed_precondition(error.to_string()),
    }
}
