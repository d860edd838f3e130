//! Creating, updating, rolling back and removing services.

use super::{
    aliases::{self, AliasError},
    ports,
};
use crate::{
    networks,
    orchestrator::job,
    payloads,
    ports::{Clash, NoPortLeft, PortNumber},
    state::{Change, Expect, ObjectId, State, Transaction},
    updater::{self, ControlError, GoBack, RollbackError},
};
use proto::model::{
    NetworkId, PayloadKind, PublishedPort, Service, ServiceId, ServiceSpec, TaskNetwork, Timestamp,
};
use std::mem::discriminant;

/// Says why a service can't be made or changed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Another service has the name.
    #[error("name `{0}` is already in use by another service: choose another one, or update that service")]
    NameTaken(String),
    /// The version given is not that of the present spec.
    #[error(
        "update out of sequence: service `{name}` has changed since version {given}; look at it again and repeat"
    )]
    OutOfSequence {
        /// The service's name.
        name: String,
        /// The version given.
        given: u64,
    },
    /// Its name is in use by other things, such as the names of its tasks.
    #[error("service `{0}` can't be renamed: create a new one and remove this one")]
    Rename(String),
    /// The slots of the two kinds have nothing in common.
    #[error("service mode change is not allowed: create a new service and remove `{0}`")]
    ModeChange(String),
    /// It is on its way out.
    #[error("service `{0}` is being removed: create it anew")]
    BeingRemoved(String),
    /// No node will ever have the port free.
    #[error(
        "port {port} is published on every node by global service `{holder}`, or on all that fit: choose another port, or constrain one of the two to other nodes"
    )]
    PortTaken {
        /// The port wanted.
        port: PublishedPort,
        /// The service that has it.
        holder: String,
    },
    /// A port that is published on every node can't be published by anyone else.
    #[error("port {} of every node is taken by service `{}`, or would be taken from it: choose another port", .0.port, .0.holder)]
    IngressPortTaken(Clash),
    /// None is left to choose for a port without a number.
    #[error(transparent)]
    NoPortLeft(#[from] NoPortLeft),
    /// What every node answers for is taken from the programs that listen there.
    #[error("port {port} can't be published on every node, {user}: choose another port")]
    PortReserved {
        /// The port wanted.
        port: PortNumber,
        /// Whose it is.
        user: &'static str,
    },
    /// It is for the traffic of published ports only.
    #[error(
        "--network: network `{0}` carries the published ports and can't be attached to: leave it out, and publish a port"
    )]
    IngressAttached(String),
    /// There is none that the traffic of published ports could take.
    #[error(
        "--publish: no network carries published ports: make one with `shoal network create --ingress NAME`, or publish \
         with mode=host"
    )]
    NoIngress,
    /// A name is another's.
    #[error("--network: {0}")]
    Alias(#[from] AliasError),
    /// Published ports of a node come in by the node's own network.
    #[error(
        "--publish: with mode=host a port leads to a task by its node, and none of the tasks' networks leads there: publish \
         it without mode=host, attach the service to a network that is neither internal nor macvlan too, or leave the port \
         out"
    )]
    NoWayForPorts,
    /// Its containers could not.
    #[error(
        "--host: the tasks are to reach their nodes by `host-gateway`, and none of their networks leads there: attach the service to a network that is neither internal nor macvlan too, or leave the name out"
    )]
    NoWayToHost,
    /// A network was removed meanwhile.
    #[error("--network: network {0} not found")]
    NetworkGone(NetworkId),
    /// A secret or config was removed, or the content that is meant is gone.
    #[error(
        "--{kind}: {kind} `{name}` was removed, or has no content of version {edition} any more: update the service with `--{kind}-add` or `--{kind}-rm` instead"
    )]
    PayloadGone {
        /// What it is.
        kind: PayloadKind,
        /// Its name.
        name: String,
        /// The version that is meant.
        edition: u64,
    },
    /// Nothing to go back to.
    #[error(transparent)]
    Rollback(#[from] RollbackError),
    /// Its rollout is not in a stage for that.
    #[error(transparent)]
    Control(#[from] ControlError),
}

impl From<Clash> for ServiceError {
    fn from(clash: Clash) -> Self {
        Self::IngressPortTaken(clash)
    }
}

/// Creates a service.
pub fn create(
    state: &State,
    id: ServiceId,
    spec: ServiceSpec,
    now: Timestamp,
) -> Result<Transaction, ServiceError> {
    if state.service_named(&spec.name).is_some() {
        return Err(ServiceError::NameTaken(spec.name.to_string()));
    }
    check_ingress(state, &spec)?;
    check_networks(state, &spec)?;
    check_payloads(state, &spec)?;
    aliases::check(state, &spec.name, &spec.task.attachments)?;
    let new = job::begin(updater::new_service(id, spec, now), now);
    Ok(put(0, ports::claim(state, None, new)?))
}

/// Updates a service. `version` is that of the service as the user last saw it: any since its spec
/// last changed will do, whatever else happened to it meanwhile.
pub fn update(
    state: &State,
    service: &Service,
    version: u64,
    spec: ServiceSpec,
    now: Timestamp,
) -> Result<Transaction, ServiceError> {
    let name = || service.spec.name.to_string();
    check_present(service)?;
    if !(service.spec_version..=service.version).contains(&version) {
        return Err(ServiceError::OutOfSequence { name: name(), given: version });
    }
    if spec.name != service.spec.name {
        return Err(ServiceError::Rename(name()));
    }
    if discriminant(&spec.mode) != discriminant(&service.spec.mode) {
        return Err(ServiceError::ModeChange(name()));
    }
    if spec.ports != service.spec.ports {
        check_ingress(state, &spec)?;
    }
    check_networks(state, &spec)?;
    check_payloads(state, &spec)?;
    if spec.task.attachments != service.spec.task.attachments {
        aliases::check(state, &spec.name, &spec.task.attachments)?;
    }
    let updated = job::begin(updater::begin_update(service, spec, now), now);
    Ok(put(service.version, ports::claim(state, Some(service), updated)?))
}

/// Rolls a service back to its previous spec, or to another that it had.
pub fn rollback(
    state: &State,
    service: &Service,
    back: GoBack,
    now: Timestamp,
) -> Result<Transaction, ServiceError> {
    check_present(service)?;
    come_back(state, service, job::begin(updater::begin_rollback(service, back, now)?, now))
}

/// What a person does to a rollout that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Begins no further slot.
    Pause,
    /// Goes on after a pause.
    Resume,
    /// Brings the spec of the canaries to the other slots.
    Promote,
    /// Goes back to the spec before.
    Cancel,
}

