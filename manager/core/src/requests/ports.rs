//! Ports that a service can't publish, because another one has them.

use super::service::ServiceError;
use crate::state::State;
use proto::model::{
    Node, PortMode, PortProtocol, PublishedPort, Service, ServiceId, ServiceMode, ServiceSpec,
};
use std::sync::Arc;

/// Where nodes receive the packets of networks (RFC 7348, 5).
const VXLAN_PORT: u16 = 4789;

/// Refuses a port that another service publishes on every node, and one that would cut the cluster off from itself if every
/// node answered for it. Refuses a host port only where it is certain never to be free. Whether two other services can
/// share the nodes there are depends on where their tasks are; the scheduler sorts that out.
pub(super) fn check(state: &State, id: ServiceId, spec: &ServiceSpec) -> Result<(), ServiceError> {
    let others = || state.services().filter(|service| service.id != id && !service.removing);
    let number = |port: &PublishedPort| (port.protocol, port.published);
    for &port in spec.ports.iter().filter(|port| port.mode == PortMode::Ingress) {
        if let Some(user) = user_of(state, &port) {
            return Err(ServiceError::PortReserved { port, user });
        }
    }
    for holder in others() {
        let clashes = |port: &&PublishedPort| {
            let mut held = holder.spec.ports.iter().filter(|held| number(held) == number(port));
            held.any(|held| PortMode::Ingress == held.mode || PortMode::Ingress == port.mode)
        };
        if let Some(&port) = spec.ports.iter().find(clashes) {
            return Err(ServiceError::IngressPortTaken { port, holder: holder.spec.name.to_string() });
        }
    }
    let is_everywhere = |service: &&Arc<Service>| {
        let spec = &service.spec;
        spec.mode == ServiceMode::Global && spec.task.constraints.is_empty()
    };
    for holder in others().filter(is_everywhere) {
        let is_held =
            |port: &&PublishedPort| holder.spec.ports.iter().any(|held| number(held) == number(port));
        let taken = spec.ports.iter().find(is_held);
        if let Some(&port) = taken {
            return Err(ServiceError::PortTaken { port, holder: holder.spec.name.to_string() });
        }
    }
    Ok(())
}

/// Says who of the cluster itself needs a port.
fn user_of(state: &State, port: &PublishedPort) -> Option<&'static str> {
    let serves_there = |node: &Node| {
        let addr = node.manager.as_ref().map(|manager| manager.addr.as_str()).unwrap_or_default();
        addr.rsplit_once(':').and_then(|(_, number)| number.parse().ok()) == Some(port.published.get())
    };
    match port.protocol {
        PortProtocol::Tcp => {
            state.nodes().any(|node| serves_there(node)).then_some("a manager is reached there")
        }
        PortProtocol::Udp => {
            (port.published.get() == VXLAN_PORT).then_some("nodes receive networks' packets there")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        requests::service::create,
        testing::{Bench, node, service},
    };

    const NEW: ServiceId = ServiceId::from_bits(99);

    #[test]
    fn a_port_that_a_global_service_has_on_every_node_is_refused() {
        let mut bench = Bench::new();
        bench.create(service("proxy").global().host_port(80));
        let refused = create(&bench.state, NEW, service("web").host_port(80).build(), bench.now).unwrap_err();
        assert!(
            refused
                .to_string()
                .starts_with("port *:80->80/tcp is published on every node by global service `proxy`")
        );
        assert!(create(&bench.state, NEW, service("web").host_port(81).build(), bench.now).is_ok());
    }

    #[test]
    fn a_port_that_the_cluster_itself_needs_is_not_published_on_every_node() {
        let mut bench = Bench::new();
        bench.add(node(1).manager());
        let published = |spec: ServiceSpec| create(&bench.state, NEW, spec, bench.now).map(drop);
        let refused = published(service("web").ingress_port(2377).build()).unwrap_err().to_string();
        assert!(
            refused.contains("port 2377/tcp") && refused.contains("a manager is reached there"),
            "{refused}"
        );
        let mut tunnel = service("web").ingress_port(4789).build();
        published(tunnel.clone()).unwrap();
        tunnel.ports[0].protocol = PortProtocol::Udp;
        assert!(matches!(published(tunnel), Err(ServiceError::PortReserved { .. })));
        published(service("web").host_port(2377).build()).unwrap();
    }

    #[test]
    fn a_port_of_every_node_is_published_by_one_service_however_the_other_would_publish_it() {
        let mut bench = Bench::new();
        bench.create(service("proxy").ingress_port(80));
        let web = bench.create(service("web").host_port(81));
        for other in [service("other").ingress_port(80), service("other").host_port(80)] {
            let refused = create(&bench.state, NEW, other.build(), bench.now).unwrap_err().to_string();
            assert!(
                refused.starts_with("port 80/tcp of every node is taken by service `proxy`"),
                "{refused}"
            );
        }
        let over_host_port = create(&bench.state, NEW, service("other").ingress_port(81).build(), bench.now);
        assert!(
            matches!(over_host_port, Err(ServiceError::IngressPortTaken { holder, .. }) if holder == "web")
        );
        bench.remove(web);
        assert!(create(&bench.state, NEW, service("other").ingress_port(81).build(), bench.now).is_ok());
    }
}
