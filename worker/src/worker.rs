//! A worker from its start to its end.

use crate::{
    board::Board,
    chain::Chain,
    config::{Facilities, WorkerConfig},
    driver::{Clock, Driver, Ended},
    executor::{Executor, Node, blocking, networks_of, remove, reopen_name_server},
    ledger::{Ledger, LedgerError},
    network_checks::NetworkChecks,
    network_kernel::NodeKernel,
    networks::Networks,
    recover::{RecoverError, Recovered, recover},
    session::Sessions,
    surroundings::surrounded,
    task_files::TaskFiles,
};
use futures::future::join_all;
use manager_store::disk::{DiskError, SledDisk};
use proto::model::{Task, TaskId};
use std::{collections::BTreeSet, future::Future, path::Path, sync::Arc};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use worker_core::{
    agent::{Action, Agent},
    network::{NameError, NodeShort},
};
use worker_network::{Network, NetworkError, Opened};
use worker_runtime::{Running, Runtime, RuntimeConfig, RuntimeError};

/// Messages between the parts of a worker that may wait.
const MESSAGES_MAX: usize = 256;

/// Why a worker can't be opened, or ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The database of the ledger.
    #[error("cannot open the database of this node's tasks")]
    Disk(#[source] DiskError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The node's id.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The containers.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// What was left of an earlier run.
    #[error("cannot find out what became of this node's containers")]
    Recover(#[source] RecoverError),
    /// The network.
    #[error("cannot set up the network of this node's containers")]
    Network(#[source] NetworkError),
}

/// A worker that has found everything it had before and is ready to run.
pub struct Worker {
    config: WorkerConfig,
    facilities: Facilities,
    node: Arc<Node>,
    agent: Agent,
    first: Vec<Action>,
    running: Vec<(Task, Running)>,
    clock: Clock,
    handle: Handle,
    clear: mpsc::Receiver<()>,
    over: watch::Sender<bool>,
}

/// Asks a worker from other parts of the daemon.
#[derive(Debug, Clone)]
pub struct Handle {
    board: Board,
    clear: mpsc::Sender<()>,
    over: watch::Receiver<bool>,
}

impl Handle {
    /// How far each task has come.
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Stops and removes everything of this node, as when it leaves the cluster; the worker ends then.
    ///
    /// Returns when the worker has ended, also if it was told to stop meanwhile. Containers have their
    /// grace periods.
    pub async fn clear(&self) {
        // Fails only if the worker has ended.
        let _ = self.clear.send(()).await;
        let mut over = self.over.clone();
        // An error means that the worker was dropped.
        let _ = over.wait_for(|over| *over).await;
    }
}

impl Worker {
    /// Opens a node's ledger, containers and network, taking over what runs.
    pub async fn open(config: WorkerConfig, facilities: Facilities) -> Result<Self, WorkerError> {
        let node_short = NodeShort::of(&config.network.node_id)?.as_str().to_owned();
        let runtime_config = RuntimeConfig {
            state_dir: config.data_dir.clone(),
            node_short,
            shim_program: config.shim_program.clone(),
        };
        let data_dir = config.data_dir.clone();
        let (ledger, runtime, recovered) = blocking(move || -> Result<_, WorkerError> {
            let ledger = open_ledger(&data_dir)?;
            let runtime = Runtime::open(runtime_config)?;
            let files = TaskFiles::new(&data_dir);
            let recovered = recover(&ledger, &runtime, &files).map_err(WorkerError::Recover)?;
            Ok((ledger, runtime, recovered))
        })
        .await?;
        let Recovered { tasks, found, running, adopted, networks, strays } = recovered;
        let opened = Network::open(config.network.clone(), adopted).await.map_err(WorkerError::Network)?;
        let Opened { network, lost } = opened;
        if !lost.is_empty() {
            warn!(tasks = ?lost, "running containers have lost their network");
        }
        // As the runtime has it, which makes them there.
        let containers = config.data_dir.join("containers");
        let networks = Networks::recovered(networks);
        let node = Node::new(&config, facilities.images.clone(), network, runtime, ledger, networks);
        let node = Arc::new(node);
        join_all(strays.into_iter().map(|id| {
            warn!(task = %id, "container of no known task is removed");
            remove(&node, id)
        }))
        .await;
        let kept: BTreeSet<TaskId> = running.iter().map(|(id, _)| *id).collect();
        let this = node.clone();
        if let Err(error) = blocking(move || this.payload_files.keep(&kept)).await {
            warn!(error = %Chain(&error), "secrets and configs of earlier tasks can't be removed");
        }
        reopen_name_servers(&node, &tasks, &running).await;
        let of = |id: TaskId| tasks.iter().find(|task| task.id == id).cloned();
        let running = running.into_iter().filter_map(|(id, running)| Some((of(id)?, running))).collect();
        let clock = Clock::start();
        let (agent, first) = Agent::recover(tasks, found, clock.now());
        let (clear, to_clear) = mpsc::channel(1);
        let (over, is_over) = watch::channel(false);
        let handle = Handle { board: Board::new(containers), clear, over: is_over };
        handle.board.show(&agent);
        Ok(Self { config, facilities, node, agent, first, running, clock, handle, clear: to_clear, over })
    }

    /// A way to ask it while it runs.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Does what the managers want until told to stop, or until the node is cleared. Containers go on
    /// after it is stopped, or dropped.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let (incoming, from_managers) = mpsc::channel(MESSAGES_MAX);
        let (outcomes, from_executor) = mpsc::channel(MESSAGES_MAX);
        let mut executor = Executor::new(self.node.clone(), outcomes);
        self.running.into_iter().for_each(|(task, running)| executor.adopt(task, running));

        let stop_sessions = CancellationToken::new();
        let sessions = Sessions {
            connector: self.facilities.connector,
            description: surrounded(self.config.description, &self.config.network),
            jitter: self.facilities.jitter,
            incoming,
            board: self.handle.board.clone(),
            checks: NetworkChecks::new(self.node.clone()),
            networks: self.node.networks.clone(),
            payloads: self.node.payloads.clone(),
        };
        // Ends with this function, also when that is dropped.
        let mut keeping = JoinSet::new();
        keeping.spawn(sessions.run(stop_sessions.clone()));
        let mut following = JoinSet::new();
        let stop_following = CancellationToken::new();
        let (node, stopped) = (self.node.clone(), stop_following.clone());
        following.spawn(async move { node.networks.follow(&NodeKernel::new(&node), &stopped).await });
        let (node, stopped) = (self.node.clone(), stop_following.clone());
        following.spawn(async move { node.networks.keep(&node.ledger, &stopped).await });
        let (node, stopped) = (self.node.clone(), stop_following.clone());
        following.spawn(async move { stopped.run_until_cancelled(serve_names(&node)).await.unwrap_or(()) });

        let (node, stopped) = (self.node.clone(), stop_following.clone());
        following.spawn(async move { node.network.keep(stopped.cancelled()).await });

        let driver = Driver {
            agent: self.agent,
            executor,
            ledger: self.node.ledger.clone(),
            board: self.handle.board.clone(),
            clock: self.clock,
            incoming: from_managers,
            outcomes: from_executor,
            clear: self.clear,
            line: None,
        };
        let (ended, executor) = driver.run(self.first, stop).await?;
        stop_sessions.cancel();
        while keeping.join_next().await.is_some() {}
        executor.wind_down().await;
        // A network that is being made is finished: it could not be removed below otherwise.
        stop_following.cancel();
        while following.join_next().await.is_some() {}
        if ended == Ended::Cleared {
            Network::destroy(&self.config.network).await.map_err(WorkerError::Network)?;
            let node = self.node.clone();
            blocking(move || -> Result<_, WorkerError> {
                node.ledger.forget_networks()?;
                node.ledger.keep_answered_ports(None)?;
                Ok(node.runtime.remove_node_cgroups()?)
            })
            .await?;
            info!("everything of the cluster is removed from this node");
        }
        // Whoever cleared the node waits for this; a handle may also be gone.
        let _ = self.over.send(true);
        Ok(())
    }
}

/// Keeps the containers' name servers up to date, for ever.
async fn serve_names(node: &Node) {
    let (servers, networks) = (&node.name_servers, &node.networks);
    tokio::join!(servers.follow(networks), servers.follow_host(), servers.retry(networks));
}

/// The containers that ran on while no daemon did have names answered again.
async fn reopen_name_servers(node: &Arc<Node>, tasks: &[Task], running: &[(TaskId, Running)]) {
    for task in tasks.iter().filter(|task| !networks_of(task).is_empty()) {
        let Some(attachment) = node.network.attachment(&task.id.to_string()) else { continue };
        let running = running.iter().find(|(id, _)| *id == task.id).map(|(_, running)| running.clone());
        reopen_name_server(node, task, &attachment, running).await;
    }
}

fn open_ledger(data_dir: &Path) -> Result<Ledger, WorkerError> {
    let disk = SledDisk::open(&data_dir.join("ledger")).map_err(WorkerError::Disk)?;
    Ok(Ledger::open(Arc::new(disk))?)
}
