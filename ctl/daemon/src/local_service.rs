//! What a person asks of this one daemon.

use crate::{
    images,
    node::{Node, NodeError, Snapshot, Standing},
};
use manager::StartError;
use proto::wire::{
    self, InfoRequest, InfoResponse, InitRequest, InitResponse, InspectImageRequest, InspectImageResponse,
    ListImagesRequest, ListImagesResponse, LoadImageRequest, LoadImageResponse, ManagerAddr,
    PullImageRequest, PullProgress, RemoveImageRequest, RemoveImageResponse, SwarmJoinRequest,
    SwarmJoinResponse, SwarmLeaveRequest, SwarmLeaveResponse, node_local_server,
};
use std::collections::BTreeMap;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use worker_images::{ImageStore, ImageUse};

/// Answers people on this node.
#[derive(Clone)]
pub struct LocalService {
    /// The node.
    pub node: Node,
    /// Its images.
    pub store: ImageStore,
}

#[tonic::async_trait]
impl node_local_server::NodeLocal for LocalService {
    type PullImageStream = ReceiverStream<Result<PullProgress, Status>>;

    async fn info(&self, _: Request<InfoRequest>) -> Result<Response<InfoResponse>, Status> {
        let images = images::list(&self.store).await?.images.len();
        let mut description = worker::describe(self.node.config.labels.clone(), None);
        description.hostname.clone_from(&self.node.config.hostname);
        let mut info = InfoResponse {
            version: self.node.config.version.clone(),
            data_dir: self.node.config.data_dir.display().to_string(),
            description: Some((&description).into()),
            images: u32::try_from(images).unwrap_or(u32::MAX),
            cgroup_version: crate::machine::cgroup_version().to_owned(),
            kernel_version: crate::machine::kernel_version(),
            ..InfoResponse::default()
        };
        let standing = self.node.standing();
        info.state = state_word(&standing).to_owned();
        if let Standing::Trouble(trouble) = standing {
            info.error = trouble;
        } else if let Standing::Active(Snapshot { membership, manager, agent }) = standing {
            info.node_id = membership.node.to_string();
            info.cluster_id = membership.cluster.to_string();
            info.role = wire::Role::from(membership.role).into();
            info.advertise_addr.clone_from(&membership.advertise_addr);
            info.containers_running = agent.containers_running();
            info.leader = manager.as_ref().is_some_and(|manager| manager.leadership().my_term().is_some());
            info.managers = membership
                .managers
                .into_iter()
                .map(|addr| ManagerAddr { node_id: String::new(), addr })
                .collect();
        }
        Ok(Response::new(info))
    }

    async fn init(&self, request: Request<InitRequest>) -> Result<Response<InitResponse>, Status> {
        let made = self.node.init(request.into_inner()).await.map_err(of_node)?;
        Ok(Response::new(InitResponse {
            node_id: made.membership.node.to_string(),
            worker_token: made.worker_token.to_string(),
            manager_token: made.manager_token.to_string(),
            advertise_addr: made.membership.advertise_addr,
        }))
    }

    async fn join(&self, request: Request<SwarmJoinRequest>) -> Result<Response<SwarmJoinResponse>, Status> {
        let membership = self.node.join(request.into_inner()).await.map_err(of_node)?;
        let role = wire::Role::from(membership.role).into();
        Ok(Response::new(SwarmJoinResponse { node_id: membership.node.to_string(), role }))
    }

    async fn leave(
        &self,
        request: Request<SwarmLeaveRequest>,
    ) -> Result<Response<SwarmLeaveResponse>, Status> {
        self.node.leave(request.into_inner().force).await.map_err(of_node)?;
        Ok(Response::new(SwarmLeaveResponse {}))
    }

    async fn load_image(
        &self,
        request: Request<Streaming<LoadImageRequest>>,
    ) -> Result<Response<LoadImageResponse>, Status> {
        images::load(&self.store, request.into_inner()).await.map(Response::new)
    }

    async fn pull_image(
        &self,
        request: Request<PullImageRequest>,
    ) -> Result<Response<Self::PullImageStream>, Status> {
        let insecure = self.node.config.insecure_registries.clone();
        let steps = images::pull(self.store.clone(), insecure, request.into_inner())?;
        Ok(Response::new(ReceiverStream::new(steps)))
    }

    async fn list_images(
        &self,
        _: Request<ListImagesRequest>,
    ) -> Result<Response<ListImagesResponse>, Status> {
        images::list(&self.store).await.map(Response::new)
    }

    async fn inspect_image(
        &self,
        request: Request<InspectImageRequest>,
    ) -> Result<Response<InspectImageResponse>, Status> {
        images::inspect(&self.store, request.into_inner()).await.map(Response::new)
    }

    async fn remove_image(
        &self,
        request: Request<RemoveImageRequest>,
    ) -> Result<Response<RemoveImageResponse>, Status> {
        let running = match self.node.snapshot() {
            Some(snapshot) => {
                snapshot.agent.running_images().await.map_err(|error| images::of_store(&error))?
            }
            None => BTreeMap::new(),
        };
        let in_use =
            move |image| running.get(&image).map_or(ImageUse::Unused, |task| ImageUse::Running(task.clone()));
        images::remove(&self.store, request.into_inner(), in_use).await.map(Response::new)
    }
}

/// As docker calls it.
fn state_word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Outside => "inactive",
        Standing::Changing => "pending",
        Standing::Trouble(_) => "error",
        Standing::Active(_) => "active",
    }
}

fn of_node(error: NodeError) -> Status {
    let text = images::sentence(&error);
    match error {
        NodeError::Problems(_) => Status::invalid_argument(text),
        NodeError::Active
        | NodeError::Unresumed(_)
        | NodeError::Inactive
        | NodeError::StillJoining(_)
        | NodeError::Needed(_)
        | NodeError::Listen { .. }
        | NodeError::Enrol(_)
        | NodeError::Manager(StartError::Join(_)) => Status::failed_precondition(text),
        _ => Status::internal(text),
    }
}
