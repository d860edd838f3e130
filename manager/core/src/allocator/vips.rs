//! Virtual addresses: one for each service in each of its networks, unless its name is answered with
//! the addresses of its tasks.

use super::no_free_address;
use crate::{
    Decision,
    decision::unchanged,
    ipam::Numbers,
    networks::wants_vips,
    orchestrator::slots::holds_node,
    state::{Change, State},
};
use proto::model::{EndpointMode, Network, NetworkId, Service, ServiceId};
use std::collections::BTreeMap;

/// Gives services the addresses they want and takes those back that they do not. Answers with what the
/// tasks of those services say for which there is none.
pub(super) fn decide(state: &State, decision: &mut Decision) -> BTreeMap<ServiceId, String> {
    let mut numbers: BTreeMap<NetworkId, Numbers<'_>> = BTreeMap::new();
    let mut wanting = BTreeMap::new();
    // One that is being removed keeps its addresses until its tasks have ended.
    for service in state.services().filter(|service| !service.removing) {
        let wanted: Vec<&Network> = wants_vips(state, service).collect();
        if wanted.is_empty() && service.vips.is_empty() {
            continue;
        }
        let mut vips = service.vips.clone();
        vips.retain(|id, _| wanted.iter().any(|it| it.id == *id) || is_left_slowly(state, service, *id));
        for network in wanted {
            if vips.contains_key(&network.id) {
                continue;
            }
            let numbers = numbers.entry(network.id).or_insert_with(|| Numbers::of(state, network));
            match numbers.take_vip() {
                Some(vip) => drop(vips.insert(network.id, vip)),
                None => drop(wanting.insert(service.id, no_free_address(network))),
            }
        }
        if vips != service.vips {
            decision.propose(unchanged(service), [Change::SetVips { service: service.id, vips }]);
        }
    }
    wanting
}

/// Whether tasks of a service are still in a network that it leaves: those that call it there go on
/// until the rollout has replaced them.
fn is_left_slowly(state: &State, service: &Service, network: NetworkId) -> bool {
    service.spec.endpoint_mode == EndpointMode::Vip
        && state
            .tasks_of(service.id)
            .any(|task| holds_node(task) && task.addresses.iter().any(|address| address.network == network))
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, network_spec, node, service};
    use proto::model::EndpointMode;

    #[test]
    fn a_service_has_a_virtual_address_in_each_of_its_networks_before_its_tasks_run() {
        let mut bench = Bench::new();
        let [front, back] = ["front", "back"].map(|name| bench.add_network(network_spec(name)));
        let web = bench.create(service("web").network(front).network(back));
        bench.pass();
        let vips = bench.service(web).vips.clone();
        assert_eq!((vips[&front], vips[&back], vips.len()), (254, 254, 2));
        let db = bench.create(service("db").network(back));
        bench.pass();
        assert_eq!(bench.service(db).vips[&back], 253);
    }

    #[test]
    fn another_endpoint_mode_gives_the_address_back_without_new_tasks() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").network(front));
        bench.settle();
        let task = bench.live(web)[0].id;
        bench.update(web, |spec| spec.endpoint_mode = EndpointMode::Dnsrr);
        bench.settle();
        assert!(bench.service(web).vips.is_empty());
        bench.update(web, |spec| spec.endpoint_mode = EndpointMode::Vip);
        bench.settle();
        assert_eq!(bench.service(web).vips.len(), 1);
        assert_eq!(bench.live(web)[0].id, task);
    }

    #[test]
    fn a_network_that_a_service_leaves_keeps_its_address_until_the_last_task_there_has_ended() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").replicas(2).network(front));
        bench.settle();
        bench.update(web, |spec| spec.task.attachments.clear());
        bench.pass();
        assert!(bench.service(web).vips.contains_key(&front));
        bench.settle();
        assert!(bench.service(web).vips.is_empty());
        assert_eq!(bench.state.held_in(front).count(), 0);
    }

    #[test]
    fn a_service_that_publishes_on_every_node_has_no_virtual_address_in_the_ingress_network() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let web = bench.create(service("web").ingress_port(80));
        bench.settle();
        assert!(bench.service(web).vips.is_empty());
        let ingress = crate::networks::ingress(&bench.state).unwrap().id;
        assert_eq!(bench.live(web)[0].addresses.iter().map(|it| it.network).collect::<Vec<_>>(), [ingress]);
    }
}
