//! Services: what people ask for.

use super::{ControlService, addresses, payload_uses};
use crate::{
    clock::new_id,
    status::{of_find, of_problems, of_propose, of_service},
    store::ProposeError,
};
use manager_core::{
    ports,
    requests::{
        find,
        service::{self, Control},
    },
    state::{ObjectId, Refusal, State, Transaction},
    updater::GoBack,
};
use proto::{
    convert::revision,
    model::{DesiredState, Problems, Service, ServiceId, ServiceMode, ServiceSpec, TaskState},
    wire::{
        self, ControlRolloutRequest, CreateServiceRequest, GetServiceRequest, ListServicesRequest,
        ListServicesResponse, RemoveServiceRequest, RemoveServiceResponse, RollbackServiceRequest,
        ServiceHistoryRequest, ServiceHistoryResponse, UpdateServiceRequest, control_rollout_request::Action,
    },
};
use std::sync::Arc;
use tonic::{Request, Status};
use tracing::info;

impl ControlService {
    pub(super) async fn create_service(
        &self,
        request: Request<CreateServiceRequest>,
    ) -> Result<wire::Service, Status> {
        let (id, wanted) = (new_id(), request.into_inner().spec);
        loop {
            let state = self.state().await?;
            let spec = checked(&state, wanted.clone())?;
            let transaction = service::create(&state, id, spec, self.clock.now()).map_err(of_service)?;
            match self.store.propose(transaction).await {
                Ok(_) => break,
                // Something came first at the same moment: looked at again, it is named.
                Err(ProposeError::Refused(
                    Refusal::NotFound(ObjectId::Network(_) | ObjectId::Payload(_))
                    | Refusal::PortTaken { .. },
                )) => {}
                Err(error) => return Err(of_propose(error)),
            }
        }
        info!(service = %id, "service created");
        self.answer(id)
    }

    pub(super) async fn list_services(
        &self,
        _: Request<ListServicesRequest>,
    ) -> Result<ListServicesResponse, Status> {
        let state = self.state().await?;
        Ok(ListServicesResponse { services: state.services().map(|service| view(&state, service)).collect() })
    }

    pub(super) async fn get_service(
        &self,
        request: Request<GetServiceRequest>,
    ) -> Result<wire::Service, Status> {
        let state = self.state().await?;
        let service = find::service(&state, &request.into_inner().service).map_err(of_find)?;
        Ok(view(&state, service))
    }

    pub(super) async fn update_service(
        &self,
        request: Request<UpdateServiceRequest>,
    ) -> Result<wire::Service, Status> {
        let UpdateServiceRequest { service: name, version, spec } = request.into_inner();
        let id = self
            .change_service(&name, |state, found| {
                let spec = checked(state, spec.clone())?;
                service::update(state, found, version, spec, self.clock.now()).map_err(of_service)
            })
            .await?;
        info!(service = %id, "service updated");
        self.answer(id)
    }

    pub(super) async fn rollback_service(
        &self,
        request: Request<RollbackServiceRequest>,
    ) -> Result<wire::Service, Status> {
        let RollbackServiceRequest { service: name, revision, with_replicas } = request.into_inner();
        let back = GoBack { to: (revision > 0).then_some(revision), with_replicas };
        let roll_back = |state: &State, found: &Service| {
            service::rollback(state, found, back, self.clock.now()).map_err(of_service)
        };
        let id = self.change_service(&name, roll_back).await?;
        info!(service = %id, "service rolled back");
        self.answer(id)
    }

    pub(super) async fn control_rollout(
        &self,
        request: Request<ControlRolloutRequest>,
    ) -> Result<wire::Service, Status> {
        let request = request.into_inner();
        let control = match request.action() {
            Action::Pause => Control::Pause,
            Action::Resume => Control::Resume,
            Action::Promote => Control::Promote,
            Action::Cancel => Control::Cancel,
            Action::Unspecified => {
                return Err(Status::invalid_argument("the request does not say what to do to the rollout"));
            }
        };
        let change = |state: &State, found: &Service| {
            service::control(state, found, control, self.clock.now()).map_err(of_service)
        };
        let id = self.change_service(&request.service, change).await?;
        info!(service = %id, ?control, "rollout changed");
        self.answer(id)
    }

