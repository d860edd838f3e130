//! What can go wrong with a development cluster.

use crate::{
    DaemonError, FabricError, FolderError, FormationError, HostLinkError, LockError, MountsError,
    OptionsError, ProcessError, RecordError,
};
use worker_network::NamespaceError;
use worker_runtime::CgroupError;

/// Why something could not be done with a development cluster; each variant is the step that failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options don't make a cluster.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// Another command is at work on the cluster, or its folder can't be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The cluster's own notes can't be read or written.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// A namespace can't be made, entered or removed.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The network between the nodes can't be made or changed.
    #[error(transparent)]
    Fabric(#[from] FabricError),
    /// The link between the machine and the nodes can't be made or removed.
    #[error(transparent)]
    HostLink(#[from] HostLinkError),
    /// A daemon can't be started.
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    /// The nodes don't become one cluster.
    #[error(transparent)]
    Formation(#[from] FormationError),
    /// Processes can't be found or ended.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// Something can't be unmounted.
    #[error(transparent)]
    Mounts(#[from] MountsError),
    /// The containers' cgroups can't be removed.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Folders can't be made or removed.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Work on a thread of its own was lost.
    #[error("the work on a thread of its own panicked or was cut short by the runtime's end")]
    Thread(#[source] tokio::task::JoinError),
}

/// Does work that waits for the kernel on a thread where that holds nothing up.
pub(crate) async fn blocking<T, E, W>(work: W) -> Result<T, Error>
where
    T: Send + 'static,
    E: Send + 'static,
    Error: From<E>,
    W: FnOnce() -> Result<T, E> + Send + 'static,
{
    Ok(tokio::task::spawn_blocking(work).await.map_err(Error::Thread)??)
}