/// Pauses, resumes, promotes or cancels the rollout of a service.
pub fn control(
    state: &State,
    service: &Service,
    control: Control,
    now: Timestamp,
) -> Result<Transaction, ServiceError> {
    check_present(service)?;
    match control {
        Control::Pause => Ok(put(service.version, updater::pause(service, now)?)),
        Control::Resume => Ok(put(service.version, updater::resume(service, now)?)),
        Control::Promote => Ok(put(service.version, updater::promote(service)?)),
        Control::Cancel => come_back(state, service, updater::cancel(service, now)?),
    }
}

/// An older spec is looked at again: networks and ports may have gone meanwhile.
fn come_back(state: &State, service: &Service, restored: Service) -> Result<Transaction, ServiceError> {
    if restored.spec.ports != service.spec.ports {
        check_ingress(state, &restored.spec)?;
    }
    check_networks(state, &restored.spec)?;
    check_payloads(state, &restored.spec)?;
    if restored.spec.task.attachments != service.spec.task.attachments {
        aliases::check(state, &restored.spec.name, &restored.spec.task.attachments)?;
    }
    Ok(put(service.version, ports::claim(state, Some(service), restored)?))
}

/// Removes a service, whose tasks are stopped first. Removing it twice is no error.
pub fn remove(service: &Service, now: Timestamp) -> Transaction {
    put(service.version, Service { removing: true, rollout: None, updated_at: now, ..service.clone() })
}

/// What is written is the whole service, so nothing at all may have changed meanwhile.
fn put(version: u64, service: Service) -> Transaction {
    let expect = vec![Expect { object: ObjectId::Service(service.id), version }];
    Transaction { expect, changes: vec![Change::PutService(Box::new(service))] }
}

fn check_present(service: &Service) -> Result<(), ServiceError> {
    match service.removing {
        true => Err(ServiceError::BeingRemoved(service.spec.name.to_string())),
        false => Ok(()),
    }
}

/// Refuses ports that no network would carry.
fn check_ingress(state: &State, spec: &ServiceSpec) -> Result<(), ServiceError> {
    match spec.publishes_ingress() && networks::ingress(state).is_none() {
        true => Err(ServiceError::NoIngress),
        false => Ok(()),
    }
}

/// Refuses secrets and configs that are gone, as they may be for an older spec.
fn check_payloads(state: &State, spec: &ServiceSpec) -> Result<(), ServiceError> {
    match payloads::gone(state, spec) {
        Some((kind, used)) => {
            let (name, edition) = (used.name.to_string(), used.edition);
            Err(ServiceError::PayloadGone { kind, name, edition })
        }
        None => Ok(()),
    }
}

/// Refuses networks that are gone, and the one that services use without naming it.
fn check_networks(state: &State, spec: &ServiceSpec) -> Result<(), ServiceError> {
    for attachment in &spec.task.attachments {
        match state.network(attachment.network) {
            None => return Err(ServiceError::NetworkGone(attachment.network)),
            Some(network) if network.spec.ingress => {
                return Err(ServiceError::IngressAttached(network.spec.name.to_string()));
            }
            Some(_) => {}
        }
    }
    let mut networks = spec.task.attachments.iter().filter_map(|it| state.network(it.network));
    let leads_out = match spec.task.network {
        TaskNetwork::Host => true,
        TaskNetwork::None => false,
        TaskNetwork::Node => {
            spec.task.attachments.is_empty() || networks.any(|network| network.spec.leads_out_by_node())
        }
    };
    if spec.task.container.wants_host() && !leads_out {
        return Err(ServiceError::NoWayToHost);
    }
    if spec.host_ports().next().is_some() && !leads_out {
        return Err(ServiceError::NoWayForPorts);
    }
    Ok(())
}

#[cfg(test)]
#[path = "service_tests.rs"]
mod tests;
