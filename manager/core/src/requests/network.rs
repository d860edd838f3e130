//! Creating and removing networks.

use crate::{
    ipam::{self, IpamError},
    networks,
    state::{Change, Expect, Holder, ObjectId, State, Transaction},
};
use proto::model::{Network, NetworkId, NetworkSpec, ParentLink, Task, Timestamp};

/// Says why a network can't be made or removed as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// Another network has the name.
    #[error("name `{0}` is already in use by another network: choose another one")]
    NameTaken(String),
    /// There is one ingress network.
    #[error(
        "network `{0}` carries the published ports already, and there is one at a time: leave --ingress out, or remove \
         that one first"
    )]
    IngressTaken(String),
    /// Two networks on one link would be one.
    #[error(
        "link {parent} has network `{name}` on it already, and whoever is on one link reaches each other: attach services \
         to that one, or take another link or a VLAN of this one, such as parent={}.100",
        parent.vlan().map_or(parent.as_str(), |(base, _)| base)
    )]
    ParentTaken {
        /// The link.
        parent: ParentLink,
        /// The network that is on it.
        name: String,
    },
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
    /// Tasks were connected to it.
    #[error(
        "network `{name}` is in use by {}: disconnect {} first (`shoal network disconnect {name} TASK`)",
        list(tasks), if tasks.len() == 1 { "it" } else { "them" }
    )]
    Connected {
        /// The network's name.
        name: String,
        /// The tasks' names.
        tasks: Vec<String>,
    },
    /// Tasks that have not ended hold addresses in it.
    #[error("network `{name}` is in use by {} that {} being stopped: try again in a moment", list(tasks), if tasks.len() == 1 { "is" } else { "are" })]
    HeldByTasks {
        /// The network's name.
        name: String,
        /// The tasks' names.
        tasks: Vec<String>,
    },
}

/// How many users of a network are named.
const USERS_MAX: usize = 10;

/// The first few tasks by name.
fn list(tasks: &[String]) -> String {
    let named: Vec<String> = tasks.iter().take(USERS_MAX).map(|task| format!("task `{task}`")).collect();
    match tasks.len().saturating_sub(USERS_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} other tasks", named.join(", ")),
    }
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
    if let Some(parent) = spec.kind.parent()
        && let Some(other) = state.networks().find(|other| other.spec.kind.parent() == Some(parent))
    {
        return Err(NetworkError::ParentTaken { parent: parent.clone(), name: other.spec.name.to_string() });
    }
    let network = ipam::new_network(state, id, spec, now)?;
    let expect = vec![Expect { object: ObjectId::Network(id), version: 0 }];
    Ok(Transaction { expect, changes: vec![Change::PutNetwork(Box::new(network))] })
}

/// Removes a network that nothing uses.
pub fn remove(state: &State, network: &Network) -> Result<Transaction, NetworkError> {
    let name = network.spec.name.to_string();
    let users: Vec<_> = state.services_in(network.id).collect();
    if !users.is_empty() {
        let may_go_back = users.iter().any(|service| !networks::uses(network, &service.spec));
        let services = users.iter().map(|service| format!("service `{}`", service.spec.name)).collect();
        return Err(NetworkError::InUse { name, services, may_go_back });
    }
    let (connected, others): (Vec<&Task>, Vec<&Task>) =
        tasks_in(state, network.id).partition(|task| is_connected(task, network.id));
    let names = |tasks: Vec<&Task>| tasks.into_iter().map(Task::name).collect();
    match (connected.is_empty(), others.is_empty()) {
        (false, _) => Err(NetworkError::Connected { name, tasks: names(connected) }),
        (true, false) => Err(NetworkError::HeldByTasks { name, tasks: names(others) }),
        (true, true) => Ok(Transaction::of(vec![Change::DeleteNetwork(network.id)])),
    }
}

