//! Networks by their names, and addresses in words: what people write and read, between the ids and
//! numbers that the managers keep.

use manager_core::{
    ports,
    requests::find::{self, FindError},
    state::State,
};
use proto::{
    model::{NetworkAddress, Problems, Service, Task},
    wire,
};

/// Puts the ids of the networks that a spec attaches to in place of what the user called them.
pub(super) fn find_networks(state: &State, spec: &mut wire::ServiceSpec, problems: &mut Problems) {
    let Some(task) = &mut spec.task else { return };
    task.attachments.retain_mut(|attachment| match find::network(state, &attachment.network) {
        Ok(network) => {
            attachment.network = network.id.to_string();
            true
        }
        Err(FindError::NotFound { name, .. }) => {
            problems.add("--network", format!("network {name} not found"));
            false
        }
        Err(FindError::OfEachNode(name)) => {
            problems.add("--network", format!("{name} is a network of each node's own, and is used alone"));
            false
        }
        Err(error @ FindError::Ambiguous { .. }) => {
            problems.add("--network", error);
            false
        }
    });
}

/// A task with its addresses in words, and the ports that lead to it: those of its node, which it has for good, and those
/// of every node, which its service has now.
pub(super) fn task_view(state: &State, task: &Task) -> wire::Task {
    let addresses = task.addresses.iter().map(|&address| in_words(state, address)).collect();
    let service = state.service(task.service).filter(|_| task.spec.publishes_ingress());
    let of_every_node = service.into_iter().flat_map(|service| ports::of_every_node(service));
    let ports = task.spec.host_ports().copied().chain(of_every_node).map(|port| (&port).into()).collect();
    wire::Task { addresses, ports, ..wire::Task::from(task) }
}

/// A service's virtual addresses in words.
pub(super) fn of_service(state: &State, service: &Service) -> Vec<wire::NetworkAddress> {
    let vips = service.vips.iter().map(|(&network, &number)| NetworkAddress { network, number });
    vips.map(|vip| in_words(state, vip)).collect()
}

/// An address with both families written out. A network that is gone leaves only the number.
fn in_words(state: &State, address: NetworkAddress) -> wire::NetworkAddress {
    let mut words = wire::NetworkAddress::from(&address);
    if let Some(network) = state.network(address.network) {
        let (ipv4, number) = (network.ipv4, address.number);
        words.ipv4 = format!("{}/{}", ipv4.address(number), ipv4.subnet.prefix_len());
        if let Some(ipv6) = network.ipv6 {
            words.ipv6 = format!("{}/{}", ipv6.address(number), ipv6.subnet.prefix_len());
        }
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, network_in, node, service};

    #[test]
    fn a_network_is_found_by_its_name_and_one_that_is_not_there_is_named() {
        let mut bench = Bench::new();
        let front = bench.add_network(network_in("front", "10.7.0.0/24"));
        let mut spec = wire::ServiceSpec::from(&service("web").build());
        let named = |name: &str| wire::NetworkAttachment { network: name.into(), ..Default::default() };
        spec.task.as_mut().unwrap().attachments = vec![named("front"), named("back")];
        let mut problems = Problems::default();
        find_networks(&bench.state, &mut spec, &mut problems);
        assert_eq!(problems.to_string(), "--network: network back not found");
        let found: Vec<String> = spec.task.unwrap().attachments.into_iter().map(|it| it.network).collect();
        assert_eq!(found, [front.to_string()]);
    }

    #[test]
    fn addresses_are_written_with_the_prefix_of_their_network() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let front = bench.add_network(network_in("front", "10.7.0.0/24"));
        let web = bench.create(service("web").network(front));
        bench.settle();
        let task = task_view(&bench.state, &bench.live(web)[0]);
        assert_eq!(task.addresses[0].ipv4, "10.7.0.3/24");
        let vips = of_service(&bench.state, &bench.service(web));
        assert_eq!((vips[0].ipv4.as_str(), vips[0].ipv6.as_str()), ("10.7.0.254/24", ""));
    }
}
