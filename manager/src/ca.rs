//! Letting nodes in, and renewing their certificates.

use crate::{
    access::Caller,
    clock::{Clock, new_id},
    status::{caller_node, caller_of, of_node, of_propose},
    store::Store,
};
use manager_core::{
    requests::node,
    state::{Change, Transaction},
};
use pki::{Authority, Issue, JoinToken, token::same_secret};
use proto::{
    convert::availability_or_active,
    model::{Cluster, Node, NodeDescription, NodeId, NodeSpec, NodeState, NodeStatus, Role},
    wire::{
        CertificateResponse, GetRootRequest, GetRootResponse, JoinRequest, JoinResponse, RenewRequest,
        ca_server,
    },
};
use std::{net::IpAddr, sync::Arc, time::SystemTime};
use tonic::{Request, Response, Status};
use tracing::info;

/// The longest host name, as in DNS.
const HOSTNAME_BYTES_MAX: usize = 255;

/// Answers nodes that want a certificate.
pub struct CaService {
    store: Store,
    clock: Clock,
}

impl CaService {
    /// The service for a listener.
    pub fn server(store: Store, clock: Clock) -> ca_server::CaServer<Self> {
        ca_server::CaServer::new(Self { store, clock })
    }

    fn cluster(&self) -> Result<Arc<Cluster>, Status> {
        let state = self.store.snapshot();
        state
            .cluster()
            .cloned()
            .ok_or_else(|| Status::unavailable("this manager does not know its cluster yet; try again"))
    }

    /// The node for a newcomer.
    fn newcomer(&self, request: &JoinRequest, role: Role, caller: &Caller) -> Result<Node, Status> {
        let availability = availability_or_active("availability", request.availability)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        if request.hostname.len() > HOSTNAME_BYTES_MAX {
            return Err(Status::invalid_argument(format!(
                "the host name is too long: at most {HOSTNAME_BYTES_MAX} bytes"
            )));
        }
        let now = self.clock.now();
        Ok(Node {
            id: new_id(),
            version: 0,
            created_at: now,
            updated_at: now,
            spec: NodeSpec { labels: Default::default(), role, availability },
            description: Some(NodeDescription {
                hostname: request.hostname.clone(),
                ..NodeDescription::default()
            }),
            status: NodeStatus {
                state: NodeState::Unknown,
                message: "has joined and not registered yet".to_owned(),
                addr: caller.addr,
                since: now,
            },
            manager: None,
        })
    }
}

#[tonic::async_trait]
impl ca_server::Ca for CaService {
    async fn get_root(&self, _: Request<GetRootRequest>) -> Result<Response<GetRootResponse>, Status> {
        Ok(Response::new(GetRootResponse { root_pem: self.cluster()?.root_ca.cert_pem.clone() }))
    }

    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let caller = caller_of(&request)?;
        let request = request.into_inner();
        let cluster = self.cluster()?;
        let role = role_of_token(&cluster, &request.token)?;
        let addrs =
            request.addresses.iter().filter_map(|addr| addr.parse::<IpAddr>().ok()).chain(caller.addr);
        node::check_addresses(&self.store.snapshot(), addrs).map_err(of_node)?;
        let node = self.newcomer(&request, role, &caller)?;
        let certificate_pem = sign(&cluster, &request.csr_pem, node.id, role)?;
        let id = node.id;
        self.store
            .propose(Transaction::of(vec![Change::PutNode(Box::new(node))]))
            .await
            .map_err(of_propose)?;
        info!(node = %id, %role, hostname = request.hostname, "node joined");
        Ok(Response::new(JoinResponse {
            node_id: id.to_string(),
            cluster_id: cluster.id.to_string(),
            role: proto::wire::Role::from(role).into(),
            certificate_pem,
        }))
    }

    async fn renew(&self, request: Request<RenewRequest>) -> Result<Response<CertificateResponse>, Status> {
        let id = caller_node(&request)?;
        let request = request.into_inner();
        let cluster = self.cluster()?;
        let state = self.store.current().await.map_err(of_propose)?;
        let node = state
            .node(id)
            .ok_or_else(|| Status::permission_denied("this node was removed from the cluster"))?;
        // What people decided counts, not what the old certificate says.
        let role = node.spec.role;
        let certificate_pem = sign(&cluster, &request.csr_pem, id, role)?;
        info!(node = %id, %role, "certificate renewed");
        Ok(Response::new(CertificateResponse { role: proto::wire::Role::from(role).into(), certificate_pem }))
    }
}

/// The role a token lets a node in as.
fn role_of_token(cluster: &Cluster, text: &str) -> Result<Role, Status> {
    let token: JoinToken =
        text.parse().map_err(|error: pki::token::TokenError| Status::invalid_argument(error.to_string()))?;
    if !token.is_for_root(&cluster.root_ca.cert_pem) {
        return Err(Status::permission_denied(
            "the join token belongs to another cluster: run `shoal swarm join-token` on a manager of this one",
        ));
    }
    // Both are compared in any case, so that the time taken tells nothing.
    let worker = same_secret(token.secret(), &cluster.join_tokens.worker);
    let manager = same_secret(token.secret(), &cluster.join_tokens.manager);
    match (worker, manager) {
        (true, _) => Ok(Role::Worker),
        (_, true) => Ok(Role::Manager),
        (false, false) => Err(Status::permission_denied(
            "the join token is not valid (any more); it may have been rotated: run `shoal swarm join-token` on a manager",
        )),
    }
}

fn sign(cluster: &Cluster, csr_pem: &str, node: NodeId, role: Role) -> Result<String, Status> {
    let authority = Authority::load(&cluster.root_ca).map_err(|error| Status::internal(error.to_string()))?;
    let issue =
        Issue { node, role, cluster: cluster.id, life: cluster.spec.cert_expiry, now: SystemTime::now() };
    authority.sign(csr_pem, issue).map_err(|error| Status::invalid_argument(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing;
    use proto::model::{JoinTokens, RootCa};

    const WORKER: &str = "wwwwwwwwwwwwwwwwwwwwwwwww";
    const MANAGER: &str = "mmmmmmmmmmmmmmmmmmmmmmmmm";

    fn cluster() -> Cluster {
        Cluster {
            root_ca: RootCa { cert_pem: "root".into(), key_pem: String::new() },
            join_tokens: JoinTokens { worker: WORKER.into(), manager: MANAGER.into() },
            ..testing::cluster()
        }
    }

    fn role(root: &str, secret: &str) -> Result<Role, tonic::Code> {
        role_of_token(&cluster(), &JoinToken::new(root, secret).to_string()).map_err(|status| status.code())
    }

    #[test]
    fn each_token_lets_in_as_what_it_is_for() {
        assert_eq!(role("root", WORKER), Ok(Role::Worker));
        assert_eq!(role("root", MANAGER), Ok(Role::Manager));
    }

    #[test]
    fn a_rotated_token_and_one_of_another_cluster_let_nobody_in() {
        assert_eq!(role("root", "ooooooooooooooooooooooooo"), Err(tonic::Code::PermissionDenied));
        assert_eq!(role("other root", WORKER), Err(tonic::Code::PermissionDenied));
        let nonsense = role_of_token(&cluster(), "nonsense").unwrap_err();
        assert_eq!(nonsense.code(), tonic::Code::InvalidArgument);
    }
}
