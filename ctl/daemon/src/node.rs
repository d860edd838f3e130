//! A node's life: outside of any cluster, made the first of one, joined to one, resumed, left.
//!
//! ```text
//!              init, join                    leave
//!   inactive ------------> active (worker) ---------> inactive
//!                            ^   |
//!                    demoted |   | promoted
//!                            |   v
//!                          active (manager)
//! ```

use crate::{
    address::{self, Addresses},
    agent::{Agent, AgentError},
    config::DaemonConfig,
    enrol::{self, Application, EnrolError},
    follow,
    identity::{IdentityError, IdentityStore, Membership},
    managers::Managers,
};
use manager::{Manager, ManagerConfig, StartError, new_join_tokens, raft::raft_id_of};
use pki::{Authority, Credentials, Issue, JoinToken, Material, authority::AuthorityError, material::MaterialError};
use proto::{
    model::{
        Availability, Cluster, ClusterSpec, JoinTokens, ManagerStatus, Node as NodeObject, NodeSpec,
        NodeState, NodeStatus, Problems, Role, cluster::FEATURE_LEVEL,
    },
    wire::{self, InitRequest, LeaveRequest, SwarmJoinRequest, membership_client::MembershipClient},
};
use std::{
    io,
    path::PathBuf,
    sync::{Arc, PoisonError},
    time::{Duration, SystemTime},
};
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle};
use tonic::{Code, Status};
use tracing::{info, warn};

/// How long a manager that leaves may take to be let go.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(10);

