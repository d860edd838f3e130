//! Starting and stopping a manager.

use crate::{
    ca::CaService,
    clock::{Clock, new_secret},
    control::ControlService,
    dispatcher::{DispatcherService, Hub, LogBroker, NetworkQuestions},
    elections,
    founding::founding,
    gate::{Gate, NetworkGate},
    leader::LeaderLoop,
    leadership::{Leader, Leadership},
    membership::Membership,
    raft::{AddressBook, Feed, Member, Network, Raft, RaftId, RaftService, StateMachine, settings},
    snapshots,
    store::{ProposeError, Store},
};
use manager_store::{
    disk::{DiskError, SledDisk},
    raft::{DiskThread, LogStore, RaftStoreError, SnapshotStore},
    sealed::{DataKey, SealError, Sealed},
};
use pki::Credentials;
use proto::{
    model::{Cluster, Node, NodeId},
    wire::{JoinGroupRequest, membership_client::MembershipClient},
};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{Mutex, oneshot},
    task::JoinSet,
    time::timeout,
};
use tonic::{
    Status,
    service::Routes,
    transport::{Channel, Server},
};
use tracing::{Instrument, info, warn};

/// How long a manager that was just made waits to become the leader of a group of one.
const FIRST_ELECTION_TIME_MAX: Duration = Duration::from_secs(10);
/// Connections are probed this often, so that an agent cut off without a word is noticed.
const KEEPALIVE_PERIOD: Duration = Duration::from_secs(2);
/// A probe not answered in this time ends the connection.
const KEEPALIVE_TIME_MAX: Duration = Duration::from_secs(3);
/// How long calls under way may take to end when the manager stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(2);
/// How long the leader may take to take this manager in; longer than all that it waits for itself.
const JOIN_TIME_MAX: Duration = Duration::from_secs(120);

/// What a manager needs to know.
#[derive(Clone)]
pub struct ManagerConfig {
    /// Where its log, snapshots and data key are.
    pub data_dir: PathBuf,
    /// Its node.
    pub node: NodeId,
    /// Its number in the consensus group.
    pub raft_id: RaftId,
    /// `HOST:PORT` at which the other nodes reach it.
    pub advertise_addr: String,
    /// Its certificate.
    pub credentials: Credentials,
}

