//! The daemon's unix socket: root on this machine speaks here to the daemon, and through it to the cluster.

use crate::{local_service::LocalService, node::Node};
use http::{Request, Response};
use manager::access::Caller;
use proto::wire::node_local_server::NodeLocalServer;
use std::{
    convert::Infallible,
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    pin::Pin,
    task::{Context, Poll},
};
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Status, body::Body, service::Routes, transport::Server};
use tower::Service;

/// The largest piece of an archive taken in one message, in bytes.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// Says why the socket can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// A daemon listens there.
    #[error(
        "another daemon listens on `{path}`: stop it, or give this one a socket of its own with --socket"
    )]
    InUse {
        /// The socket.
        path: PathBuf,
    },
    /// The socket can't be made.
    #[error("failed to listen on `{path}`")]
    Bind {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Binds the socket, which only root can use. One that a daemon left behind is replaced.
pub async fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let failed = |source| SocketError::Bind { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(failed)?;
    }
    if UnixStream::connect(path).await.is_ok() {
        return Err(SocketError::InUse { path: path.to_owned() });
    }
    // Bound beside its place, so that nobody can connect before the permissions are set.
    let beside = path.with_extension("new");
    let _ = fs::remove_file(&beside);
    let listener = UnixListener::bind(&beside).map_err(failed)?;
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)?;
    Ok(listener)
}

/// Answers on the socket until `stop` is done.
pub async fn serve(
    listener: UnixListener,
    local: LocalService,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let node = local.node.clone();
    let service = NodeLocalServer::new(local).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let layer = tower::layer::layer_fn(move |routes: Routes| Switch { local: routes, node: node.clone() });
    Server::builder()
        .layer(layer)
        .add_service(service)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop)
        .await
}

/// Takes calls to the node itself here, and calls to the cluster through the manager's gate.
#[derive(Clone)]
struct Switch {
    local: Routes,
    node: Node,
}

impl Service<Request<Body>> for Switch {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        if request.uri().path().starts_with("/shoal.v1.NodeLocal/") {
            return Box::pin(self.local.call(request));
        }
        let node = self.node.clone();
        Box::pin(async move {
            let gate = match node.snapshot() {
                None => return Ok(Status::failed_precondition(
                    "this node is not part of a cluster: run `shoal swarm init` to make one, or `shoal swarm join` to join one",
                )
                .into_http()),
                Some(snapshot) => snapshot.manager.map(|manager| manager.gate()),
            };
            Ok(match gate {
                Some(gate) => gate.call_as(Caller::LOCAL, request).await,
                None => Status::failed_precondition(
                    "this node is a worker, and only managers know the cluster: run this on a manager, or promote this \
                     node there with `shoal node promote`",
                )
                .into_http(),
            })
        })
    }
}