/// Says why a node could not be brought into or out of a cluster.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It is in one already.
    #[error("this node is already part of a cluster: run `shoal swarm leave` first")]
    Active,
    /// It is in none.
    #[error("this node is not part of a cluster: run `shoal swarm init` to make one, or `shoal swarm join` to join one")]
    Inactive,
    /// A manager that is needed.
    #[error("{0}")]
    Needed(String),
    /// Bad settings.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The port is taken.
    #[error("can't listen on {addr}: {reason}")]
    Listen {
        /// Where.
        addr: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The authority can't be made.
    #[error("failed to make the cluster's certificate authority")]
    Authority(#[from] AuthorityError),
    /// The node's certificate can't be used.
    #[error("the node's certificate can't be used")]
    Material(#[from] MaterialError),
    /// The node got no certificate.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The manager does not start.
    #[error(transparent)]
    Manager(#[from] StartError),
    /// The agent does not start.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The identity can't be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A folder can't be removed.
    #[error("failed to remove `{path}`")]
    Remove {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A node. Clones share it.
#[derive(Clone)]
pub struct Node {
    pub(crate) config: Arc<DaemonConfig>,
    identity: IdentityStore,
    active: Arc<Mutex<Option<Active>>>,
    /// Why it could not take up its membership, if it could not.
    trouble: Arc<std::sync::Mutex<Option<String>>>,
}

/// A node that is in a cluster.
struct Active {
    parts: Parts,
    manager: Option<Arc<Manager>>,
    /// Follows what the managers want this node to be, and renews its certificate.
    follower: AbortOnDrop,
}

/// What of an active node stays the same while its role changes.
#[derive(Clone)]
pub(crate) struct Parts {
    pub managers: Managers,
    pub credentials: Credentials,
    pub agent: Agent,
}

struct AbortOnDrop(JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a person sees of an active node.
pub struct Snapshot {
    /// Its membership.
    pub membership: Membership,
    /// Its manager, if it is one.
    pub manager: Option<Arc<Manager>>,
    /// Its agent.
    pub agent: Agent,
}

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
    /// A node with these settings; it is in no cluster before one of the other functions is called.
    pub fn new(config: DaemonConfig) -> Self {
        let identity = IdentityStore::new(config.identity_dir());
        Self { config: Arc::new(config), identity, active: Arc::default(), trouble: Arc::default() }
    }

    /// Takes up the membership that the data folder holds, if it holds one.
    pub async fn resume(&self) -> Result<(), NodeError> {
        let mut active = self.active.lock().await;
        let Some((membership, material)) = self.identity.load()? else { return Ok(()) };
        info!(node = %membership.node, role = %membership.role, "resuming");
        let credentials = Credentials::new(material)?;
        let manager = match membership.role {
            Role::Manager => {
                let listener = listen(&membership.listen_addr).await?;
                Some(self.start_manager(&membership, &credentials, listener).await?)
            }
            Role::Worker => None,
        };
        *active = Some(self.activate(membership, credentials, manager).await?);
        self.set_trouble(None);
        Ok(())
    }

    /// Notes why the membership could not be taken up.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    /// Why the membership could not be taken up.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes a new cluster with this node as its first manager.
    pub async fn init(&self, request: InitRequest) -> Result<Initialized, NodeError> {
        let mut active = self.active.lock().await;
        if active.is_some() {
            return Err(NodeError::Active);
        }
        let mut problems = Problems::default();
        let spec = match request.spec.clone().map(ClusterSpec::try_from) {
            Some(Ok(spec)) => spec,
            Some(Err(wrong)) => {
                problems = wrong;
                ClusterSpec::default()
            }
            None => ClusterSpec::default(),
        };
        let given = [&request.listen_addr, &request.advertise_addr, &request.data_path_addr];
        let addresses = address::read(given.map(String::as_str), &mut problems);
        let membership = new_membership(finish(addresses, problems)?);
        let listener = listen(&membership.listen_addr).await?;
        let root_ca = Authority::create(SystemTime::now())?;
        let material = first_certificate(&membership, &root_ca, spec.cert_expiry)?;
        let credentials = Credentials::new(material.clone())?;
        let (cluster, node) = first_objects(&membership, spec, root_ca, request.availability());

        self.clear_manager_dir()?;
        let manager = self.start_manager(&membership, &credentials, listener).await?;
        let tokens = tokens_of(&cluster);
        if let Err(error) = self.found(&manager, &membership, &material, cluster, node).await {
            stop_manager(manager).await;
            self.identity.remove()?;
            self.clear_manager_dir()?;
            return Err(error);
        }
        *active = Some(self.activate(membership.clone(), credentials, Some(manager)).await?);
        info!(cluster = %membership.cluster, node = %membership.node, "cluster made");
        Ok(Initialized { membership, worker_token: tokens.0, manager_token: tokens.1 })
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

    /// Joins this node to a cluster, as what the token says.
    pub async fn join(&self, request: SwarmJoinRequest) -> Result<Membership, NodeError> {
        let mut active = self.active.lock().await;
        if active.is_some() {
            return Err(NodeError::Active);
        }
        let mut problems = Problems::default();
        problems.take("--token", request.token.parse::<JoinToken>());
        problems.take("the manager's address", pki::transport::check_addr(&request.remote_addr));
        let given = [&request.listen_addr, &request.advertise_addr, &request.data_path_addr];
        let addresses = address::read(given.map(String::as_str), &mut problems);
        let Addresses { listen, advertise, data_path } = finish(addresses, problems)?;
        let application = Application {
            hostname: self.config.hostname.clone(),
            advertise_addr: advertise.to_string(),
            availability: request.availability(),
        };
        let enrolled = enrol::join(&request.remote_addr, &request.token, application).await?;
        let membership = Membership {
            node: enrolled.node,
            cluster: enrolled.cluster,
            role: enrolled.role,
            incarnation: 0,
            advertise_addr: advertise.to_string(),
            listen_addr: listen.to_string(),
            data_path_addr: data_path,
            managers: vec![request.remote_addr],
        };
        let credentials = Credentials::new(enrolled.material.clone())?;
        match self.take_part(&membership, &enrolled.material, &credentials).await {
            Ok(joined) => {
                *active = Some(joined);
                info!(cluster = %membership.cluster, node = %membership.node, role = %membership.role, "joined");
                Ok(membership)
            }
            Err(error) => {
                // The managers know this node already: they should not wait for it.
                self.say_goodbye(&Managers::new(membership, credentials, self.identity.clone()), true).await.ok();
                self.identity.remove()?;
                self.clear_manager_dir()?;
                Err(error)
            }
        }
    }

    async fn take_part(
        &self,
        membership: &Membership,
        material: &Material,
        credentials: &Credentials,
    ) -> Result<Active, NodeError> {
        self.clear_manager_dir()?;
        let manager = match membership.role {
            Role::Worker => None,
            Role::Manager => {
                let listener = listen(&membership.listen_addr).await?;
                let manager = self.start_manager(membership, credentials, listener).await?;
                let others = pki::channel(&membership.managers[0], pki::Peer::AnyManager, credentials)
                    .map_err(EnrolError::Address)?;
                if let Err(error) = manager.join_group(others).await {
                    stop_manager(manager).await;
                    return Err(error.into());
                }
                Some(manager)
            }
        };
        self.identity.save(membership, material)?;
        self.activate(membership.clone(), credentials.clone(), manager).await
    }

    /// Takes this node out of its cluster: its tasks end, and it forgets everything of the cluster.
    pub async fn leave(&self, force: bool) -> Result<(), NodeError> {
        let mut active = self.active.lock().await;
        let Some(current) = active.as_ref() else {
            return if force && self.identity.load().is_err() { self.forget() } else { Err(NodeError::Inactive) };
        };
        let managers = &current.parts.managers;
        managers.set_leaving(true);
        if let Err(status) = self.say_goodbye(managers, force).await {
            // With force the node leaves though nobody hears it.
            if !force {
                managers.set_leaving(false);
                return Err(NodeError::Needed(refusal(&status)));
            }
            warn!(reason = status.message(), "leaving though the managers could not be told");
        }
        let Some(Active { parts, manager, follower }) = active.take() else { return Ok(()) };
        drop(follower);
        parts.agent.clear().await;
        if let Some(manager) = manager {
            stop_manager(manager).await;
        }
        info!("left the cluster");
        self.forget()
    }

    /// Ends the node's work in this process. Its containers go on.
    pub async fn stop(&self) {
        if let Some(Active { parts, manager, follower }) = self.active.lock().await.take() {
            drop(follower);
            parts.agent.stop().await;
            if let Some(manager) = manager {
                stop_manager(manager).await;
            }
        }
    }

    /// The node as it is now; `None` if it is in no cluster.
    pub async fn snapshot(&self) -> Option<Snapshot> {
        self.active.lock().await.as_ref().map(|active| Snapshot {
            membership: active.parts.managers.membership(),
            manager: active.manager.clone(),
            agent: active.parts.agent.clone(),
        })
    }

    /// Makes this node a manager, because people promoted it. Its certificate says so already.
    pub(crate) async fn promote(&self, parts: &Parts) -> Result<(), NodeError> {
        let mut active = self.active.lock().await;
        let Some(current) = active.as_mut().filter(|current| current.manager.is_none()) else { return Ok(()) };
        let before = parts.managers.membership();
        let listener = listen(&before.listen_addr).await?;
        let incarnation = before.incarnation + 1;
        self.clear_manager_dir()?;
        let promoted = Membership { role: Role::Manager, incarnation, ..before.clone() };
        let manager = self.start_manager(&promoted, &parts.credentials, listener).await?;
        let others = parts.managers.dial().map_err(|error| NodeError::Needed(error.to_string()))?;
        if let Err(error) = manager.join_group(others).await {
            stop_manager(manager).await;
            return Err(error.into());
        }
        parts.managers.change(|membership| *membership = promoted)?;
        current.manager = Some(manager);
        info!("promoted: this node is a manager now");
        Ok(())
    }

    /// Has the group take this node's manager in again, because people promoted it before it had become a
    /// worker.
    pub(crate) async fn rejoin(&self, parts: &Parts) -> Result<(), NodeError> {
        let manager = self.active.lock().await.as_ref().and_then(|current| current.manager.clone());
        let Some(manager) = manager else { return Ok(()) };
        let others = parts.managers.dial().map_err(|error| NodeError::Needed(error.to_string()))?;
        Ok(manager.join_group(others).await?)
    }

    /// Makes this node a worker, because people demoted it and the group has let it go.
    pub(crate) async fn demote(&self, parts: &Parts) -> Result<(), NodeError> {
        let mut active = self.active.lock().await;
        let Some(current) = active.as_mut() else { return Ok(()) };
        let own = parts.managers.membership().advertise_addr;
        parts.managers.change(|membership| {
            membership.role = Role::Worker;
            membership.managers.retain(|addr| *addr != own);
        })?;
        if let Some(manager) = current.manager.take() {
            stop_manager(manager).await;
        }
        self.clear_manager_dir()?;
        info!("demoted: this node is a worker now");
        Ok(())
    }

    /// Keeps a renewed certificate and uses it from now on.
    pub(crate) fn renewed(&self, parts: &Parts, material: Material) -> Result<(), NodeError> {
        self.identity.save_material(&material)?;
        parts.credentials.replace(material)?;
        Ok(())
    }

    async fn start_manager(
        &self,
        membership: &Membership,
        credentials: &Credentials,
        listener: TcpListener,
    ) -> Result<Arc<Manager>, NodeError> {
        let config = ManagerConfig {
            data_dir: self.config.manager_dir(),
            node: membership.node,
            raft_id: raft_id_of(membership.node, membership.incarnation),
            advertise_addr: membership.advertise_addr.clone(),
            credentials: credentials.clone(),
        };
        Ok(Arc::new(Manager::start(config, listener).await?))
    }

    async fn activate(
        &self,
        membership: Membership,
        credentials: Credentials,
        manager: Option<Arc<Manager>>,
    ) -> Result<Active, NodeError> {
        let managers = Managers::new(membership, credentials.clone(), self.identity.clone());
        let agent = Agent::start(&self.config, managers.clone()).await?;
        let parts = Parts { managers, credentials, agent };
        let follower = AbortOnDrop(tokio::spawn(follow::run(self.clone(), parts.clone())));
        Ok(Active { parts, manager, follower })
    }

    async fn say_goodbye(&self, managers: &Managers, force: bool) -> Result<(), Status> {
        let leaving = tokio::time::timeout(LEAVE_TIME_MAX, async {
            let mut left = Err(Status::unavailable("this node knows no manager"));
            for _ in managers.addrs() {
                let channel = managers.dial().map_err(|error| Status::unavailable(error.to_string()))?;
                left = MembershipClient::new(channel).leave(LeaveRequest { force }).await;
                // Another manager may be reached where this one was not.
                if !left.as_ref().is_err_and(enrol::is_connection_lost) {
                    break;
                }
            }
            left
        });
        leaving.await.map_err(|_| Status::unavailable("the managers do not answer"))??;
        Ok(())
    }

    fn forget(&self) -> Result<(), NodeError> {
        self.identity.remove()?;
        self.clear_manager_dir()
    }

    /// Removes the log of an earlier membership.
    fn clear_manager_dir(&self) -> Result<(), NodeError> {
        let path = self.config.manager_dir();
        match std::fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(NodeError::Remove { path, source }),
            _ => Ok(()),
        }
    }
}

/// The value, if nothing was wrong with the request; without a value something was.
fn finish<T>(value: Option<T>, problems: Problems) -> Result<T, Problems> {
    match value {
        Some(value) => problems.finish(value),
        None => Err(problems),
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

/// Why the managers did not let this node leave, and what to do about it.
fn refusal(status: &Status) -> String {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => format!(
            "{}; leave with --force to leave without telling the managers",
            enrol::reason(status)
        ),
        _ => status.message().to_owned(),
    }
}

async fn listen(addr: &str) -> Result<TcpListener, NodeError> {
    TcpListener::bind(addr).await.map_err(|error| NodeError::Listen {
        addr: addr.to_owned(),
        reason: match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program uses this port (see it with `ss -ltnp`); end it, or choose another port with --listen-addr"
                    .to_owned()
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            _ => error.to_string(),
        },
    })
}

async fn stop_manager(mut manager: Arc<Manager>) {
    // People who are being answered hold it for a moment longer.
    let manager = loop {
        match Arc::try_unwrap(manager) {
            Ok(manager) => break manager,
            Err(shared) => manager = shared,
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    manager.stop().await;
}

/// The certificate of a cluster's first node, signed by the root that was just made.
fn first_certificate(
    membership: &Membership,
    root_ca: &proto::model::RootCa,
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

fn first_objects(
    membership: &Membership,
    spec: ClusterSpec,
    root_ca: proto::model::RootCa,
    availability: wire::Availability,
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
    };
    let availability = match availability {
        wire::Availability::Unspecified | wire::Availability::Active => Availability::Active,
        wire::Availability::Pause => Availability::Pause,
        wire::Availability::Drain => Availability::Drain,
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
