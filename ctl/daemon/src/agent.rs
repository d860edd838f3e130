//! The worker's agent of this node, as long as the node is in a cluster.

use crate::{config::DaemonConfig, images::sentence, managers::Managers};
use proto::model::TaskState;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Mutex, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::error;
use worker::{Facilities, Handle, Worker, WorkerConfig, WorkerError, describe, own_network};
use worker_images::{Hold, ImageId, ImageStore, StoreError};

/// How long the agent may take to say goodbye when the daemon stops.
const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// Says why the agent can't be started.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The images can't be opened.
    #[error("failed to open this node's images")]
    Images(#[source] StoreError),
    /// The worker can't be opened.
    #[error("failed to start this node's agent")]
    Worker(#[source] WorkerError),
}

/// A running agent. Clones share it.
#[derive(Clone)]
pub struct Agent {
    handle: Handle,
    images: ImageStore,
    stop: CancellationToken,
    running: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl Agent {
    /// Starts the agent, which takes over what an earlier one has left running.
    pub async fn start(config: &DaemonConfig, managers: Managers) -> Result<Self, AgentError> {
        let images = ImageStore::open(&config.image_dir).await.map_err(AgentError::Images)?;
        let membership = managers.membership();
        let mut description = describe(config.labels.clone(), membership.data_path_addr);
        description.hostname.clone_from(&config.hostname);
        let worker_config = WorkerConfig {
            data_dir: config.data_dir.clone(),
            description,
            insecure_registries: config.insecure_registries.clone(),
            shim_program: config.program.clone(),
            network: own_network(membership.node.to_string(), &config.run_dir),
        };
        let facilities = Facilities {
            images: images.clone(),
            connector: Arc::new(managers),
            jitter: Box::new(|| {
                let mut bytes = [0; 4];
                // Without randomness there is no jitter, and the back-off still backs off.
                getrandom::fill(&mut bytes).map_or(0, |()| u32::from_ne_bytes(bytes))
            }),
        };
        let worker = Worker::open(worker_config, facilities).await.map_err(AgentError::Worker)?;
        let handle = worker.handle();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let running = tokio::spawn(async move {
            if let Err(error) = worker.run(stopped.cancelled_owned()).await {
                error!(
                    error = sentence(&error),
                    "the agent ended; this node's tasks are on their own until the daemon restarts"
                );
            }
        });
        Ok(Self { handle, images, stop, running: Arc::new(Mutex::new(Some(running))) })
    }

    /// How many containers run.
    pub fn containers_running(&self) -> u32 {
        u32::try_from(self.handle.board().running()).unwrap_or(u32::MAX)
    }

    /// The images that this node's running containers need, and a container for each.
    pub async fn running_images(&self) -> Result<BTreeMap<ImageId, String>, StoreError> {
        let holds = self.images.holds().await?;
        let runs = |hold: &Hold| {
            let task = hold.owner.parse().ok()?;
            (self.handle.board().state(task) == Some(TaskState::Running))
                .then(|| (hold.image, hold.owner.clone()))
        };
        Ok(holds.iter().filter_map(runs).collect())
    }

    /// Ends the agent. Its containers go on.
    pub async fn stop(&self) {
        self.stop.cancel();
        if let Some(mut running) = self.running.lock().await.take()
            && tokio::time::timeout(STOP_TIME_MAX, &mut running).await.is_err()
        {
            running.abort();
        }
    }

    /// Ends the agent and everything it runs, and removes what is left of it.
    pub async fn clear(&self) {
        self.handle.clear().await;
    }
}
