//! Nodes: looking at them, changing what people decided about them, removing them.

use super::ControlService;
use crate::status::{of_find, of_node, of_problems, of_propose};
use manager_core::requests::{find, node};
use proto::{
    model::{Node, NodeSpec},
    wire::{
        self, GetNodeRequest, ListNodesRequest, ListNodesResponse, RemoveNodeRequest, RemoveNodeResponse,
        UpdateNodeRequest,
    },
};
use tonic::{Request, Status};
use tracing::info;

impl ControlService {
    pub(super) async fn list_nodes(&self, _: Request<ListNodesRequest>) -> Result<ListNodesResponse, Status> {
        let state = self.state().await?;
        Ok(ListNodesResponse { nodes: state.nodes().map(|node| self.node_view(node)).collect() })
    }

    pub(super) async fn get_node(&self, request: Request<GetNodeRequest>) -> Result<wire::Node, Status> {
        let state = self.state().await?;
        let node = find::node(&state, &request.into_inner().node).map_err(of_find)?;
        Ok(self.node_view(node))
    }

    pub(super) async fn update_node(
        &self,
        request: Request<UpdateNodeRequest>,
    ) -> Result<wire::Node, Status> {
        let UpdateNodeRequest { node: name, version, spec } = request.into_inner();
        let spec = spec.ok_or_else(|| Status::invalid_argument("the request has no node spec"))?;
        let spec = NodeSpec::try_from(spec).map_err(of_problems)?;
        let state = self.state().await?;
        let found = find::node(&state, &name).map_err(of_find)?;
        let reachable = self.leadership.reachable(&state);
        let transaction =
            node::update(&state, found, version, spec, &reachable, self.clock.now()).map_err(of_node)?;
        self.store.propose(transaction).await.map_err(of_propose)?;
        info!(node = %found.id, "node updated");
        let state = self.store.snapshot();
        let changed =
            state.node(found.id).ok_or_else(|| Status::not_found("the node was removed meanwhile"))?;
        Ok(self.node_view(changed))
    }

    pub(super) async fn remove_node(
        &self,
        request: Request<RemoveNodeRequest>,
    ) -> Result<RemoveNodeResponse, Status> {
        let RemoveNodeRequest { node: name, force } = request.into_inner();
        let state = self.state().await?;
        let found = find::node(&state, &name).map_err(of_find)?;
        let transactions = node::remove(&state, found, force, self.clock.now()).map_err(of_node)?;
        self.store.propose_all(transactions).await.map_err(of_propose)?;
        info!(node = %found.id, force, "node removed");
        Ok(RemoveNodeResponse {})
    }

    /// A node as people see it: with who leads and who is reachable, which is not in the state.
    fn node_view(&self, node: &Node) -> wire::Node {
        let mut view = wire::Node::from(node);
        if let Some(manager) = &mut view.manager {
            manager.leader = self.leadership.leader_id() == Some(manager.raft_id);
            manager.reachable = self.leadership.is_reachable(manager.raft_id);
        }
        view
    }
}