/// Says why a manager could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder can't be made.
    #[error("failed to make the managers' folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The database can't be opened.
    #[error("failed to open the manager's database")]
    Disk(#[source] DiskError),
    /// The database can't be read with the data key.
    #[error("failed to unlock the manager's database")]
    Seal(#[source] SealError),
    /// The log can't be read.
    #[error("failed to read the manager's log")]
    Log(#[source] RaftStoreError),
    /// The snapshot can't be taken up.
    #[error("failed to read the manager's snapshot")]
    Snapshot(#[source] openraft::StorageError<RaftId>),
    /// openraft does not start.
    #[error("failed to start the consensus group: {0}")]
    Group(String),
    /// The new cluster could not be written down.
    #[error("failed to write the new cluster down")]
    Bootstrap(#[source] ProposeError),
    /// The leader did not take this manager in.
    #[error("the cluster's leader did not take this manager in: {}", .0.message())]
    Join(Status),
}

/// A running manager.
pub struct Manager {
    raft: Raft,
    store: Store,
    leadership: Leadership,
    gate: Gate,
    hub: Hub,
    config: ManagerConfig,
    running: Mutex<Running>,
}

/// What ends when the manager stops.
struct Running {
    /// The loops.
    tasks: JoinSet<()>,
    /// Dropped to end the listener.
    stop: Option<oneshot::Sender<()>>,
    /// The listener.
    serving: JoinSet<()>,
}

impl Manager {
    /// Starts a manager on a listener that the caller has bound. If its folder holds a log it goes
    /// on from there; else it waits for [`Manager::bootstrap`] or [`Manager::join_group`].
    pub async fn start(config: ManagerConfig, listener: TcpListener) -> Result<Self, StartError> {
        let disk = open_disk(config.data_dir.clone()).await?;
        let log = LogStore::open(disk.clone()).await.map_err(StartError::Log)?;
        let feed = Feed::default();
        let machine =
            StateMachine::open(SnapshotStore::new(disk), feed.clone()).await.map_err(StartError::Snapshot)?;
        let addresses = AddressBook::default();
        let network = Network::new(config.credentials.clone(), addresses.clone());
        let cluster = config.credentials.identity().cluster.to_string();
        let settings = settings(&cluster).map_err(|error| StartError::Group(error.to_string()))?;
        let raft = Raft::new(config.raft_id, Arc::new(settings), network.clone(), log, machine)
            .await
            .map_err(|error| StartError::Group(error.to_string()))?;

        let clock = Clock::start();
        let store = Store::new(feed, raft.clone());
        let leadership = Leadership::new(raft.clone(), config.raft_id, &network);
        let hub = Hub::default();
        let logs = LogBroker::default();
        let questions = NetworkQuestions::default();
        let membership = Membership::new(raft.clone(), store.clone(), leadership.clone(), hub.clone(), clock);
        let control = ControlService {
            store: store.clone(),
            leadership: leadership.clone(),
            hub: hub.clone(),
            logs: logs.clone(),
            questions: questions.clone(),
            clock,
        };
        let dispatcher = DispatcherService {
            store: store.clone(),
            leadership: leadership.clone(),
            hub: hub.clone(),
            logs,
            questions,
            clock,
            numbers: Arc::default(),
        };
        let mut routes = Routes::builder();
        routes
            .add_service(RaftService::server(raft.clone()))
            .add_service(membership.server())
            .add_service(CaService::server(store.clone(), clock))
            .add_service(control.server())
            .add_service(dispatcher.server());
        let gate = Gate::new(routes.routes(), leadership.clone(), store.clone());

        let mut tasks = JoinSet::new();
        tasks.spawn(follow_addresses(store.clone(), addresses));
        tasks.spawn(hub.clone().follow(store.clone(), store.events(), clock));
        tasks.spawn(snapshots::run(raft.clone(), store.clone()));
        tasks.spawn(elections::run(raft.clone(), config.raft_id));
        let leader = LeaderLoop {
            raft: raft.clone(),
            store: store.clone(),
            leadership: leadership.clone(),
            hub: hub.clone(),
            membership,
            clock,
        };
        tasks.spawn(leader.run());
        let (stop, stopped) = oneshot::channel();
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, config.credentials.clone(), gate.clone(), stopped).in_current_span());
        info!(node = %config.node, raft_id = config.raft_id, addr = config.advertise_addr, "manager started");
        let running = Mutex::new(Running { tasks, stop: Some(stop), serving });
        Ok(Self { raft, store, leadership, gate, hub, config, running })
    }

    /// Makes this manager the first one of a new cluster.
    pub async fn bootstrap(&self, cluster: Cluster, node: Node) -> Result<(), StartError> {
        let member = Member { node: self.config.node, addr: self.config.advertise_addr.clone() };
        let members = BTreeMap::from([(self.config.raft_id, member)]);
        self.raft.initialize(members).await.map_err(|error| StartError::Group(error.to_string()))?;
        self.wait_for_leader(FIRST_ELECTION_TIME_MAX)
            .await
            .map_err(|status| StartError::Group(status.message().to_owned()))?;
        self.store.propose(founding(cluster, node)).await.map_err(StartError::Bootstrap)?;
        Ok(())
    }

    /// Asks the leader, through any manager, to take this one into the group. Asking again does no harm.
    pub async fn join_group(&self, channel: Channel) -> Result<(), StartError> {
        let request =
            JoinGroupRequest { raft_id: self.config.raft_id, addr: self.config.advertise_addr.clone() };
        match timeout(JOIN_TIME_MAX, MembershipClient::new(channel).join_group(request)).await {
            Ok(joined) => joined.map(drop).map_err(StartError::Join),
            Err(_) => Err(StartError::Join(Status::deadline_exceeded(format!(
                "it does not answer within {JOIN_TIME_MAX:?}"
            )))),
        }
    }

    /// Waits until the cluster has a leader.
    pub async fn wait_for_leader(&self, longest: Duration) -> Result<Leader, Status> {
        self.leadership.wait_for_leader(longest).await
    }

    /// Whether this manager's log holds a group already.
    pub async fn is_initialized(&self) -> bool {
        self.raft.is_initialized().await.unwrap_or(false)
    }

    /// The gate, for calls over the unix socket.
    pub fn gate(&self) -> Gate {
        self.gate.clone()
    }

    /// The state.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Who leads.
    pub fn leadership(&self) -> &Leadership {
        &self.leadership
    }

    /// Stops deciding, then serving, then the log. Calls under way get a moment to end.
    pub async fn stop(&self) {
        let mut running = self.running.lock().await;
        // Before the sessions end, which would look as if every node were down.
        running.tasks.shutdown().await;
        self.hub.clear();
        drop(running.stop.take());
        if timeout(STOP_TIME_MAX, running.serving.join_next()).await.is_err() {
            running.serving.shutdown().await;
        }
        if let Err(error) = self.raft.shutdown().await {
            warn!(%error, "the consensus group did not stop cleanly");
        }
        info!("manager stopped");
    }
}

/// A secret for each join token of a new cluster.
pub fn new_join_tokens() -> proto::model::JoinTokens {
    proto::model::JoinTokens { worker: new_secret(), manager: new_secret() }
}

type ManagerDisk = Sealed<SledDisk>;

async fn open_disk(dir: PathBuf) -> Result<DiskThread<ManagerDisk>, StartError> {
    let open = move || {
        std::fs::create_dir_all(&dir).map_err(|source| StartError::Folder { path: dir.clone(), source })?;
        let disk = SledDisk::open(&dir.join("db")).map_err(StartError::Disk)?;
        let key = DataKey::load_or_create(&dir.join("data.key")).map_err(StartError::Seal)?;
        let sealed = Sealed::open(disk, &key).map_err(StartError::Seal)?;
        DiskThread::start(sealed).map_err(StartError::Disk)
    };
    tokio::task::spawn_blocking(open).await.map_err(|error| StartError::Group(error.to_string()))?
}

/// Keeps the address book as the state has it.
async fn follow_addresses(store: Store, addresses: AddressBook) {
    let mut states = store.watch();
    loop {
        addresses.read_from(&states.borrow_and_update());
        if states.changed().await.is_err() {
            return;
        }
    }
}

async fn serve(listener: TcpListener, credentials: Credentials, gate: Gate, stopped: oneshot::Receiver<()>) {
    // The gate holds the services itself, so what the server would put below it is empty.
    let layer = tower::layer::layer_fn(move |_: Routes| NetworkGate(gate.clone()));
    let served = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_PERIOD))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIME_MAX))
        .layer(layer)
        .add_routes(Routes::default())
        .serve_with_incoming_shutdown(pki::incoming(listener, credentials), async {
            // Sent never, dropped at the end.
            let _ = stopped.await;
        })
        .await;
    if let Err(error) = served {
        warn!(%error, "the manager's listener failed");
    }
}
