//! Creating and removing networks.

use crate::{
    ipam::{self, IpamError},
    networks,
    state::{Change, Expect, Holder, ObjectId, State, Transaction},
};
use proto::model::{Network, NetworkId, NetworkSpec, Timestamp};

/// Says why a network can't be made or removed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Another network has the name.
    #[error("name `{0}` is already in use by another network: choose another one")]
    NameTaken(String),
    /// There is one ingress network.
    #[error("network `{0}` carries the published ports already: leave --ingress out")]
    IngressTaken(String),
    /// It can't have addresses.
    #[error(transparent)]
    Addresses(#[from] IpamError),
    /// Services attach to it.
    #[error(
        "network `{name}` is in use by {}: update or remove them first{}",
        services.join(", "),
        if *may_go_back { " (a service counts as long as it can be rolled back to the network)" } else { "" }
    )]
    InUse {
        /// The network's name.
        name: String,
        /// The services' names.
        services: Vec<String>,
        /// Whether one of them only had it before its last update.
        may_go_back: bool,
    },
    /// Tasks that have not ended hold addresses in it.
    #[error("network `{name}` is in use by {tasks} tasks that are being stopped: try again in a moment")]
    HeldByTasks {
        /// The network's name.
        name: String,
        /// How many.
        tasks: usize,
    },
    /// The cluster would make it anew.
    #[error("network `{0}` carries the published ports of the cluster and can't be removed")]
    IsIngress(String),
}

/// Creates a network, with addresses of its own.
pub fn create(
    state: &State,
    id: NetworkId,
    spec: NetworkSpec,
    now: Timestamp,
) -> Result<Transaction, NetworkError> {
    if state.network_named(&spec.name).is_some() {
        return Err(NetworkError::NameTaken(spec.name.to_string()));
    }
    if let Some(other) = networks::ingress(state).filter(|_| spec.ingress) {
        return Err(NetworkError::IngressTaken(other.spec.name.to_string()));
    }
    let network = ipam::new_network(state, id, spec, now)?;
    let expect = vec![Expect { object: ObjectId::Network(id), version: 0 }];
    Ok(Transaction { expect, changes: vec![Change::PutNetwork(Box::new(network))] })
}

/// Removes a network that nothing uses.
pub fn remove(state: &State, network: &Network) -> Result<Transaction, NetworkError> {
    let name = network.spec.name.to_string();
    if network.spec.ingress {
        return Err(NetworkError::IsIngress(name));
    }
    let users: Vec<_> = state.services_in(network.id).collect();
    if !users.is_empty() {
        let attaches = |it: &proto::model::NetworkAttachment| it.network == network.id;
        let may_go_back = users.iter().any(|service| !service.spec.task.attachments.iter().any(attaches));
        let services = users.iter().map(|service| format!("service `{}`", service.spec.name)).collect();
        return Err(NetworkError::InUse { name, services, may_go_back });
    }
    let tasks = state.held_in(network.id).filter(|(_, holder)| matches!(holder, Holder::Task(_))).count();
    if tasks > 0 {
        return Err(NetworkError::HeldByTasks { name, tasks });
    }
    Ok(Transaction::of(vec![Change::DeleteNetwork(network.id)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_spec, node, service};

    const NEW: NetworkId = NetworkId::from_bits(99);

    #[test]
    fn a_name_is_given_once() {
        let mut bench = Bench::new();
        bench.add_network(network_spec("front"));
        let taken = create(&bench.state, NEW, network_spec("front"), bench.now);
        assert_eq!(taken, Err(NetworkError::NameTaken("front".into())));
    }

    #[test]
    fn there_is_one_ingress_network_and_it_stays() {
        let bench = Bench::new();
        let spec = NetworkSpec { ingress: true, ..network_spec("other") };
        let taken = create(&bench.state, NEW, spec, bench.now);
        assert_eq!(taken, Err(NetworkError::IngressTaken("ingress".into())));
        let refused = remove(&bench.state, networks::ingress(&bench.state).unwrap());
        assert_eq!(refused, Err(NetworkError::IsIngress("ingress".into())));
    }

    #[test]
    fn a_network_is_removed_once_nothing_uses_it_and_till_then_its_users_are_named() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let front = bench.add_network(network_spec("front"));
        let web = bench.create(service("web").network(front));
        bench.settle();
        let refusal = |bench: &Bench| {
            remove(&bench.state, bench.state.network(front).unwrap()).unwrap_err().to_string()
        };
        assert_eq!(
            refusal(&bench),
            "network `front` is in use by service `web`: update or remove them first"
        );
        bench.update(web, |spec| spec.task.attachments.clear());
        bench.settle();
        assert!(refusal(&bench).contains("rolled back"), "{}", refusal(&bench));
        bench.update_image(web, "app:2");
        bench.settle();
        let removal = remove(&bench.state, bench.state.network(front).unwrap()).unwrap();
        bench.apply(&removal);
        assert!(bench.state.network(front).is_none());
    }
}
