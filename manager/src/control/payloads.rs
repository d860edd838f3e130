//! Secrets and configs: making them, looking at them, changing and removing them.

use super::ControlService;
use crate::{
    clock::new_id,
    status::{of_find, of_payload, of_problems, of_propose},
    store::ProposeError,
};
use manager_core::{
    payloads,
    requests::{find, payload},
    state::{Refusal, State},
};
use proto::{
    convert,
    model::{Payload, PayloadId, PayloadKind, PayloadSpec},
    wire::{
        self, CreatePayloadRequest, GetPayloadRequest, ListPayloadsRequest, ListPayloadsResponse,
        RemovePayloadRequest, RemovePayloadResponse, UpdatePayloadRequest, UpdatePayloadResponse,
    },
};
use tonic::{Request, Status};
use tracing::info;

impl ControlService {
    pub(super) async fn create_payload(
        &self,
        request: Request<CreatePayloadRequest>,
    ) -> Result<wire::Payload, Status> {
        let CreatePayloadRequest { spec, content } = request.into_inner();
        let spec = spec.ok_or_else(|| Status::invalid_argument("the request has no secret or config"))?;
        let spec = PayloadSpec::try_from(spec).map_err(of_problems)?;
        let content = spec.content(content).map_err(of_problems)?;
        let (id, kind) = (new_id(), spec.kind);
        loop {
            let state = self.state().await?;
            let (spec, content) = (spec.clone(), content.clone());
            let transaction =
                payload::create(&state, id, spec, content, self.clock.now()).map_err(of_payload)?;
            match self.store.propose(transaction).await {
                Ok(_) => break,
                // Another was made at the same moment: looked at again, it is named.
                Err(ProposeError::Refused(Refusal::NameTaken(_))) => {}
                Err(error) => return Err(of_propose(error)),
            }
        }
        info!(payload = %id, "{kind} created");
        self.payload_answer(id)
    }

    pub(super) async fn list_payloads(
        &self,
        request: Request<ListPayloadsRequest>,
    ) -> Result<ListPayloadsResponse, Status> {
        let kind = kind(request.into_inner().kind)?;
        let state = self.state().await?;
        let of_kind = state.payloads().filter(|payload| payload.spec.kind == kind);
        Ok(ListPayloadsResponse { payloads: of_kind.map(|payload| payload.as_ref().into()).collect() })
    }

    pub(super) async fn get_payload(
        &self,
        request: Request<GetPayloadRequest>,
    ) -> Result<wire::Payload, Status> {
        let GetPayloadRequest { kind: number, payload } = request.into_inner();
        let state = self.state().await?;
        let payload = find::payload(&state, kind(number)?, &payload).map_err(of_find)?;
        Ok(view(&state, payload))
    }

    pub(super) async fn update_payload(
        &self,
        request: Request<UpdatePayloadRequest>,
    ) -> Result<UpdatePayloadResponse, Status> {
        let UpdatePayloadRequest { kind: number, payload: name, version, content, roll, signal, spec } =
            request.into_inner();
        let kind = kind(number)?;
        let roll = convert::roll(roll, &signal).map_err(of_problems)?;
        let spec = spec.map(PayloadSpec::try_from).transpose().map_err(of_problems)?;
        let (id, services) = loop {
            let state = self.state().await?;
            let found = find::payload(&state, kind, &name).map_err(of_find)?;
            let content = content.clone().map(|content| found.spec.content(Some(content))).transpose();
            let content = content.map_err(of_problems)?.map(|content| (content, roll));
            let edit = payload::Edit { content, spec: spec.clone(), version };
            let (transaction, services) =
                payload::update(&state, found, edit, self.clock.now()).map_err(of_payload)?;
            match self.store.propose(transaction).await {
                Ok(_) => break (found.id, services),
                // Something else has changed one of its services, or it: the change is made anew.
                Err(ProposeError::Refused(Refusal::Stale { .. })) => {}
                Err(error) => return Err(of_propose(error)),
            }
        };
        info!(payload = %id, services = services.len(), ?roll, "{kind} updated");
        Ok(UpdatePayloadResponse { payload: Some(self.payload_answer(id)?), services })
    }

    pub(super) async fn remove_payload(
        &self,
        request: Request<RemovePayloadRequest>,
    ) -> Result<RemovePayloadResponse, Status> {
        let RemovePayloadRequest { kind: number, payload: name } = request.into_inner();
        let kind = kind(number)?;
        let id = loop {
            let state = self.state().await?;
            let found = find::payload(&state, kind, &name).map_err(of_find)?;
            let transaction = payload::remove(&state, found).map_err(of_payload)?;
            match self.store.propose(transaction).await {
                Ok(_) => break found.id,
                // A service came to use it at the same moment: looked at again, it is named.
                Err(ProposeError::Refused(Refusal::InUse(_))) => {}
                Err(error) => return Err(of_propose(error)),
            }
        };
        info!(payload = %id, "{kind} removed");
        Ok(RemovePayloadResponse { id: id.to_string() })
    }

    fn payload_answer(&self, id: PayloadId) -> Result<wire::Payload, Status> {
        let state = self.store.snapshot();
        let payload = state.payload(id).ok_or_else(|| Status::not_found("it was removed meanwhile"))?;
        Ok(wire::Payload { content: None, ..view(&state, payload) })
    }
}

fn kind(number: i32) -> Result<PayloadKind, Status> {
    convert::payload_kind(number).map_err(|error| Status::invalid_argument(error.to_string()))
}

/// A secret or config with who uses it, and what a config holds.
fn view(state: &State, payload: &Payload) -> wire::Payload {
    let newest = payload.editions.values().next_back();
    let is_public = payload.spec.kind == PayloadKind::Config;
    let content = newest.filter(|_| is_public).map(|edition| edition.content.bytes().to_vec());
    let services = payloads::users(state, payload.id).map(|service| service.spec.name.to_string());
    wire::Payload {
        content: content.map(|data| wire::Content { data }),
        services: services.collect(),
        ..wire::Payload::from(payload)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, service};

    #[test]
    fn a_secret_is_shown_with_its_users_and_without_its_content() {
        let mut bench = Bench::new();
        let key = bench.add_secret("key", "hunter2");
        let used = bench.payload(key);
        bench.create(service("web").secret(&used));
        let shown = view(&bench.state, &used);
        assert_eq!((shown.content, shown.services), (None, vec!["web".to_owned()]));
        let config = Payload {
            spec: PayloadSpec { kind: PayloadKind::Config, ..used.spec.clone() },
            ..(*used).clone()
        };
        assert_eq!(
            view(&bench.state, &config).content.map(|content| content.data),
            Some(b"hunter2".to_vec())
        );
    }
}