    pub(super) async fn service_history(
        &self,
        request: Request<ServiceHistoryRequest>,
    ) -> Result<ServiceHistoryResponse, Status> {
        let state = self.state().await?;
        let service = find::service(&state, &request.into_inner().service).map_err(of_find)?;
        let present = revision(&service.revision, &service.spec, service.rollout.as_ref());
        let before = service.revisions.iter().rev();
        let before = before.map(|known| revision(&known.mark, &known.spec, known.rollout.as_ref()));
        Ok(ServiceHistoryResponse { revisions: [present].into_iter().chain(before).collect() })
    }

    pub(super) async fn remove_service(
        &self,
        request: Request<RemoveServiceRequest>,
    ) -> Result<RemoveServiceResponse, Status> {
        let name = request.into_inner().service;
        let id = self.change_service(&name, |_, found| Ok(service::remove(found, self.clock.now()))).await?;
        info!(service = %id, "service removed");
        Ok(RemoveServiceResponse { id: id.to_string() })
    }

    /// Changes a service. If a loop has touched it at the same moment, the change is made anew, which
    /// checks the request again.
    async fn change_service(
        &self,
        name: &str,
        change: impl Fn(&State, &Service) -> Result<Transaction, Status>,
    ) -> Result<ServiceId, Status> {
        loop {
            let state = self.state().await?;
            let service = find::service(&state, name).map_err(of_find)?;
            match self.store.propose(change(&state, service)?).await {
                Ok(_) => return Ok(service.id),
                Err(ProposeError::Refused(
                    Refusal::Stale { .. }
                    | Refusal::NotFound(ObjectId::Network(_) | ObjectId::Payload(_))
                    | Refusal::PortTaken { .. },
                )) => {}
                Err(error) => return Err(of_propose(error)),
            }
        }
    }

    fn answer(&self, id: ServiceId) -> Result<wire::Service, Status> {
        let state = self.store.snapshot();
        let service =
            state.service(id).ok_or_else(|| Status::not_found("the service was removed meanwhile"))?;
        Ok(view(&state, service))
    }
}

/// What a user asks for, with the networks, secrets and configs that are named found.
fn checked(state: &State, spec: Option<wire::ServiceSpec>) -> Result<ServiceSpec, Status> {
    let mut spec = spec.ok_or_else(|| Status::invalid_argument("the request has no service"))?;
    let mut problems = Problems::default();
    addresses::find_networks(state, &mut spec, &mut problems);
    payload_uses::find(state, &mut spec, &mut problems);
    match ServiceSpec::try_from(spec) {
        Ok(spec) => problems.finish(spec).map_err(of_problems),
        Err(others) => {
            problems.0.extend(others.0);
            Err(of_problems(problems))
        }
    }
}

/// A service with its counts, as people see it.
pub(super) fn view(state: &State, service: &Arc<Service>) -> wire::Service {
    let (mut running, mut wanted, mut completed) = (0, 0, 0);
    for task in state.tasks_of(service.id) {
        let is_of_run = task.task_version == service.task_version;
        completed += u32::from(is_of_run && task.status.state == TaskState::Complete);
        running += u32::from(task.is_runnable() && task.status.state == TaskState::Running);
        wanted += u32::from(task.is_runnable() && task.desired == DesiredState::Running);
    }
    let wanted = match service.spec.mode {
        ServiceMode::Replicated { replicas } => replicas,
        // As many as there are nodes that fit, which is as many as the orchestrator has made.
        ServiceMode::Global | ServiceMode::GlobalJob => wanted,
        ServiceMode::ReplicatedJob { .. } if service.job.as_ref().is_some_and(|run| run.end.is_some()) => 0,
        ServiceMode::ReplicatedJob { total, max_concurrent } => {
            max_concurrent.min(total.saturating_sub(completed))
        }
    };
    let total = match service.spec.mode {
        ServiceMode::ReplicatedJob { total, .. } => total,
        _ => completed + wanted,
    };
    let vips = addresses::of_service(state, service);
    let ports = ports::published(service).map(|port| (&port).into()).collect();
    let service = wire::Service::from(&**service);
    let job =
        service.job.map(|run| wire::JobStatus { completed_tasks: completed, total_tasks: total, ..run });
    wire::Service { running_tasks: running, desired_tasks: wanted, vips, ports, job, ..service }
}
