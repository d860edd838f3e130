//! The cluster's settings and its join tokens.

use super::ControlService;
use crate::{
    clock::new_secret,
    status::{of_problems, of_propose},
};
use manager_core::state::{Change, Expect, ObjectId, State, Transaction};
use pki::JoinToken;
use proto::{
    model::{Cluster, ClusterSpec},
    wire::{
        self, GetClusterRequest, GetJoinTokensRequest, JoinTokensResponse, RotateJoinTokenRequest,
        UpdateClusterRequest,
    },
};
use std::sync::Arc;
use tonic::{Request, Status};
use tracing::info;

impl ControlService {
    pub(super) async fn get_cluster(&self, _: Request<GetClusterRequest>) -> Result<wire::Cluster, Status> {
        Ok(wire::Cluster::from(&*cluster_of(&self.state().await?)?))
    }

    pub(super) async fn update_cluster(
        &self,
        request: Request<UpdateClusterRequest>,
    ) -> Result<wire::Cluster, Status> {
        let UpdateClusterRequest { version, spec } = request.into_inner();
        let spec = spec.ok_or_else(|| Status::invalid_argument("the request has no settings"))?;
        let spec = ClusterSpec::try_from(spec).map_err(of_problems)?;
        let cluster = cluster_of(&self.state().await?)?;
        self.put_cluster(version, Cluster { spec, ..Cluster::clone(&cluster) }).await?;
        Ok(wire::Cluster::from(&*cluster_of(&self.store.snapshot())?))
    }

    pub(super) async fn get_join_tokens(
        &self,
        _: Request<GetJoinTokensRequest>,
    ) -> Result<JoinTokensResponse, Status> {
        self.tokens(&self.state().await?)
    }

    pub(super) async fn rotate_join_token(
        &self,
        request: Request<RotateJoinTokenRequest>,
    ) -> Result<JoinTokensResponse, Status> {
        let cluster = cluster_of(&self.state().await?)?;
        let mut changed = Cluster::clone(&cluster);
        match request.into_inner().role() {
            wire::Role::Worker => changed.join_tokens.worker = new_secret(),
            wire::Role::Manager => changed.join_tokens.manager = new_secret(),
            wire::Role::Unspecified => {
                return Err(Status::invalid_argument("which token to rotate: worker or manager"));
            }
        }
        self.put_cluster(cluster.version, changed).await?;
        info!("join token rotated");
        self.tokens(&self.store.snapshot())
    }

    async fn put_cluster(&self, version: u64, mut cluster: Cluster) -> Result<(), Status> {
        cluster.updated_at = self.clock.now();
        let transaction = Transaction {
            expect: vec![Expect { object: ObjectId::Cluster, version }],
            changes: vec![Change::PutCluster(Box::new(cluster))],
        };
        self.store.propose(transaction).await.map_err(of_propose)?;
        Ok(())
    }

    /// The tokens, and where to use them: the leader's address first, since it answers without a detour.
    fn tokens(&self, state: &State) -> Result<JoinTokensResponse, Status> {
        let cluster = cluster_of(state)?;
        let leader = self.leadership.leader_id();
        let mut managers: Vec<_> = state.nodes().filter_map(|node| node.manager.clone()).collect();
        managers.sort_by_key(|manager| Some(manager.raft_id) != leader);
        let token = |secret: &str| JoinToken::new(&cluster.root_ca.cert_pem, secret).to_string();
        Ok(JoinTokensResponse {
            worker: token(&cluster.join_tokens.worker),
            manager: token(&cluster.join_tokens.manager),
            manager_addrs: managers.into_iter().map(|manager| manager.addr).collect(),
        })
    }
}

fn cluster_of(state: &State) -> Result<Arc<Cluster>, Status> {
    state.cluster().cloned().ok_or_else(|| Status::unavailable("the cluster is being made; try again"))
}
