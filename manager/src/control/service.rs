//! The control RPCs: each hands over to the file of its noun.

use crate::{
    clock::Clock,
    dispatcher::{Hub, LogBroker, NetworkQuestions},
    leadership::Leadership,
    status::of_propose,
    store::Store,
};
use futures::Stream;
use manager_core::state::State;
use proto::wire::{self, control_server};
use std::pin::Pin;
use tonic::{Request, Response, Status};

/// Answers people.
#[derive(Clone)]
pub struct ControlService {
    /// The state.
    pub store: Store,
    /// Who leads.
    pub leadership: Leadership,
    /// The agents' sessions.
    pub hub: Hub,
    /// The log streams.
    pub logs: LogBroker,
    /// What nodes are asked about networks.
    pub questions: NetworkQuestions,
    /// The leader's clock.
    pub clock: Clock,
}

pub(super) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl ControlService {
    /// The service for a listener.
    pub fn server(self) -> control_server::ControlServer<Self> {
        control_server::ControlServer::new(self)
    }

    /// The state with every change acknowledged so far.
    pub(super) async fn state(&self) -> Result<State, Status> {
        self.store.current().await.map_err(of_propose)
    }
}

/// Implements the service: each unary call goes to the method of the same name in its noun's file.
macro_rules! control {
    ($($method:ident($request:ident) -> $answer:ident;)*) => {
        #[tonic::async_trait]
        impl control_server::Control for ControlService {
            type WatchServiceStream = Answers<wire::ServiceView>;
            type LogsStream = Answers<wire::LogChunk>;

            async fn watch_service(
                &self,
                request: Request<wire::WatchServiceRequest>,
            ) -> Result<Response<Self::WatchServiceStream>, Status> {
                self.watch(request.into_inner()).await.map(Response::new)
            }

            async fn logs(&self, request: Request<wire::LogsRequest>) -> Result<Response<Self::LogsStream>, Status> {
                self.read_logs(request.into_inner()).await.map(Response::new)
            }

            $(async fn $method(&self, request: Request<wire::$request>) -> Result<Response<wire::$answer>, Status> {
                ControlService::$method(self, request).await.map(Response::new)
            })*
        }
    };
}

control! {
    get_cluster(GetClusterRequest) -> Cluster;
    update_cluster(UpdateClusterRequest) -> Cluster;
    get_join_tokens(GetJoinTokensRequest) -> JoinTokensResponse;
    rotate_join_token(RotateJoinTokenRequest) -> JoinTokensResponse;
    list_nodes(ListNodesRequest) -> ListNodesResponse;
    get_node(GetNodeRequest) -> Node;
    update_node(UpdateNodeRequest) -> Node;
    remove_node(RemoveNodeRequest) -> RemoveNodeResponse;
    create_service(CreateServiceRequest) -> Service;
    list_services(ListServicesRequest) -> ListServicesResponse;
    get_service(GetServiceRequest) -> Service;
    update_service(UpdateServiceRequest) -> Service;
    rollback_service(RollbackServiceRequest) -> Service;
    explain_service(ExplainServiceRequest) -> ExplainServiceResponse;
    control_rollout(ControlRolloutRequest) -> Service;
    service_history(ServiceHistoryRequest) -> ServiceHistoryResponse;
    remove_service(RemoveServiceRequest) -> RemoveServiceResponse;
    list_tasks(ListTasksRequest) -> ListTasksResponse;
    get_task(GetTaskRequest) -> Task;
    create_network(CreateNetworkRequest) -> Network;
    list_networks(ListNetworksRequest) -> ListNetworksResponse;
    get_network(GetNetworkRequest) -> Network;
    remove_network(RemoveNetworkRequest) -> RemoveNetworkResponse;
    connect_task(ConnectTaskRequest) -> Task;
    disconnect_task(DisconnectTaskRequest) -> Task;
    check_networks(CheckNetworksRequest) -> CheckNetworksResponse;
    create_payload(CreatePayloadRequest) -> Payload;
    list_payloads(ListPayloadsRequest) -> ListPayloadsResponse;
    get_payload(GetPayloadRequest) -> Payload;
    update_payload(UpdatePayloadRequest) -> UpdatePayloadResponse;
    remove_payload(RemovePayloadRequest) -> RemovePayloadResponse;
    apply_stack(ApplyStackRequest) -> ApplyStackResponse;
    list_stacks(ListStacksRequest) -> ListStacksResponse;
    get_stack(GetStackRequest) -> Stack;
    remove_stack(RemoveStackRequest) -> RemoveStackResponse;
}
