//! What nodes ask about the group: to be taken in, and to be let go from the cluster.

use super::{Membership, MembershipError};
use crate::status::{caller_node, of_membership, of_propose};
use manager_core::{
    membership::{check_demotion, departure, removal},
    state::State,
};
use proto::{
    model::{ManagerStatus, Node, NodeState, Role},
    wire::{JoinGroupRequest, JoinGroupResponse, LeaveRequest, LeaveResponse, membership_server},
};
use std::future::Future;
use tonic::{Request, Response, Status};
use tracing::info;

#[tonic::async_trait]
impl membership_server::Membership for Membership {
    async fn join_group(
        &self,
        request: Request<JoinGroupRequest>,
    ) -> Result<Response<JoinGroupResponse>, Status> {
        let node = caller_node(&request)?;
        let JoinGroupRequest { raft_id, addr } = request.into_inner();
        let state = self.store.current().await.map_err(of_propose)?;
        let known = state
            .node(node)
            .ok_or_else(|| Status::permission_denied("this node is not part of the cluster"))?;
        pki::transport::check_addr(&addr).map_err(|error| Status::invalid_argument(error.to_string()))?;
        if known.manager == Some(ManagerStatus { raft_id, addr: addr.clone() }) {
            return Ok(Response::new(JoinGroupResponse {}));
        }
        let this = self.clone();
        to_the_end(async move { this.take_in(node, raft_id, addr).await }).await?;
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
        let (this, known) = (self.clone(), known.clone());
        if let Err(error) = to_the_end(async move { this.let_leave(&known).await }).await {
            self.hub.stay(node);
            return Err(error);
        }
        info!(%node, "node left");
        Ok(Response::new(LeaveResponse {}))
    }
}

impl Membership {
    /// Lets a node go that leaves the cluster, which ends its tasks itself. It is down from now on.
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
        let state = self.store.snapshot();
        let tasks = departure(&state, node, now);
        self.store.propose_all(tasks).await.map_err(MembershipError::Record)?;
        self.let_demoted_go().await?;
        // One whose join failed half-way leaves no trace: it never registered, or its manager was never
        // taken in.
        let joining = node.status.state == NodeState::Unknown
            || (node.spec.role == Role::Manager && node.manager.is_none());
        if joining {
            let state = self.store.snapshot();
            let gone = state.node(node.id).map(|node| removal(&state, node, now)).unwrap_or_default();
            self.store.propose_all(gone).await.map_err(MembershipError::Record)?;
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
}

/// Makes a change whole even if whoever asked for it hangs up: half a change would be left to others.
async fn to_the_end(
    change: impl Future<Output = Result<(), MembershipError>> + Send + 'static,
) -> Result<(), Status> {
    let made = tokio::spawn(change).await.map_err(|_| Status::unavailable("this manager is stopping"))?;
    made.map_err(status)
}

fn status(error: MembershipError) -> Status {
    match error {
        MembershipError::NotLeader => Status::unavailable("the cluster's leader is changing; try again"),
        MembershipError::Busy | MembershipError::Slow => Status::unavailable(error.to_string()),
        MembershipError::Unconfirmed => Status::deadline_exceeded(error.to_string()),
        MembershipError::Record(error) => of_propose(error),
        MembershipError::Newcomer(_) | MembershipError::Unreachable { .. } | MembershipError::Group(_) => {
            Status::failed_precondition(error.to_string())
        }
    }
}
