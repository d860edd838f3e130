//! Services: what people ask for.

use super::ControlService;
use crate::{
    clock::new_id,
    status::{of_find, of_problems, of_propose, of_service},
    store::ProposeError,
};
use manager_core::{
    requests::{find, service},
    state::{Refusal, State, Transaction},
};
use proto::{
    model::{DesiredState, Service, ServiceId, ServiceMode, ServiceSpec, TaskState},
    wire::{
        self, CreateServiceRequest, GetServiceRequest, ListServicesRequest, ListServicesResponse,
        RemoveServiceRequest, RemoveServiceResponse, RollbackServiceRequest, UpdateServiceRequest,
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
        let spec = checked(request.into_inner().spec)?;
        let id = new_id();
        let state = self.state().await?;
        let transaction = service::create(&state, id, spec, self.clock.now()).map_err(of_service)?;
        self.store.propose(transaction).await.map_err(of_propose)?;
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
        let spec = checked(spec)?;
        let id = self
            .change_service(&name, |state, found| {
                service::update(state, found, version, spec.clone(), self.clock.now()).map_err(of_service)
            })
            .await?;
        info!(service = %id, "service updated");
        self.answer(id)
    }

    pub(super) async fn rollback_service(
        &self,
        request: Request<RollbackServiceRequest>,
    ) -> Result<wire::Service, Status> {
        let name = request.into_inner().service;
        let roll_back =
            |_: &State, found: &Service| service::rollback(found, self.clock.now()).map_err(of_service);
        let id = self.change_service(&name, roll_back).await?;
        info!(service = %id, "service rolled back");
        self.answer(id)
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
                Err(ProposeError::Refused(Refusal::Stale { .. })) => {}
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

fn checked(spec: Option<wire::ServiceSpec>) -> Result<ServiceSpec, Status> {
    let spec = spec.ok_or_else(|| Status::invalid_argument("the request has no service"))?;
    ServiceSpec::try_from(spec).map_err(of_problems)
}

/// A service with its counts, as people see it.
pub(super) fn view(state: &State, service: &Arc<Service>) -> wire::Service {
    let (mut running, mut wanted) = (0, 0);
    for task in state.tasks_of(service.id).filter(|task| task.is_runnable()) {
        running += u32::from(task.status.state == TaskState::Running);
        wanted += u32::from(task.desired == DesiredState::Running);
    }
    let wanted = match service.spec.mode {
        ServiceMode::Replicated { replicas } => replicas,
        // As many as there are nodes that fit, which is as many as the orchestrator has made.
        ServiceMode::Global => wanted,
    };
    wire::Service { running_tasks: running, desired_tasks: wanted, ..wire::Service::from(&**service) }
}
