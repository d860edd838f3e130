//! A manager as the worker sees one: it takes sessions, assigns what a test says, and notes what it hears.

use futures::{StreamExt, future::BoxFuture};
use proto::{
    model::{Role, Task, TaskId, TaskState, TaskStatus},
    wire::{
        AgentMessage, Assignments, LogDemand, LogLine, LogOptions, ManagerList, ManagerMessage, ManagerPeer,
        NetworkFindings, NetworkQuestion, PublishLogsRequest, PublishLogsResponse, Registered, StatusAck,
        agent_message,
        dispatcher_server::{Dispatcher, DispatcherServer},
        manager_message,
    },
};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    net::TcpListener,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Channel, Endpoint, Server},
};
use worker::{ConnectError, Connector};

type Outbound = mpsc::Sender<Result<ManagerMessage, Status>>;

/// What a manager has heard, and the way to the worker.
#[derive(Default)]
struct Heard {
    outbound: Option<Outbound>,
    listening: Option<AbortHandle>,
    sequence: u64,
    registrations: usize,
    heartbeats: usize,
    carried_out: u64,
    goodbyes: usize,
    statuses: Vec<(TaskId, TaskStatus)>,
    logs: Vec<LogLine>,
    warnings: Vec<String>,
    findings: Vec<NetworkFindings>,
    managers_seen: Option<(usize, Role)>,
}

/// A manager on a port of its own.
#[derive(Clone)]
pub struct Manager {
    address: SocketAddr,
    heard: Arc<Mutex<Heard>>,
    /// Ends with the last clone.
    _serving: Arc<JoinSet<()>>,
}

impl Manager {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::<Mutex<Heard>>::default();
        let service = DispatcherServer::new(Service(heard.clone()));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let incoming = TcpListenerStream::new(listener);
            Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
        });
        Self { address, heard, _serving: Arc::new(serving) }
    }

    fn look<T>(&self, look: impl FnOnce(&mut Heard) -> T) -> T {
        look(&mut self.heard.lock().unwrap())
    }

    async fn send(&self, kind: manager_message::Kind) {
        let outbound = self.look(|heard| heard.outbound.clone()).expect("a session is up");
        outbound.send(Ok(ManagerMessage { kind: Some(kind) })).await.unwrap();
    }

    /// Says that these tasks, and no others, are the node's.
    pub async fn assign(&self, tasks: &[&Task]) {
        let sequence = self.look(|heard| {
            heard.sequence += 1;
            heard.sequence
        });
        let put = tasks.iter().map(|task| (*task).into()).collect();
        self.send(manager_message::Kind::Assignments(Assignments {
            full: true,
            sequence,
            put,
            ..Assignments::default()
        }))
        .await;
    }

    /// Sends a change after one that got lost.
    pub async fn assign_with_a_gap(&self) {
        let sequence = self.look(|heard| heard.sequence + 2);
        self.send(manager_message::Kind::Assignments(Assignments { sequence, ..Assignments::default() }))
            .await;
    }

    /// Demands the logs of a task.
    pub async fn demand_logs(&self, demand: &str, task: TaskId, follow: bool) {
        let options = LogOptions { follow, stdout: true, stderr: true, ..LogOptions::default() };
        let demand = LogDemand {
            demand_id: demand.into(),
            task_ids: vec![task.to_string()],
            options: Some(options),
            cancel: false,
        };
        self.send(manager_message::Kind::Logs(demand)).await;
    }

    /// Asks what the node has of all networks.
    pub async fn ask_of_networks(&self, question: &str) {
        let question = NetworkQuestion { question_id: question.into(), ..NetworkQuestion::default() };
        self.send(manager_message::Kind::NetworkQuestion(question)).await;
    }

    pub fn findings(&self) -> Vec<NetworkFindings> {
        self.look(|heard| heard.findings.clone())
    }

    /// Breaks the session.
    pub fn hang_up(&self) {
        self.look(|heard| {
            heard.outbound = None;
            heard.listening.take().inspect(AbortHandle::abort);
        });
    }

    pub fn is_up(&self) -> bool {
        self.look(|heard| heard.outbound.as_ref().is_some_and(|outbound| !outbound.is_closed()))
    }

    pub fn registrations(&self) -> usize {
        self.look(|heard| heard.registrations)
    }

    pub fn heartbeats(&self) -> usize {
        self.look(|heard| heard.heartbeats)
    }

    pub fn goodbyes(&self) -> usize {
        self.look(|heard| heard.goodbyes)
    }

    pub fn managers_seen(&self) -> Option<(usize, Role)> {
        self.look(|heard| heard.managers_seen)
    }

    /// The newest status heard of a task.
    pub fn status(&self, task: TaskId) -> Option<TaskStatus> {
        self.statuses(task).pop()
    }

    /// Every status heard of a task.
    pub fn statuses(&self, task: TaskId) -> Vec<TaskStatus> {
        self.look(|heard| {
            heard.statuses.iter().filter(|(id, _)| *id == task).map(|(_, status)| status.clone()).collect()
        })
    }

    /// Whether a task was said to have come so far.
    pub fn has_heard(&self, task: TaskId, state: TaskState) -> bool {
        self.status(task).is_some_and(|status| status.state >= state)
    }

    pub fn log_text(&self) -> String {
        self.look(|heard| {
            heard.logs.iter().map(|line| String::from_utf8_lossy(&line.data).into_owned()).collect()
        })
    }

    pub fn log_warnings(&self) -> Vec<String> {
        self.look(|heard| heard.warnings.clone())
    }
}

