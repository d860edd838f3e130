//! Who gets through to whom: real handshakes over loopback between managers, workers, strangers and
//! other clusters.

#![allow(clippy::unwrap_used, reason = "a test that can not be set up has failed")]

use http::{Request, Response};
use pki::{
    Authority, Credentials, Issue, Material, NodeIdentity, Peer, PeerInfo, channel,
    request::new_key,
    transport::{channel_to_root, channel_to_stranger},
};
use proto::model::{ClusterId, NodeId, Role, RootCa};
use std::{
    convert::Infallible,
    error::Error,
    net::SocketAddr,
    time::{Duration, SystemTime},
};
use tokio::{net::TcpListener, sync::mpsc, task::JoinSet};
use tonic::{
    Code, Status,
    body::Body,
    service::Routes,
    transport::{Channel, Server},
};
use tower::{Service, ServiceExt};

const ONE: NodeId = NodeId::from_bits(1);
const TWO: NodeId = NodeId::from_bits(2);
const HOUR: Duration = Duration::from_secs(3600);

/// A cluster's authority, which can make anyone's credentials.
struct Cluster {
    id: ClusterId,
    root: RootCa,
}

impl Cluster {
    fn new(number: u128) -> Self {
        Self { id: ClusterId::from_bits(number), root: Authority::create(SystemTime::now()).unwrap() }
    }

    fn node(&self, node: NodeId, role: Role) -> Credentials {
        Credentials::new(self.material(node, role, SystemTime::now(), HOUR)).unwrap()
    }

    fn material(&self, node: NodeId, role: Role, now: SystemTime, life: Duration) -> Material {
        let key = new_key().unwrap();
        let issue = Issue { node, role, cluster: self.id, life, now };
        let cert_pem = Authority::load(&self.root).unwrap().sign(&key.csr_pem, issue).unwrap();
        Material { cert_pem, key_pem: key.key_pem, root_pem: self.root.cert_pem.clone() }
    }
}

/// A listener that tells who called and answers every call with `UNIMPLEMENTED`. It ends when dropped.
struct Listening {
    addr: String,
    callers: mpsc::UnboundedReceiver<PeerInfo>,
    _serving: JoinSet<()>,
}

impl Listening {
    async fn start(credentials: &Credentials) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let addr = listener.local_addr().unwrap().to_string();
        let (tell, callers) = mpsc::unbounded_channel();
        let incoming = pki::incoming(listener, credentials.clone());
        let answer = tower::layer::layer_fn(move |_: Routes| {
            let tell = tell.clone();
            tower::service_fn(move |request: Request<Body>| {
                tell.send(*request.extensions().get::<PeerInfo>().unwrap()).unwrap();
                std::future::ready(Ok::<Response<Body>, Infallible>(
                    Status::unimplemented("nothing here").into_http(),
                ))
            })
        });
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            Server::builder()
                .layer(answer)
                .add_routes(Routes::default())
                .serve_with_incoming(incoming)
                .await
                .unwrap();
        });
        Self { addr, callers, _serving: serving }
    }

    /// What the certificate of the next caller said.
    async fn caller(&mut self) -> Option<NodeIdentity> {
        self.callers.recv().await.unwrap().identity
    }
}

/// Makes a call; the error is the innermost cause of a connection that failed.
async fn call(mut channel: Channel) -> Result<(), String> {
    let request = Request::post("http://node/a/call").body(Body::empty()).unwrap();
    let answered = match channel.ready().await {
        Ok(channel) => channel.call(request).await,
        Err(error) => Err(error),
    };
    match answered {
        Ok(response) => {
            assert_eq!(Status::from_header_map(response.headers()).unwrap().code(), Code::Unimplemented);
            Ok(())
        }
        Err(error) => {
            let mut innermost: &dyn Error = &error;
            while let Some(source) = innermost.source() {
                innermost = source;
            }
            Err(innermost.to_string())
        }
    }
}

async fn call_as(caller: &Credentials, addr: &str, peer: Peer) -> Result<(), String> {
    call(channel(addr, peer, caller).unwrap()).await
}

#[tokio::test]
async fn a_manager_is_reached_by_name_and_by_id_and_knows_who_calls() {
    let cluster = Cluster::new(1);
    let mut manager = Listening::start(&cluster.node(ONE, Role::Manager)).await;
    let worker = cluster.node(TWO, Role::Worker);
    for peer in [Peer::AnyManager, Peer::Node(ONE)] {
        call_as(&worker, &manager.addr, peer).await.unwrap();
        assert_eq!(manager.caller().await, Some(worker.identity()));
    }
}

