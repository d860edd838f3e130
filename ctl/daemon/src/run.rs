//! The daemon from its start to its end.

use crate::{
    config::DaemonConfig,
    images::sentence,
    local_service::LocalService,
    node::Node,
    socket::{self, SocketError},
};
use std::{future::Future, io, path::PathBuf, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use worker_images::{ImageStore, StoreError};

/// Before the membership is taken up again after a failure; doubled with each failure in a row.
const PAUSE_MIN: Duration = Duration::from_secs(1);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// How long calls under way may take to end when the daemon stops.
const ANSWERING_TIME_MAX: Duration = Duration::from_secs(2);

/// Says why the daemon can't run.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Only root can make containers.
    #[error("the daemon has to run as root: start it with sudo, or by `systemctl start shoal`")]
    NotRoot,
    /// A folder can't be made.
    #[error("failed to make `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The images can't be opened.
    #[error("failed to open the images in `{path}`")]
    Images {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
    /// The socket can't be used.
    #[error(transparent)]
    Socket(#[from] SocketError),
    /// The socket broke.
    #[error("the daemon's socket failed")]
    Serve(#[source] tonic::transport::Error),
}

/// Runs a daemon until `stop` is done. Its containers go on after that.
pub async fn run(config: DaemonConfig, stop: impl Future<Output = ()>) -> Result<(), DaemonError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(DaemonError::NotRoot);
    }
    for path in [&config.data_dir, &config.run_dir] {
        std::fs::create_dir_all(path).map_err(|source| DaemonError::Folder { path: path.clone(), source })?;
    }
    let listener = socket::bind(&config.socket).await?;
    let store = ImageStore::open(&config.image_dir)
        .await
        .map_err(|source| DaemonError::Images { path: config.image_dir.clone(), source })?;
    let node = Node::new(config.clone());
    // The socket answers from the first moment on, so that a node in trouble can say so.
    let resuming = tokio::spawn(resume(node.clone()));
    info!(socket = %config.socket.display(), version = config.version, "daemon started");
    let local = LocalService { node: node.clone(), store };
    let stopping = CancellationToken::new();
    let serving = socket::serve(listener, local, stopping.clone().cancelled_owned());
    tokio::pin!(serving);
    let served = tokio::select! {
        served = &mut serving => served,
        () = stop => {
            stopping.cancel();
            // Whoever follows logs or waits for a leave would keep the daemon for ever.
            timeout(ANSWERING_TIME_MAX, serving).await.unwrap_or(Ok(()))
        }
    };
    resuming.abort();
    node.stop().await;
    info!("daemon stopped; containers keep running");
    served.map_err(DaemonError::Serve)
}

/// Takes up the membership, trying again for as long as that fails: an address may be missing for a
/// moment after the machine has started, a disk may be full until someone makes room.
async fn resume(node: Node) {
    let mut pause = PAUSE_MIN;
    loop {
        match node.resume().await {
            Ok(()) => return,
            Err(error) => {
                let reason = sentence(&error);
                error!(error = reason, "this node can't take up its place in the cluster");
                node.set_trouble(Some(reason));
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSE_MAX);
        warn!("trying again to take up the place in the cluster");
    }
}
