//! Stacks: everything of one asked for, and answered, at once.

use super::{ControlService, addresses, payload_uses, services};
use crate::{
    clock::RandomIds,
    status::{of_find, of_problems, of_propose},
    store::ProposeError,
};
use manager_core::{
    liveness::Liveness,
    requests::{
        find,
        stack::{self, Action, NewIds, StackChange, StackObject},
    },
    stacks,
    state::{ObjectId, Refusal, State},
};
use proto::{
    model::{Id, IdSource, Name, NetworkId, Problems, Stack, StackId, StackSpec, Timestamp},
    wire::{
        self, ApplyStackRequest, ApplyStackResponse, GetStackRequest, ListStacksRequest, ListStacksResponse,
        RemoveStackRequest, RemoveStackResponse,
        stack_change::{Action as WireAction, Kind},
    },
};
use std::collections::BTreeMap;
use tonic::{Request, Status};
use tracing::info;

impl ControlService {
    pub(super) async fn apply_stack(
        &self,
        request: Request<ApplyStackRequest>,
    ) -> Result<ApplyStackResponse, Status> {
        let ApplyStackRequest { spec, prune, dry_run } = request.into_inner();
        let wanted = spec.ok_or_else(|| Status::invalid_argument("the request has no stack"))?;
        let networks = new_networks(&wanted);
        loop {
            let state = self.state().await?;
            let spec = checked(&state, wanted.clone(), &networks)?;
            let ids = NewIds { networks: networks.clone(), ..NewIds::draw(&spec, &mut RandomIds) };
            let names: Vec<Name> = spec.services.iter().map(|one| one.spec.name.clone()).collect();
            let applied = stack::apply(&state, spec, prune, &ids, self.clock.now()).map_err(of_refusals)?;
            let changes = applied.changes.iter().map(wire_change).collect();
            if dry_run {
                let changes = self.foreseen(&applied.state, changes).await?;
                return answer(&applied.state, applied.stack, &names, changes);
            }
            if !applied.transaction.changes.is_empty() {
                match self.store.propose(applied.transaction).await {
                    Ok(_) => info!(stack = %applied.stack, "stack changed"),
                    // Something came first at the same moment: looked at again, it is named.
                    Err(ProposeError::Refused(refusal)) if came_first(&refusal) => continue,
                    Err(error) => return Err(of_propose(error)),
                }
            }
            return answer(&self.store.snapshot(), applied.stack, &names, changes);
        }
    }

    /// Adds to each service which of its tasks would be started and replaced.
    async fn foreseen(
        &self,
        state: &State,
        mut changes: Vec<wire::StackChange>,
    ) -> Result<Vec<wire::StackChange>, Status> {
        let liveness = Liveness { leader_since: Timestamp(0), contacts: self.hub.contacts() };
        let named = |change: &wire::StackChange| {
            state.service_named(&change.name.parse().ok()?).map(|service| service.id)
        };
        let changed = |change: &&wire::StackChange| {
            change.kind() == Kind::Service
                && matches!(change.action(), WireAction::Create | WireAction::Update)
        };
        let services = changes.iter().filter(changed).filter_map(named).collect();
        let (now, seen) = (self.clock.now(), state.clone());
        // Each step is a decision on the whole cluster, and there are many.
        let foreseen = tokio::task::spawn_blocking(move || {
            stacks::foresee(&seen, &services, now, &liveness, &mut RandomIds)
        });
        let foreseen = foreseen.await.map_err(|_| Status::internal("the plan could not be made"))?;
        for change in &mut changes {
            let Some(service) = change.name.parse().ok().and_then(|name| state.service_named(&name)) else {
                continue;
            };
            let own =
                foreseen.iter().filter(|one| change.kind() == Kind::Service && one.service == service.id);
            let planned = |one: &stacks::Foreseen| wire::PlannedTask {
                name: format!("{}.{}", change.name, one.slot),
                replaces: one.replaces.map(|task| task.to_string()).unwrap_or_default(),
                node_id: one.node.map(|node| node.to_string()).unwrap_or_default(),
                message: one.message.clone(),
            };
            change.tasks = own.map(planned).collect();
        }
        Ok(changes)
    }

    pub(super) async fn list_stacks(
        &self,
        _: Request<ListStacksRequest>,
    ) -> Result<ListStacksResponse, Status> {
        let state = self.state().await?;
        Ok(ListStacksResponse { stacks: state.stacks().map(|stack| view(&state, stack)).collect() })
    }

    pub(super) async fn get_stack(&self, request: Request<GetStackRequest>) -> Result<wire::Stack, Status> {
        let state = self.state().await?;
        let stack = find::stack(&state, &request.into_inner().stack).map_err(of_find)?;
        Ok(view(&state, stack))
    }

    pub(super) async fn remove_stack(
        &self,
        request: Request<RemoveStackRequest>,
    ) -> Result<RemoveStackResponse, Status> {
        let name = request.into_inner().stack;
        loop {
            let state = self.state().await?;
            let found = find::stack(&state, &name).map_err(of_find)?;
            let removed = stack::remove(&state, found, self.clock.now()).map_err(of_refusals)?;
            match self.store.propose(removed.transaction).await {
                Ok(_) => {
                    info!(stack = %found.id, "stack removed");
                    let texts = |names: Vec<Name>| names.iter().map(ToString::to_string).collect();
                    return Ok(RemoveStackResponse {
                        id: found.id.to_string(),
                        services: texts(removed.services),
                        networks: texts(removed.networks),
                    });
                }
                Err(ProposeError::Refused(refusal)) if came_first(&refusal) => {}
                Err(error) => return Err(of_propose(error)),
            }
        }
    }
}

