//! The connection to a daemon over its unix socket.

use hyper_util::rt::TokioIo;
use proto::wire::{InfoResponse, Role, control_client::ControlClient, node_local_client::NodeLocalClient};
use std::{
    io,
    path::{Path, PathBuf},
};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// Where the daemon's socket is if nothing else is said.
pub const SOCKET: &str = "/run/shoal/shoal.sock";
/// Below it, development clusters keep a folder a node.
pub const DEVELOPMENT: &str = "/run/shoal/dev";
/// Answers may be as large as a list of every task of a large cluster.
const ANSWER_BYTES_MAX: usize = 1 << 30;

/// Says why no daemon can be reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not a socket's address.
    #[error(
        "--host `{0}` is not the address of a socket: write unix:///PATH, such as unix:///run/shoal/shoal.sock"
    )]
    Host(String),
    /// Nothing listens.
    #[error(
        "no daemon answers at {}: start it with 'systemctl start shoal' (or a development cluster with 'shoal up'), or name another socket with --host",
        places(tried)
    )]
    NoDaemon {
        /// The sockets that were tried.
        tried: Vec<PathBuf>,
    },
    /// The socket belongs to others.
    #[error("you may not use the daemon's socket {}: only root may, so run this with sudo", path.display())]
    Denied {
        /// The socket.
        path: PathBuf,
    },
    /// Something else is wrong with the socket.
    #[error("cannot connect to the daemon at {}", path.display())]
    Socket {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What listens does not speak our language.
    #[error("what listens at {} is not a shoal daemon", path.display())]
    Greeting {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
}

fn places(tried: &[PathBuf]) -> String {
    tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// A connection to one daemon.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
}

impl Client {
    /// Connects to the socket that is named, else to the usual one if it is there, else to the first
    /// development cluster that answers.
    pub async fn connect(host: Option<&str>) -> Result<Client, ConnectError> {
        match host {
            Some(host) => {
                let path = socket_path(host).ok_or_else(|| ConnectError::Host(host.to_owned()))?;
                first_that_answers(&[path]).await
            }
            None => first_that_answers(&usual_sockets(Path::new(SOCKET), Path::new(DEVELOPMENT))).await,
        }
    }

    /// The calls about the cluster.
    pub fn control(&self) -> ControlClient<Channel> {
        ControlClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }

    /// The calls about this one node.
    pub fn node(&self) -> NodeLocalClient<Channel> {
        NodeLocalClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX)
    }
}

fn socket_path(host: &str) -> Option<PathBuf> {
    host.strip_prefix("unix://").filter(|path| path.starts_with('/')).map(PathBuf::from)
}

/// The usual socket if it is there, else those of development clusters in order.
fn usual_sockets(usual: &Path, development: &Path) -> Vec<PathBuf> {
    if usual.exists() {
        return vec![usual.to_owned()];
    }
    let folders = std::fs::read_dir(development).into_iter().flatten().flatten();
    let mut sockets: Vec<PathBuf> = folders.map(|folder| folder.path().join("shoal.sock")).collect();
    sockets.retain(|socket| socket.exists());
    sockets.sort();
    if sockets.is_empty() { vec![usual.to_owned()] } else { sockets }
}

/// Sockets nobody listens at are passed over; anything else that is wrong is told.
async fn first_that_answers(sockets: &[PathBuf]) -> Result<Client, ConnectError> {
    for path in sockets {
        match UnixStream::connect(path).await {
            Ok(stream) => return greet(path, stream).await,
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {}
                io::ErrorKind::PermissionDenied => return Err(ConnectError::Denied { path: path.clone() }),
                _ => return Err(ConnectError::Socket { path: path.clone(), source: error }),
            },
        }
    }
    Err(ConnectError::NoDaemon { tried: sockets.to_vec() })
}

async fn greet(path: &Path, stream: UnixStream) -> Result<Client, ConnectError> {
    let mut stream = Some(stream);
    let once = move |_: Uri| {
        let stream = stream.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected));
        async move { stream.map(TokioIo::new) }
    };
    // The name is not looked up; HTTP/2 wants one.
    let endpoint = Endpoint::from_static("http://shoal.invalid");
    let connected = endpoint.connect_with_connector(tower::service_fn(once)).await;
    let channel = connected.map_err(|source| ConnectError::Greeting { path: path.to_owned(), source })?;
    Ok(Client { channel })
}

/// Why this node can't speak for the cluster; `None` if it can.
pub fn why_not_here(info: &InfoResponse) -> Option<String> {
    match (info.state.as_str(), info.role()) {
        ("inactive", _) => Some(
            "this node is in no cluster: run 'shoal swarm init' to make one, or 'shoal swarm join' to join one".into(),
        ),
        ("pending", _) => Some("this node is still joining its cluster: try again in a moment".into()),
        ("error", _) => Some(format!("this node can't take part in its cluster: {}", info.error)),
        (_, Role::Worker) => {
            let managers = info.managers.iter().map(|manager| manager.addr.as_str()).collect::<Vec<_>>().join(", ");
            let at = if managers.is_empty() { String::new() } else { format!(" ({managers})") };
            Some(format!("this node is a worker: run this on a manager{at}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unix_sockets_are_hosts() {
        assert_eq!(socket_path("unix:///run/x.sock"), Some("/run/x.sock".into()));
        for bad in ["tcp://127.0.0.1:2377", "/run/x.sock", "unix://x.sock", ""] {
            assert_eq!(socket_path(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_development_cluster_is_used_only_without_the_usual_socket() {
        let folder = tempfile::tempdir().unwrap();
        let usual = folder.path().join("shoal.sock");
        let development = folder.path().join("dev");
        assert_eq!(usual_sockets(&usual, &development), std::slice::from_ref(&usual));
        for node in ["n2", "n1", "gone"] {
            std::fs::create_dir_all(development.join(node)).unwrap();
        }
        for node in ["n2", "n1"] {
            std::fs::write(development.join(node).join("shoal.sock"), "").unwrap();
        }
        let nodes = ["n1", "n2"].map(|node| development.join(node).join("shoal.sock"));
        assert_eq!(usual_sockets(&usual, &development), nodes);
        std::fs::write(&usual, "").unwrap();
        assert_eq!(usual_sockets(&usual, &development), std::slice::from_ref(&usual));
    }

    #[tokio::test]
    async fn a_daemon_that_is_not_running_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let host = format!("unix://{}/shoal.sock", folder.path().display());
        let error = Client::connect(Some(&host)).await.unwrap_err().to_string();
        assert!(
            error.contains(folder.path().to_str().unwrap()) && error.contains("systemctl start shoal"),
            "{error}"
        );
    }
}