#[tokio::test]
async fn a_worker_does_not_pass_for_a_manager() {
    let cluster = Cluster::new(1);
    let worker = Listening::start(&cluster.node(ONE, Role::Worker)).await;
    let refused =
        call_as(&cluster.node(TWO, Role::Manager), &worker.addr, Peer::AnyManager).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn a_node_that_is_called_by_its_id_is_no_other() {
    let cluster = Cluster::new(1);
    let other = Listening::start(&cluster.node(TWO, Role::Manager)).await;
    let refused = call_as(&cluster.node(ONE, Role::Manager), &other.addr, Peer::Node(ONE)).await.unwrap_err();
    assert!(refused.contains("not valid for name"), "{refused}");
}

#[tokio::test]
async fn clusters_do_not_let_each_others_nodes_in() {
    let (here, there) = (Cluster::new(1), Cluster::new(2));
    let mut manager = Listening::start(&here.node(ONE, Role::Manager)).await;
    let foreigner = there.node(ONE, Role::Manager);
    let refused = call_as(&foreigner, &manager.addr, Peer::AnyManager).await.unwrap_err();
    assert!(refused.contains("certificate"), "{refused}");

    // One that trusts this cluster's root and shows the certificate of another.
    let mut mixed = there.material(TWO, Role::Manager, SystemTime::now(), HOUR);
    mixed.root_pem.clone_from(&here.root.cert_pem);
    let mixed = Credentials::new(mixed).unwrap();
    call_as(&mixed, &manager.addr, Peer::AnyManager).await.unwrap_err();

    call_as(&here.node(TWO, Role::Worker), &manager.addr, Peer::AnyManager).await.unwrap();
    assert_eq!(manager.caller().await.map(|caller| caller.node), Some(TWO), "nobody else got through");
}

#[tokio::test]
async fn a_stranger_is_connected_and_known_to_be_one() {
    let cluster = Cluster::new(1);
    let mut manager = Listening::start(&cluster.node(ONE, Role::Manager)).await;
    call(channel_to_stranger(&manager.addr).unwrap()).await.unwrap();
    assert_eq!(manager.caller().await, None);
    call(channel_to_root(&manager.addr, &cluster.root.cert_pem).unwrap()).await.unwrap();
    assert_eq!(manager.caller().await, None);
}

#[tokio::test]
async fn a_join_token_is_not_sent_to_whoever_the_root_has_not_signed_for_as_a_manager() {
    let (cluster, other) = (Cluster::new(1), Cluster::new(2));
    let impostor = Listening::start(&other.node(ONE, Role::Manager)).await;
    call(channel_to_root(&impostor.addr, &cluster.root.cert_pem).unwrap()).await.unwrap_err();
    let worker = Listening::start(&cluster.node(ONE, Role::Worker)).await;
    call(channel_to_root(&worker.addr, &cluster.root.cert_pem).unwrap()).await.unwrap_err();
}

#[tokio::test]
async fn an_expired_certificate_opens_nothing() {
    let cluster = Cluster::new(1);
    let long_ago = SystemTime::now() - 10 * HOUR;
    let expired = Credentials::new(cluster.material(ONE, Role::Manager, long_ago, HOUR)).unwrap();
    let good = cluster.node(TWO, Role::Manager);
    let (of_expired, of_good) = (Listening::start(&expired).await, Listening::start(&good).await);
    let refused = call_as(&good, &of_expired.addr, Peer::AnyManager).await.unwrap_err();
    assert!(refused.contains("expired"), "{refused}");
    call_as(&expired, &of_good.addr, Peer::AnyManager).await.unwrap_err();
}

#[tokio::test]
async fn a_renewed_certificate_serves_the_next_connection_of_listeners_and_callers() {
    let cluster = Cluster::new(1);
    let (listening, calling) = (cluster.node(ONE, Role::Worker), cluster.node(TWO, Role::Worker));
    let mut listener = Listening::start(&listening).await;
    call_as(&calling, &listener.addr, Peer::AnyManager).await.unwrap_err();

    listening.replace(cluster.material(ONE, Role::Manager, SystemTime::now(), HOUR)).unwrap();
    calling.replace(cluster.material(TWO, Role::Manager, SystemTime::now(), HOUR)).unwrap();
    call_as(&calling, &listener.addr, Peer::AnyManager).await.unwrap();
    assert_eq!(listener.caller().await.map(|caller| caller.role), Some(Role::Manager));
}

#[test]
fn a_key_that_does_not_fit_its_certificate_is_refused() {
    let cluster = Cluster::new(1);
    let mut material = cluster.material(ONE, Role::Worker, SystemTime::now(), HOUR);
    material.key_pem = new_key().unwrap().key_pem;
    assert!(Credentials::new(material).is_err());
}
