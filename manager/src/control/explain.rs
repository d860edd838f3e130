//! Why a service's tasks are where they are, and where another one would go.

use super::ControlService;
use crate::status::of_find;
use manager_core::{
    liveness::Liveness,
    requests::find,
    scheduler::{self, NodeFit},
    state::State,
};
use proto::wire::{self, ExplainServiceRequest, ExplainServiceResponse};
use tonic::{Request, Status};

impl ControlService {
    pub(super) async fn explain_service(
        &self,
        request: Request<ExplainServiceRequest>,
    ) -> Result<ExplainServiceResponse, Status> {
        let state = self.state().await?;
        let service = find::service(&state, &request.into_inner().service).map_err(of_find)?;
        let now = self.clock.now();
        // What counts here is who is connected, not since when.
        let liveness = Liveness { leader_since: now, contacts: self.hub.contacts() };
        Ok(match scheduler::fits(&state, service, &liveness, now) {
            Ok(fits) => ExplainServiceResponse {
                nodes: fits.into_iter().map(|fit| on_wire(&state, fit)).collect(),
                reason: String::new(),
            },
            Err(reason) => ExplainServiceResponse { nodes: Vec::new(), reason },
        })
    }
}

fn on_wire(state: &State, fit: NodeFit) -> wire::NodeFit {
    let described = state.node(fit.node).and_then(|node| node.description.as_ref());
    wire::NodeFit {
        node_id: fit.node.to_string(),
        hostname: described.map(|description| description.hostname.clone()).unwrap_or_default(),
        reasons: fit.reasons,
        avoided: fit.is_avoided,
        next: fit.is_next,
        tasks_of_service: fit.tasks_of_service,
        tasks: fit.tasks,
    }
}
