//! Networks: making them, looking at them, removing them.

use super::ControlService;
use crate::{
    clock::new_id,
    status::{of_find, of_network, of_problems, of_propose},
    store::ProposeError,
};
use manager_core::{
    ipam, networks,
    requests::{find, network},
    state::{Refusal, State},
};
use proto::{
    model::{Network, NetworkSpec, Service},
    wire::{
        self, CreateNetworkRequest, GetNetworkRequest, ListNetworksRequest, ListNetworksResponse,
        RemoveNetworkRequest, RemoveNetworkResponse,
    },
};
use std::sync::Arc;
use tonic::{Request, Status};
use tracing::info;

impl ControlService {
    pub(super) async fn create_network(
        &self,
        request: Request<CreateNetworkRequest>,
    ) -> Result<wire::Network, Status> {
        let spec = request
            .into_inner()
            .spec
            .ok_or_else(|| Status::invalid_argument("the request has no network"))?;
        let spec = NetworkSpec::try_from(spec).map_err(of_problems)?;
        let id = new_id();
        loop {
            let state = self.state().await?;
            let transaction =
                network::create(&state, id, spec.clone(), self.clock.now()).map_err(of_network)?;
            match self.store.propose(transaction).await {
                Ok(_) => break,
                // Another network was made at the same moment: this one gets other addresses, or the
                // request is refused in words.
                Err(ProposeError::Refused(Refusal::NetworkClash(_))) => {}
                Err(error) => return Err(of_propose(error)),
            }
        }
        info!(network = %id, "network created");
        let state = self.store.snapshot();
        let network =
            state.network(id).ok_or_else(|| Status::not_found("the network was removed meanwhile"))?;
        Ok(view(&state, network))
    }

    pub(super) async fn list_networks(
        &self,
        _: Request<ListNetworksRequest>,
    ) -> Result<ListNetworksResponse, Status> {
        let state = self.state().await?;
        Ok(ListNetworksResponse { networks: state.networks().map(|network| view(&state, network)).collect() })
    }

    pub(super) async fn get_network(
        &self,
        request: Request<GetNetworkRequest>,
    ) -> Result<wire::Network, Status> {
        let state = self.state().await?;
        let network = find::network(&state, &request.into_inner().network).map_err(of_find)?;
        Ok(view(&state, network))
    }

    pub(super) async fn remove_network(
        &self,
        request: Request<RemoveNetworkRequest>,
    ) -> Result<RemoveNetworkResponse, Status> {
        let name = request.into_inner().network;
        let id = loop {
            let state = self.state().await?;
            let found = find::network(&state, &name).map_err(of_find)?;
            let transaction = network::remove(&state, found).map_err(of_network)?;
            match self.store.propose(transaction).await {
                Ok(_) => break found.id,
                // A service attached to it at the same moment: looked at again, it is named.
                Err(ProposeError::Refused(Refusal::InUse(_))) => {}
                Err(error) => return Err(of_propose(error)),
            }
        };
        info!(network = %id, "network removed");
        Ok(RemoveNetworkResponse { id: id.to_string() })
    }
}

/// A network with who uses it, and how much of it is used.
fn view(state: &State, network: &Network) -> wire::Network {
    let uses = |service: &&Arc<Service>| networks::uses(network, &service.spec);
    let service_ids = state.services_in(network.id).filter(uses).map(|service| service.id.to_string());
    let task_ids = network::connected(state, network.id).map(|task| task.id.to_string());
    let mut view = wire::Network {
        addresses_used: ipam::Numbers::of(state, network).used(),
        addresses_total: ipam::total(network),
        service_ids: service_ids.collect(),
        task_ids: task_ids.collect(),
        ..wire::Network::from(network)
    };
    for (lease, id) in view.nodes.iter_mut().zip(network.nodes.keys()) {
        let data_path = state.node(*id).and_then(|node| networks::data_path(node));
        lease.data_path_addr = data_path.map_or_else(String::new, |addr| addr.to_string());
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, macvlan_in, network_spec, node, service};

    #[test]
    fn a_network_is_shown_with_its_nodes_and_users() {
        let mut bench = Bench::new();
        bench.add(node(1).data_path("192.0.2.9"));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").network(front).ingress_port(80));
        bench.settle();
        let shown = |id| view(&bench.state, bench.state.network(id).unwrap());
        let ingress = networks::ingress(&bench.state).unwrap().id;
        for network in [shown(front), shown(ingress)] {
            assert_eq!(network.service_ids, [web.to_string()]);
            assert_eq!(network.nodes[0].data_path_addr, "192.0.2.9");
        }
        // A router, a task, and a virtual address.
        assert_eq!(shown(front).addresses_used, 3);
    }

    #[test]
    fn of_a_network_on_a_link_of_the_nodes_their_own_addresses_are_used() {
        let mut bench = Bench::new();
        bench.add(node(1).data_path("192.0.2.2"));
        let lan = bench.add_network(macvlan_in("lan", "192.0.2.0/29"));
        bench.create(service("web").network(lan).replicas(9));
        bench.settle();
        let shown = view(&bench.state, bench.state.network(lan).unwrap());
        // Eight without the first, the last and the gateway, one of which is the node's.
        assert_eq!((shown.addresses_used, shown.addresses_total), (5, 5));
    }
}