/// Whether looking again will show what is in the way, if anything.
fn came_first(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Stale { .. }
            | Refusal::NotFound(ObjectId::Network(_))
            | Refusal::PortTaken { .. }
            | Refusal::NetworkClash(_)
            | Refusal::NameTaken(_)
    )
}

/// Ids for networks that may have to be made.
fn new_networks(wanted: &wire::StackSpec) -> BTreeMap<Name, NetworkId> {
    let names = wanted.networks.iter().filter_map(|network| network.name.parse().ok());
    names.map(|name| (name, Id::from_bits(RandomIds.next_bits()))).collect()
}

/// What a user asks for, with the networks that are named found: those of the cluster, and those that the stack makes.
fn checked(
    state: &State,
    mut wanted: wire::StackSpec,
    new: &BTreeMap<Name, NetworkId>,
) -> Result<StackSpec, Status> {
    let mut problems = Problems::default();
    for service in wanted.services.iter_mut().filter_map(|service| service.spec.as_mut()) {
        let mut own = Vec::new();
        if let Some(task) = &mut service.task {
            let made = |attachment: &wire::NetworkAttachment| {
                let name = attachment.network.parse::<Name>().ok()?;
                state.network_named(&name).is_none().then(|| new.get(&name)).flatten()
            };
            let (theirs, others): (Vec<_>, Vec<_>) =
                task.attachments.drain(..).partition(|attachment| made(attachment).is_some());
            own = theirs;
            for attachment in &mut own {
                attachment.network = made(attachment).map(ToString::to_string).unwrap_or_default();
            }
            task.attachments = others;
        }
        let mut found = Problems::default();
        addresses::find_networks(state, service, &mut found);
        payload_uses::find(state, service, &mut found);
        for problem in found.0 {
            problems.add(format!("service {}: {}", service.name, problem.field), problem.message);
        }
        service.task.get_or_insert_default().attachments.extend(own);
    }
    match StackSpec::try_from(wanted) {
        Ok(spec) => problems.finish(spec).map_err(of_problems),
        Err(others) => {
            problems.0.extend(others.0);
            Err(of_problems(problems))
        }
    }
}

/// What is in the way, a line each.
fn of_refusals(problems: Problems) -> Status {
    Status::failed_precondition(problems.to_string())
}

fn wire_change(change: &StackChange) -> wire::StackChange {
    let action = match change.action {
        Action::None => WireAction::None,
        Action::Create => WireAction::Create,
        Action::Update => WireAction::Update,
        Action::Remove => WireAction::Remove,
    };
    let (kind, before, after) = match &change.object {
        StackObject::Network => (Kind::Network, None, None),
        StackObject::Service { before, after } => (
            Kind::Service,
            before.as_deref().map(wire::ServiceSpec::from),
            after.as_deref().map(wire::ServiceSpec::from),
        ),
    };
    wire::StackChange {
        kind: kind.into(),
        name: change.name.to_string(),
        action: action.into(),
        before,
        after,
        tasks: Vec::new(),
    }
}

fn answer(
    state: &State,
    id: StackId,
    names: &[Name],
    changes: Vec<wire::StackChange>,
) -> Result<ApplyStackResponse, Status> {
    let stack = state.stack(id).ok_or_else(|| Status::not_found("the stack was removed meanwhile"))?;
    let found = names.iter().filter_map(|name| state.service_named(name));
    Ok(ApplyStackResponse {
        stack: Some(view(state, stack)),
        changes,
        services: found.map(|service| services::view(state, service)).collect(),
    })
}

/// A stack with what belongs to it.
fn view(state: &State, stack: &Stack) -> wire::Stack {
    wire::Stack {
        service_ids: stacks::services_of(state, stack).map(|service| service.id.to_string()).collect(),
        network_ids: stacks::networks_of(state, stack).map(|id| id.to_string()).collect(),
        ..wire::Stack::from(stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, network_spec, service, stack as a_stack};

    #[test]
    fn services_find_the_stacks_new_networks_and_those_of_the_cluster() {
        let mut bench = Bench::new();
        let back = bench.add_network(network_spec("back"));
        let spec = a_stack("shop").network("shop_front").service(service("shop_web")).build();
        let mut wanted = wire::StackSpec::from(&spec);
        let attach = |wanted: &mut wire::StackSpec, names: &[&str]| {
            let attachment =
                |name: &&str| wire::NetworkAttachment { network: name.to_string(), aliases: vec![] };
            let task = wanted.services[0].spec.as_mut().unwrap().task.as_mut().unwrap();
            task.attachments = names.iter().map(attachment).collect();
        };
        attach(&mut wanted, &["shop_front", "back"]);
        let new = new_networks(&wanted);
        let found = checked(&bench.state, wanted.clone(), &new).unwrap();
        let networks: Vec<NetworkId> =
            found.services[0].spec.task.attachments.iter().map(|attachment| attachment.network).collect();
        assert_eq!(networks, [back, new[&"shop_front".parse().unwrap()]]);
        attach(&mut wanted, &["gone", "host"]);
        let refused = checked(&bench.state, wanted, &new).unwrap_err();
        assert_eq!(
            refused.message(),
            "service shop_web: --network: network gone not found\nservice shop_web: --network: host is a network of each node's own, and is used alone"
        );
    }
}
