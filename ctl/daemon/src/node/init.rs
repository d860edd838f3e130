//! Making a cluster of which this node is the first manager.

use super::{Node, NodeError, finish, listen};
use crate::{
    address::{self, Addresses},
    enrol::EnrolError,
    identity::Membership,
};
use manager::{Manager, new_join_tokens, raft::raft_id_of};
use pki::{Authority, Credentials, Issue, JoinToken, Material};
use proto::{
    convert::availability_or_active,
    model::{
        Availability, Cluster, ClusterSpec, JoinTokens, ManagerStatus, Node as NodeObject, NodeDescription,
        NodeSpec, NodeState, NodeStatus, Problems, Role, RootCa, cluster::FEATURE_LEVEL,
    },
    wire::InitRequest,
};
use std::time::{Duration, SystemTime};
use tracing::info;
use worker::{own_network, surrounded};

/// What init answers.
pub struct Initialized {
    /// The membership made.
    pub membership: Membership,
    /// The token for workers.
    pub worker_token: JoinToken,
    /// The token for managers.
    pub manager_token: JoinToken,
}

impl Node {
    /// Makes a new cluster with this node as its first manager.
    pub async fn init(&self, request: InitRequest) -> Result<Initialized, NodeError> {
        let _turn = self.turn.lock().await;
        self.check_outside()?;
        let mut problems = Problems::default();
        let spec = match request.spec.map(ClusterSpec::try_from) {
            Some(Ok(spec)) => spec,
            Some(Err(wrong)) => {
                problems = wrong;
                ClusterSpec::default()
            }
            None => ClusterSpec::default(),
        };
        let given = [&request.listen_addr, &request.advertise_addr, &request.data_path_addr];
        let addresses = address::read(given.map(String::as_str), None, &mut problems);
        let availability =
            problems.take("--availability", availability_or_active("availability", request.availability));
        let (addresses, availability) = finish(addresses.zip(availability), problems)?;
        let membership = new_membership(addresses);
        let listener = listen(&membership.listen_addr).await?;
        let root_ca = Authority::create(SystemTime::now())?;
        let material = first_certificate(&membership, &root_ca, spec.cert_expiry)?;
        let credentials = Credentials::new(material.clone())?;
        let (cluster, mut node) = first_objects(&membership, spec, root_ca, availability);
        node.description = Some(self.first_description(&membership));

        self.clear_manager_dir()?;
        let manager = self.start_manager(&membership, &credentials, listener).await?;
        let tokens = tokens_of(&cluster);
        if let Err(error) = self.found(&manager, &membership, &material, cluster, node).await {
            manager.stop().await;
            self.forget()?;
            return Err(error);
        }
        // Of no use without its agent, and so that init can be tried again.
        if let Err(error) = self.activate(membership.clone(), credentials, Some(manager)).await {
            self.forget()?;
            return Err(error);
        }
        info!(cluster = %membership.cluster, node = %membership.node, "cluster made");
        Ok(Initialized { membership, worker_token: tokens.0, manager_token: tokens.1 })
    }

    /// What networks that are made before the agent registers have to know of this node.
    fn first_description(&self, membership: &Membership) -> NodeDescription {
        let network = own_network(membership.node.to_string(), &self.config.run_dir);
        let description = NodeDescription {
            hostname: self.config.hostname.clone(),
            data_path_addr: membership.data_path_addr,
            ..NodeDescription::default()
        };
        surrounded(description, &network)
    }

    async fn found(
        &self,
        manager: &Manager,
        membership: &Membership,
        material: &Material,
        cluster: Cluster,
        node: NodeObject,
    ) -> Result<(), NodeError> {
        manager.bootstrap(cluster, node).await?;
        self.identity.save(membership, material)?;
        Ok(())
    }
}

/// The membership of a cluster's first node.
fn new_membership(addresses: Addresses) -> Membership {
    let advertise_addr = addresses.advertise.to_string();
    Membership {
        node: manager::clock::new_id(),
        cluster: manager::clock::new_id(),
        role: Role::Manager,
        incarnation: 0,
        managers: vec![advertise_addr.clone()],
        advertise_addr,
        listen_addr: addresses.listen.to_string(),
        data_path_addr: addresses.data_path,
    }
}

/// The certificate of a cluster's first node, signed by the root that was just made.
fn first_certificate(
    membership: &Membership,
    root_ca: &RootCa,
    life: Duration,
) -> Result<Material, NodeError> {
    let key = pki::request::new_key().map_err(EnrolError::Key)?;
    let issue = Issue {
        node: membership.node,
        role: Role::Manager,
        cluster: membership.cluster,
        life,
        now: SystemTime::now(),
    };
    let cert_pem = Authority::load(root_ca)?.sign(&key.csr_pem, issue)?;
    Ok(Material { cert_pem, key_pem: key.key_pem, root_pem: root_ca.cert_pem.clone() })
}

/// The objects a cluster begins with.
fn first_objects(
    membership: &Membership,
    spec: ClusterSpec,
    root_ca: RootCa,
    availability: Availability,
) -> (Cluster, NodeObject) {
    let now = manager::clock::Clock::start().now();
    let cluster = Cluster {
        id: membership.cluster,
        version: 0,
        created_at: now,
        updated_at: now,
        spec,
        root_ca,
        join_tokens: new_join_tokens(),
        feature_level: FEATURE_LEVEL,
        last_vni: 0,
    };
    let node = NodeObject {
        id: membership.node,
        version: 0,
        created_at: now,
        updated_at: now,
        spec: NodeSpec { labels: Default::default(), role: Role::Manager, availability },
        description: None,
        status: NodeStatus { state: NodeState::Unknown, message: String::new(), addr: None, since: now },
        manager: Some(ManagerStatus {
            raft_id: raft_id_of(membership.node, membership.incarnation),
            addr: membership.advertise_addr.clone(),
        }),
    };
    (cluster, node)
}

fn tokens_of(cluster: &Cluster) -> (JoinToken, JoinToken) {
    let JoinTokens { worker, manager } = &cluster.join_tokens;
    let token = |secret: &str| JoinToken::new(&cluster.root_ca.cert_pem, secret);
    (token(worker), token(manager))
}
