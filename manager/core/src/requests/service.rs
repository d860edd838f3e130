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
mod tests {
    use super::*;
    use crate::testing::{Bench, ServiceBuilder, macvlan_in, network_spec, node, service};
    use proto::model::{NetworkAttachment, NetworkSpec};
    use std::sync::Arc;

    const NEW: ServiceId = ServiceId::from_bits(99);

    fn bench() -> (Bench, ServiceId) {
        let mut bench = Bench::new();
        bench.add(node(1));
        let web = bench.create(service("web").replicas(1));
        bench.settle();
        (bench, web)
    }

    fn updated(
        bench: &Bench,
        web: ServiceId,
        version: u64,
        spec: ServiceSpec,
    ) -> Result<Transaction, ServiceError> {
        update(&bench.state, bench.state.service(web).unwrap(), version, spec, bench.now)
    }

    #[test]
    fn a_name_is_given_once() {
        let (bench, _) = bench();
        let taken = create(&bench.state, NEW, service("web").build(), bench.now);
        assert_eq!(taken, Err(ServiceError::NameTaken("web".into())));
    }

    #[test]
    fn an_update_is_stale_only_if_the_spec_has_changed() {
        let (mut bench, web) = bench();
        let seen = bench.state.service(web).unwrap().version;
        bench.fail_one(web);
        bench.settle();
        assert!(bench.state.service(web).unwrap().version > seen);
        let spec = service("web").replicas(2).build();
        bench.apply(&updated(&bench, web, seen, spec.clone()).unwrap());
        let stale = updated(&bench, web, seen, spec);
        assert_eq!(stale, Err(ServiceError::OutOfSequence { name: "web".into(), given: seen }));
    }

    #[test]
    fn name_and_mode_stay() {
        let (bench, web) = bench();
        let seen = bench.state.service(web).unwrap().version;
        let renamed = updated(&bench, web, seen, service("www").replicas(1).build());
        assert_eq!(renamed, Err(ServiceError::Rename("web".into())));
        let global = updated(&bench, web, seen, service("web").global().build());
        assert_eq!(global, Err(ServiceError::ModeChange("web".into())));
    }

    #[test]
    fn a_service_that_is_being_removed_is_not_changed() {
        let (mut bench, web) = bench();
        bench.remove(web);
        let service = bench.state.service(web).unwrap();
        assert_eq!(
            rollback(&bench.state, service, GoBack::default(), bench.now),
            Err(ServiceError::BeingRemoved("web".into()))
        );
    }

    #[test]
    fn the_ingress_network_and_networks_that_are_gone_are_not_attached_to() {
        let bench = Bench::new();
        let ingress = crate::networks::ingress(&bench.state).unwrap().id;
        let refused = create(&bench.state, NEW, service("web").network(ingress).build(), bench.now);
        assert_eq!(refused, Err(ServiceError::IngressAttached("ingress".into())));
        let gone = NetworkId::from_bits(77);
        let refused = create(&bench.state, NEW, service("web").network(gone).build(), bench.now);
        assert_eq!(refused, Err(ServiceError::NetworkGone(gone)));
    }

    #[test]
    fn without_an_ingress_network_no_port_is_published_on_every_node_not_even_by_a_rollback() {
        let (mut bench, web) = bench();
        let publishing = |spec: &ServiceSpec| {
            let ports = service("web").ingress_port(80).build().ports;
            ServiceSpec { ports, ..spec.clone() }
        };
        bench.update(web, |spec| *spec = publishing(spec));
        bench.settle();
        bench.update(web, |spec| spec.ports.clear());
        bench.settle();
        let ingress = networks::ingress(&bench.state).unwrap().id;
        let refused = bench.state.apply(&Transaction::of(vec![Change::DeleteNetwork(ingress)]));
        assert!(refused.is_err(), "the service may go back to it");
        let mut present = Service::clone(bench.state.service(web).unwrap());
        let previous = present.previous.take();
        bench.change(Change::PutService(Box::new(present.clone())));
        bench.change(Change::DeleteNetwork(ingress));
        let seen = bench.state.service(web).unwrap().version;
        let updated = updated(&bench, web, seen, publishing(&present.spec));
        assert_eq!(updated, Err(ServiceError::NoIngress));
        let created = create(&bench.state, NEW, service("other").ingress_port(81).build(), bench.now);
        assert_eq!(created, Err(ServiceError::NoIngress));
        assert!(create(&bench.state, NEW, service("other").host_port(81).build(), bench.now).is_ok());
        present.previous = previous;
        assert_eq!(
            rollback(&bench.state, &present, GoBack::default(), bench.now),
            Err(ServiceError::NoIngress)
        );
    }

    #[test]
    fn tasks_of_internal_networks_are_not_promised_a_way_to_their_nodes() {
        let mut bench = Bench::new();
        let back = bench.add_network(NetworkSpec { internal: true, ..network_spec("back") });
        let front = bench.add_network(network_spec("front"));
        let mut spec = service("web").network(back).build();
        spec.task.container.hosts = vec!["h:host-gateway".parse().unwrap()];
        assert_eq!(create(&bench.state, NEW, spec.clone(), bench.now), Err(ServiceError::NoWayToHost));
        spec.task.attachments.push(NetworkAttachment { network: front, aliases: Default::default() });
        assert!(create(&bench.state, NEW, spec.clone(), bench.now).is_ok());
        spec.task.attachments.clear();
        assert!(create(&bench.state, NEW, spec.clone(), bench.now).is_ok());
        spec.task.network = TaskNetwork::None;
        assert_eq!(create(&bench.state, NEW, spec, bench.now), Err(ServiceError::NoWayToHost));
    }

    #[test]
    fn a_port_of_a_node_is_not_published_for_tasks_that_nodes_do_not_lead_to() {
        let mut bench = Bench::new();
        let back = bench.add_network(NetworkSpec { internal: true, ..network_spec("back") });
        let lan = bench.add_network(macvlan_in("lan", "192.0.2.0/24"));
        let front = bench.add_network(network_spec("front"));
        let created = |service: ServiceBuilder| create(&bench.state, NEW, service.build(), bench.now);
        let web = || service("web").network(back).network(lan);
        assert_eq!(created(web().host_port(80)), Err(ServiceError::NoWayForPorts));
        assert!(created(web().network(front).host_port(80)).is_ok());
        assert!(created(web().ingress_port(80)).is_ok());
    }

    #[test]
    fn an_update_is_not_refused_for_names_it_leaves_as_they_are() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").network(front));
        let api = bench.create(service("api").network(front));
        // As it was allowed once.
        let mut with_alias = Service::clone(bench.state.service(web).unwrap());
        Arc::make_mut(&mut with_alias.spec).task.attachments[0].aliases =
            ["api", "v1"].map(|name| name.parse().unwrap()).into();
        bench.change(Change::PutService(Box::new(with_alias)));
        bench.settle();
        let refused = create(&bench.state, NEW, service("v1").network(front).build(), bench.now);
        assert!(matches!(refused, Err(ServiceError::Alias(_))), "{refused:?}");
        let seen = bench.state.service(api).unwrap().version;
        let scaled = service("api").network(front).replicas(2).build();
        assert!(updated(&bench, api, seen, scaled).is_ok());
    }

    #[test]
    fn a_rollback_without_a_previous_spec_is_refused() {
        let (bench, web) = bench();
        let refused = rollback(&bench.state, bench.state.service(web).unwrap(), GoBack::default(), bench.now)
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "service `web` has no previous spec to roll back to: `shoal service history` shows what it had"
        );
    }
}