/// The tasks that hold an address in a network.
fn tasks_in(state: &State, network: NetworkId) -> impl Iterator<Item = &Task> {
    let task = |holder| match holder {
        Holder::Task(id) => state.task(id).map(AsRef::as_ref),
        Holder::Service(_) | Holder::Node(_) => None,
    };
    state.held_in(network).filter_map(move |(_, holder)| task(holder))
}

/// The tasks that were connected to a network by hand and are to stay there.
pub fn connected(state: &State, network: NetworkId) -> impl Iterator<Item = &Task> {
    tasks_in(state, network).filter(move |task| is_connected(task, network))
}

fn is_connected(task: &Task, network: NetworkId) -> bool {
    task.is_runnable() && task.connection(network).is_some_and(|connection| !connection.leaving)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, macvlan_in, network_in, network_spec, node, service};
    use proto::model::NetworkKind;

    const NEW: NetworkId = NetworkId::from_bits(99);

    #[test]
    fn a_name_is_given_once() {
        let mut bench = Bench::new();
        bench.add_network(network_spec("front"));
        let taken = create(&bench.state, NEW, network_spec("front"), bench.now);
        assert_eq!(taken, Err(NetworkError::NameTaken("front".into())));
    }

    #[test]
    fn a_link_of_the_nodes_has_one_network_on_it_and_each_vlan_of_it_one_more() {
        let mut bench = Bench::new();
        bench.add_network(macvlan_in("lan", "192.0.2.0/24"));
        let mut other = macvlan_in("other", "198.51.100.0/24");
        let taken = create(&bench.state, NEW, other.clone(), bench.now).unwrap_err().to_string();
        assert!(taken.starts_with("link eth1 has network `lan` on it already"), "{taken}");
        assert!(taken.ends_with("such as parent=eth1.100"), "{taken}");
        let NetworkKind::Macvlan(macvlan) = &mut other.kind else { panic!("it is one") };
        macvlan.parent = "eth1.7".parse().unwrap();
        assert!(create(&bench.state, NEW, other, bench.now).is_ok());
    }

    #[test]
    fn a_removed_networks_number_on_the_wire_is_not_the_next_ones() {
        let mut bench = Bench::new();
        let made = |bench: &mut Bench| {
            let id = bench.add_network(network_spec("front"));
            let vni = bench.state.network(id).unwrap().vni;
            let removal = remove(&bench.state, bench.state.network(id).unwrap()).unwrap();
            bench.apply(&removal);
            vni
        };
        let settings = Change::PutCluster(Box::new(bench.state.cluster().unwrap().as_ref().clone()));
        let first = made(&mut bench);
        // Settings that were read before do not turn it back.
        bench.change(settings);
        assert_eq!(made(&mut bench), first + 1);
    }

    #[test]
    fn there_is_one_ingress_network_at_a_time_and_it_can_be_replaced_while_nothing_is_published() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let wanted = NetworkSpec { ingress: true, mtu: Some(1300), ..network_in("mesh", "10.9.0.0/24") };
        let taken = create(&bench.state, NEW, wanted.clone(), bench.now);
        assert_eq!(taken, Err(NetworkError::IngressTaken("ingress".into())));
        let web = bench.create(service("web").ingress_port(80));
        bench.settle();
        let removal = |bench: &Bench| remove(&bench.state, networks::ingress(&bench.state).unwrap());
        let refused = removal(&bench).unwrap_err().to_string();
        assert_eq!(refused, "network `ingress` is in use by service `web`: update or remove them first");
        bench.remove(web);
        bench.settle();
        let removed = removal(&bench).unwrap();
        bench.apply(&removed);
        assert!(bench.pass().is_empty(), "nobody makes it anew");
        let mesh = bench.add_network(wanted);
        bench.create(service("web").ingress_port(80));
        bench.settle();
        let mesh = bench.state.network(mesh).unwrap();
        assert_eq!((mesh.nodes.len(), mesh.ipv4.subnet.to_string().as_str()), (1, "10.9.0.0/24"));
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
