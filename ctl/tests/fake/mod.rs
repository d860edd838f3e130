//! A daemon that answers as a test tells it to, and remembers what it was asked.

use proto::wire::{
    control_server::{Control, ControlServer},
    node_local_server::{NodeLocal, NodeLocalServer},
    *,
};
use std::{
    collections::VecDeque,
    path::PathBuf,
    pin::Pin,
    process::Output,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tempfile::TempDir;
use tokio::{net::UnixListener, process::Command, sync::mpsc, task::JoinHandle};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{ReceiverStream, UnixListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// What the daemon answers, and what it was asked.
#[derive(Debug, Default)]
pub struct Script {
    /// The one service there is; its version must be named by updates.
    pub service: Service,
    /// The networks there are.
    pub networks: Vec<Network>,
    /// What the nodes have of networks.
    pub checked: Vec<CheckedNode>,
    /// How often another client changes the service just before an update arrives.
    pub meddling: u32,
    /// Answers every call about the cluster, if set.
    pub refusal: Option<Status>,
    /// What the watch of the service shows, one after another; then it stays open.
    pub views: VecDeque<ServiceView>,
    /// Lines of any task's log.
    pub log: Vec<String>,
    /// What the node says of itself.
    pub info: InfoResponse,
    /// The names of the calls that came in.
    pub calls: Vec<&'static str>,
    /// The stacks that were asked for.
    pub applied: Vec<ApplyStackRequest>,
    /// Bytes of the image that was loaded.
    pub loaded: Vec<u8>,
}

impl Script {
    /// The place of the network that is called so.
    fn network(&self, name: &str) -> Result<usize, Status> {
        let called = |network: &Network| {
            network.id == name || network.spec.as_ref().is_some_and(|spec| spec.name == name)
        };
        let missing = || Status::not_found(format!("network `{name}` was not found"));
        self.networks.iter().position(called).ok_or_else(missing)
    }
}

/// The running daemon; it ends when this is dropped.
pub struct Fake {
    folder: TempDir,
    script: Arc<Mutex<Script>>,
    server: JoinHandle<()>,
}

impl Fake {
    /// Starts to listen on a socket of its own.
    pub fn start(script: Script) -> Fake {
        let folder = tempfile::tempdir().expect("temp folder");
        let listener = UnixListener::bind(folder.path().join("shoal.sock")).expect("bind");
        let script = Arc::new(Mutex::new(script));
        let router = Server::builder()
            .add_service(ControlServer::new(Daemon(script.clone())))
            .add_service(NodeLocalServer::new(Daemon(script.clone())));
        let server = tokio::spawn(async move {
            router.serve_with_incoming(UnixListenerStream::new(listener)).await.expect("serve");
        });
        Fake { folder, script, server }
    }

    /// What was asked so far.
    pub fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command that talks to this daemon.
    pub fn command(&self, args: &[&str]) -> Command {
        let socket: PathBuf = self.folder.path().join("shoal.sock");
        let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
        command.args(args).env("SHOAL_HOST", format!("unix://{}", socket.display())).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub async fn shoal(&self, args: &[&str]) -> Ran {
        self.command(args).output().await.expect("run shoal").into()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What a command printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub stdout: String,
    pub stderr: String,
    pub status: i32,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Ran {
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
            status: output.status.code().expect("was not ended by a signal"),
        }
    }
}

#[derive(Clone)]
struct Daemon(Arc<Mutex<Script>>);

impl Daemon {
    fn called(&self, name: &'static str) -> Result<MutexGuard<'_, Script>, Status> {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        script.calls.push(name);
        script.refusal.clone().map_or(Ok(script), Err)
    }
}

type Answer<T> = Result<Response<T>, Status>;
type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Calls that no test makes, in the form `async_trait` gives to methods: it does not look into macros.
macro_rules! not_scripted {
    ($($name:ident($request:ty) -> $response:ty;)*) => {$(
        fn $name<'a, 'out>(
            &'a self,
            _: Request<$request>,
        ) -> Pin<Box<dyn Future<Output = Answer<$response>> + Send + 'out>>
        where
            'a: 'out,
            Self: 'out,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        }
    )*};
}

#[tonic::async_trait]
impl Control for Daemon {
    type WatchServiceStream = Answers<ServiceView>;
    type LogsStream = Answers<LogChunk>;

    async fn list_services(&self, _: Request<ListServicesRequest>) -> Answer<ListServicesResponse> {
        let services = vec![self.called("list_services")?.service.clone()];
        Ok(Response::new(ListServicesResponse { services }))
    }

    async fn get_service(&self, request: Request<GetServiceRequest>) -> Answer<Service> {
        let service = self.called("get_service")?.service.clone();
        let name = request.into_inner().service;
        let found = name == service.id || service.spec.as_ref().is_some_and(|spec| spec.name == name);
        found
            .then(|| Response::new(service))
            .ok_or_else(|| Status::not_found(format!("service `{name}` was not found")))
    }

    async fn create_service(&self, request: Request<CreateServiceRequest>) -> Answer<Service> {
        let mut script = self.called("create_service")?;
        script.service.spec = request.into_inner().spec;
        Ok(Response::new(script.service.clone()))
    }

    async fn update_service(&self, request: Request<UpdateServiceRequest>) -> Answer<Service> {
        let mut script = self.called("update_service")?;
        let request = request.into_inner();
        if script.meddling > 0 {
            script.meddling -= 1;
            script.service.version += 1;
        }
        if request.version != script.service.version {
            return Err(Status::aborted("update out of sequence"));
        }
        script.service.spec = request.spec;
        script.service.version += 1;
        Ok(Response::new(script.service.clone()))
    }

    async fn watch_service(&self, _: Request<WatchServiceRequest>) -> Answer<Self::WatchServiceStream> {
        let views: Vec<_> = self.called("watch_service")?.views.drain(..).map(Ok).collect();
        Ok(Response::new(Box::pin(tokio_stream::iter(views).chain(tokio_stream::pending()))))
    }

    async fn logs(&self, request: Request<LogsRequest>) -> Answer<Self::LogsStream> {
        let task_id = request.into_inner().target;
        let line = |text: &String| LogLine { data: format!("{text}\n").into_bytes(), ..Default::default() };
        let lines = self.called("logs")?.log.iter().map(line).collect();
        let (sender, chunks) = mpsc::channel(1);
        sender.try_send(Ok(LogChunk { task_id, lines, warning: String::new() })).expect("has room");
        Ok(Response::new(Box::pin(ReceiverStream::new(chunks))))
    }

    async fn create_network(&self, request: Request<CreateNetworkRequest>) -> Answer<Network> {
        let mut script = self.called("create_network")?;
        let network = Network { id: "n".repeat(25), spec: request.into_inner().spec, ..Default::default() };
        script.networks.push(network.clone());
        Ok(Response::new(network))
    }

    async fn list_networks(&self, _: Request<ListNetworksRequest>) -> Answer<ListNetworksResponse> {
        let networks = self.called("list_networks")?.networks.clone();
        Ok(Response::new(ListNetworksResponse { networks }))
    }

    async fn check_networks(&self, request: Request<CheckNetworksRequest>) -> Answer<CheckNetworksResponse> {
        let script = self.called("check_networks")?;
        let name = request.into_inner().network;
        if !name.is_empty() {
            script.network(&name)?;
        }
        Ok(Response::new(CheckNetworksResponse { nodes: script.checked.clone() }))
    }

    async fn get_network(&self, request: Request<GetNetworkRequest>) -> Answer<Network> {
        let script = self.called("get_network")?;
        let nth = script.network(&request.into_inner().network)?;
        Ok(Response::new(script.networks[nth].clone()))
    }

    async fn remove_network(&self, request: Request<RemoveNetworkRequest>) -> Answer<RemoveNetworkResponse> {
        let mut script = self.called("remove_network")?;
        let nth = script.network(&request.into_inner().network)?;
        if !script.networks[nth].service_ids.is_empty() {
            return Err(Status::failed_precondition("a service uses the network"));
        }
        Ok(Response::new(RemoveNetworkResponse { id: script.networks.remove(nth).id }))
    }

    async fn apply_stack(&self, request: Request<ApplyStackRequest>) -> Answer<ApplyStackResponse> {
        let mut script = self.called("apply_stack")?;
        let request = request.into_inner();
        let spec = request.spec.clone().unwrap_or_default();
        let created = |service: &StackService| StackChange {
            kind: stack_change::Kind::Service.into(),
            name: service.spec.as_ref().map(|spec| spec.name.clone()).unwrap_or_default(),
            action: stack_change::Action::Create.into(),
            ..Default::default()
        };
        let changes = spec.services.iter().map(created).collect();
        script.applied.push(request);
        let stack = Stack { spec: Some(spec), ..Default::default() };
        let services = vec![script.service.clone()];
        Ok(Response::new(ApplyStackResponse { stack: Some(stack), changes, services }))
    }

    not_scripted! {
        list_stacks(ListStacksRequest) -> ListStacksResponse;
        get_stack(GetStackRequest) -> Stack;
        remove_stack(RemoveStackRequest) -> RemoveStackResponse;
        connect_task(ConnectTaskRequest) -> Task;
        disconnect_task(DisconnectTaskRequest) -> Task;
        get_cluster(GetClusterRequest) -> Cluster;
        update_cluster(UpdateClusterRequest) -> Cluster;
        get_join_tokens(GetJoinTokensRequest) -> JoinTokensResponse;
        rotate_join_token(RotateJoinTokenRequest) -> JoinTokensResponse;
        list_nodes(ListNodesRequest) -> ListNodesResponse;
        get_node(GetNodeRequest) -> Node;
        update_node(UpdateNodeRequest) -> Node;
        remove_node(RemoveNodeRequest) -> RemoveNodeResponse;
        rollback_service(RollbackServiceRequest) -> Service;
        explain_service(ExplainServiceRequest) -> ExplainServiceResponse;
        control_rollout(ControlRolloutRequest) -> Service;
        service_history(ServiceHistoryRequest) -> ServiceHistoryResponse;
        remove_service(RemoveServiceRequest) -> RemoveServiceResponse;
        list_tasks(ListTasksRequest) -> ListTasksResponse;
        get_task(GetTaskRequest) -> Task;
        create_payload(CreatePayloadRequest) -> Payload;
        list_payloads(ListPayloadsRequest) -> ListPayloadsResponse;
        get_payload(GetPayloadRequest) -> Payload;
        update_payload(UpdatePayloadRequest) -> UpdatePayloadResponse;
        remove_payload(RemovePayloadRequest) -> RemovePayloadResponse;
    }
}

#[tonic::async_trait]
impl NodeLocal for Daemon {
    type PullImageStream = Answers<PullProgress>;

    async fn info(&self, _: Request<InfoRequest>) -> Answer<InfoResponse> {
        Ok(Response::new(self.0.lock().unwrap_or_else(PoisonError::into_inner).info.clone()))
    }

    async fn load_image(&self, request: Request<Streaming<LoadImageRequest>>) -> Answer<LoadImageResponse> {
        let mut pieces = request.into_inner();
        while let Some(piece) = pieces.message().await? {
            self.called("load_image")?.loaded.extend(piece.data);
        }
        let references = vec!["docker.io/library/box:1".to_owned()];
        Ok(Response::new(LoadImageResponse { references, ids: Vec::new() }))
    }

    not_scripted! {
        init(InitRequest) -> InitResponse;
        join(SwarmJoinRequest) -> SwarmJoinResponse;
        leave(SwarmLeaveRequest) -> SwarmLeaveResponse;
        pull_image(PullImageRequest) -> Self::PullImageStream;
        list_images(ListImagesRequest) -> ListImagesResponse;
        inspect_image(InspectImageRequest) -> InspectImageResponse;
        remove_image(RemoveImageRequest) -> RemoveImageResponse;
    }
}