impl Connector for Manager {
    fn channel(&self) -> BoxFuture<'_, Result<Channel, ConnectError>> {
        Box::pin(async {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address))?;
            Ok(endpoint.connect().await?)
        })
    }

    fn advertise_addr(&self) -> Option<String> {
        None
    }

    fn on_managers(&self, managers: Vec<worker::ManagerPeer>, role: Role) {
        self.look(|heard| heard.managers_seen = Some((managers.len(), role)));
    }
}

struct Service(Arc<Mutex<Heard>>);

#[tonic::async_trait]
impl Dispatcher for Service {
    type SessionStream = ReceiverStream<Result<ManagerMessage, Status>>;

    async fn session(
        &self,
        request: Request<Streaming<AgentMessage>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let (outbound, to_send) = mpsc::channel(64);
        let listening = tokio::spawn(listen(self.0.clone(), request.into_inner(), outbound));
        self.0.lock().unwrap().listening = Some(listening.abort_handle());
        Ok(Response::new(ReceiverStream::new(to_send)))
    }

    async fn publish_logs(
        &self,
        request: Request<Streaming<PublishLogsRequest>>,
    ) -> Result<Response<PublishLogsResponse>, Status> {
        let mut chunks = request.into_inner();
        while let Some(request) = chunks.message().await? {
            let Some(chunk) = request.chunk else { continue };
            let mut heard = self.0.lock().unwrap();
            heard.logs.extend(chunk.lines);
            heard.warnings.extend(Some(chunk.warning).filter(|warning| !warning.is_empty()));
        }
        Ok(Response::new(PublishLogsResponse {}))
    }
}

async fn listen(heard: Arc<Mutex<Heard>>, mut inbound: Streaming<AgentMessage>, outbound: Outbound) {
    use agent_message::Kind;
    let answer = |kind| Ok(ManagerMessage { kind: Some(kind) });
    while let Some(Ok(message)) = inbound.next().await {
        match message.kind {
            Some(Kind::Register(register)) => {
                assert_eq!(register.description.unwrap().os, "linux");
                let registered = Registered { heartbeat_period_ms: 50 };
                outbound.send(answer(manager_message::Kind::Registered(registered))).await.unwrap();
                let peer = ManagerPeer { node_id: "1".repeat(25), addr: "192.0.2.1:2377".into() };
                let role = proto::wire::Role::from(Role::Worker).into();
                let list = ManagerList { managers: vec![peer], role };
                outbound.send(answer(manager_message::Kind::Managers(list))).await.unwrap();
                let mut heard = heard.lock().unwrap();
                heard.registrations += 1;
                // Whatever was sent before belonged to another session.
                heard.sequence = 0;
                heard.outbound = Some(outbound.clone());
            }
            Some(Kind::Heartbeat(_)) => heard.lock().unwrap().heartbeats += 1,
            Some(Kind::CarriedOut(carried_out)) => heard.lock().unwrap().carried_out = carried_out.sequence,
            Some(Kind::Report(report)) => {
                for task in report.tasks {
                    let status = task.status.unwrap().try_into().unwrap();
                    heard.lock().unwrap().statuses.push((task.task_id.parse().unwrap(), status));
                }
                let ack = StatusAck { sequence: report.sequence };
                // The session may have been broken by the test.
                let _ = outbound.send(answer(manager_message::Kind::Ack(ack))).await;
            }
            Some(Kind::NetworkFindings(findings)) => heard.lock().unwrap().findings.push(findings),
            Some(Kind::Goodbye(_)) => {
                heard.lock().unwrap().goodbyes += 1;
                break;
            }
            None => panic!("a message of an unknown kind"),
        }
    }
    let mut heard = heard.lock().unwrap();
    if heard.outbound.as_ref().is_some_and(|current| current.same_channel(&outbound)) {
        heard.outbound = None;
    }
}
