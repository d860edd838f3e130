//! Requests about services: what is refused, and what an accepted one makes.

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
    assert_eq!(rollback(&bench.state, &present, GoBack::default(), bench.now), Err(ServiceError::NoIngress));
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
    let refused =
        rollback(&bench.state, bench.state.service(web).unwrap(), GoBack::default(), bench.now).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "service `web` has no previous spec to roll back to: `shoal service history` shows what it had"
    );
}
