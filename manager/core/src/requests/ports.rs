//! Ports that a service can't publish, because another one has them.

use super::service::ServiceError;
use crate::{
    ports::{PortNumber, choose, clash, gained, user_of},
    state::State,
};
use proto::model::{PortMode, PublishedPort, Service, ServiceMode};
use std::{collections::BTreeSet, sync::Arc};

/// Gives a service the ports it asks for, as it would be written; `before` is what is known of it. Refuses a port that
/// another service publishes on every node, and one that would cut the cluster off from itself if every node answered for
/// it. Refuses a host port only where it is certain never to be free: whether two other services can share the nodes there
/// are depends on where their tasks are, and the scheduler sorts that out.
pub(super) fn claim(
    state: &State,
    before: Option<&Service>,
    mut service: Service,
) -> Result<Service, ServiceError> {
    choose(state, &mut service)?;
    let gained = gained(before, &service);
    for (port, _) in gained.iter().filter(|(_, mode)| *mode == PortMode::Ingress) {
        if let Some(user) = user_of(state, *port) {
            return Err(ServiceError::PortReserved { port: *port, user });
        }
    }
    if let Some(clash) = clash(state, before, &service) {
        return Err(clash.into());
    }
    let others = state.services().filter(|other| other.id != service.id && !other.removing);
    for holder in others.filter(|other| is_wherever(other, &service)) {
        let theirs: BTreeSet<_> = holder.spec.host_ports().filter_map(PortNumber::of).collect();
        let is_held = |port: &&PublishedPort| {
            let number = PortNumber::of(port).filter(|number| theirs.contains(number));
            number.is_some_and(|number| gained.contains(&(number, PortMode::Host)))
        };
        if let Some(&port) = service.spec.host_ports().find(is_held) {
            return Err(ServiceError::PortTaken { port, holder: holder.spec.name.to_string() });
        }
    }
    Ok(service)
}

/// Whether a service is global, and on every node that another one may have tasks on.
fn is_wherever(global: &Arc<Service>, service: &Service) -> bool {
    let constraints = &service.spec.task.constraints;
    global.spec.mode == ServiceMode::Global
        && global.spec.task.constraints.iter().all(|constraint| constraints.contains(constraint))
}

#[cfg(test)]
mod tests {
    use crate::{
        requests::service::{create, rollback},
        state::Refusal,
        testing::{BROKEN_IMAGE, Bench, node, service},
        updater::GoBack,
    };
    use proto::model::{CHOSEN_PORTS, FailureAction, PortMode, PortProtocol, ServiceId, ServiceSpec};

    const NEW: ServiceId = ServiceId::from_bits(99);

    fn refusal(bench: &Bench, spec: ServiceSpec) -> String {
        create(&bench.state, NEW, spec, bench.now).unwrap_err().to_string()
    }

    fn is_free(bench: &Bench, spec: ServiceSpec) -> bool {
        create(&bench.state, NEW, spec, bench.now).is_ok()
    }

    fn numbers(bench: &Bench, id: ServiceId) -> Vec<u16> {
        crate::ports::published(&bench.service(id))
            .filter_map(|port| port.published)
            .map(Into::into)
            .collect()
    }

    #[test]
    fn a_port_that_a_global_service_has_on_every_node_is_refused() {
        let mut bench = Bench::new();
        bench.create(service("proxy").global().host_port(80));
        let refused = refusal(&bench, service("web").host_port(80).build());
        assert!(
            refused.starts_with("port *:80->80/tcp is published on every node by global service `proxy`"),
            "{refused}"
        );
        assert!(is_free(&bench, service("web").host_port(81).build()));
    }

    #[test]
    fn a_port_that_a_global_service_has_wherever_the_other_could_run_is_refused() {
        let mut bench = Bench::new();
        let front = "node.labels.zone==front";
        bench.create(service("proxy").global().constraint(front).host_port(80));
        let inside = service("web").constraint(front).constraint("node.role==worker").host_port(80);
        assert!(refusal(&bench, inside.build()).contains("global service `proxy`"));
        assert!(is_free(&bench, service("web").host_port(80).build()));
    }

    #[test]
    fn a_port_that_the_cluster_itself_needs_is_not_published_on_every_node() {
        let mut bench = Bench::new();
        bench.add(node(1).manager());
        let refused = refusal(&bench, service("web").ingress_port(2377).build());
        assert!(
            refused.contains("port 2377/tcp") && refused.contains("a manager is reached there"),
            "{refused}"
        );
        let mut tunnel = service("web").ingress_port(4789).build();
        assert!(is_free(&bench, tunnel.clone()));
        tunnel.ports[0].protocol = PortProtocol::Udp;
        assert!(refusal(&bench, tunnel).contains("nodes receive networks' packets there"));
        assert!(is_free(&bench, service("web").host_port(2377).build()));
    }

    #[test]
    fn a_port_of_every_node_is_published_by_one_service_however_the_other_would_publish_it() {
        let mut bench = Bench::new();
        bench.create(service("proxy").ingress_port(80));
        let web = bench.create(service("web").host_port(81));
        for other in [service("other").ingress_port(80), service("other").host_port(80)] {
            let refused = refusal(&bench, other.build());
            assert!(
                refused.starts_with("port 80/tcp of every node is taken by service `proxy`"),
                "{refused}"
            );
        }
        let over_host_port = refusal(&bench, service("other").ingress_port(81).build());
        assert!(over_host_port.contains("by service `web`"), "{over_host_port}");
        bench.remove(web);
        assert!(is_free(&bench, service("other").ingress_port(81).build()));
    }

    #[test]
    fn of_two_services_made_at_the_same_moment_one_gets_the_port() {
        for (one, other) in [
            (service("one").ingress_port(80), service("other").ingress_port(80)),
            (service("one").host_port(80), service("other").ingress_port(80)),
            (service("one").chosen_port(80), service("other").chosen_port(80)),
        ] {
            let mut bench = Bench::new();
            let made =
                |bench: &Bench, id, spec| create(&bench.state, ServiceId::from_bits(id), spec, bench.now);
            let [first, second] =
                [(5, one.build()), (6, other.build())].map(|(id, spec)| made(&bench, id, spec).unwrap());
            bench.apply(&first);
            assert!(matches!(bench.state.apply(&second), Err(Refusal::PortTaken { .. })));
        }
    }

    #[test]
    fn a_port_without_a_number_gets_one_that_it_keeps_over_updates() {
        let mut bench = Bench::new();
        bench.add(node(1));
        bench.create(service("named").ingress_port(30_001));
        let web = bench.create(service("web").chosen_port(80).chosen_port(81));
        assert_eq!(numbers(&bench, web), [30_000, 30_002]);
        bench.settle();
        bench.update(web, |spec| {
            spec.task.container.image = "app:2".into();
            spec.ports.remove(0);
        });
        assert_eq!(numbers(&bench, web), [30_002]);
        let other = bench.create(service("other").chosen_port(80));
        // The one before may still come back.
        assert_eq!(numbers(&bench, other), [30_003]);
        bench.settle();
        let third = bench.create(service("third").chosen_port(80));
        assert_eq!(numbers(&bench, third), [30_000]);
        bench.remove(web);
        let fourth = bench.create(service("fourth").chosen_port(80));
        assert_eq!(numbers(&bench, fourth), [30_002]);
    }

    #[test]
    fn when_no_port_is_left_it_is_said_which_ones_were_looked_at() {
        let mut bench = Bench::new();
        let mut all = service("all");
        for port in CHOSEN_PORTS {
            all = all.ingress_port(port);
        }
        bench.create(all);
        let refused = refusal(&bench, service("web").chosen_port(80).build());
        assert!(
            refused.starts_with("no port is left for target 80/tcp, 30000 to 32767 are all taken: give one"),
            "{refused}"
        );
        let mut other = service("web").chosen_port(80).build();
        other.ports[0].protocol = PortProtocol::Udp;
        assert!(is_free(&bench, other));
    }

    #[test]
    fn an_update_that_may_be_rolled_back_by_itself_finds_its_ports_again() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let rolled_back =
            |config: &mut proto::model::RolloutConfig| config.failure_action = FailureAction::Rollback;
        let web = bench.create(service("web").ingress_port(80).update(rolled_back));
        bench.settle();
        bench.update(web, |spec| {
            spec.task.container.image = BROKEN_IMAGE.into();
            spec.ports[0].published = 81.try_into().ok();
        });
        bench.pass();
        for port in [80, 81] {
            assert!(refusal(&bench, service("other").ingress_port(port).build()).contains("service `web`"));
        }
        bench.settle();
        assert_eq!(numbers(&bench, web), [80]);
        assert!(is_free(&bench, service("other").ingress_port(81).build()));
    }

    #[test]
    fn another_port_of_every_node_needs_no_new_tasks_and_one_of_the_tasks_own_does() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let web = bench.create(service("web").ingress_port(80));
        bench.settle();
        let task = bench.live(web)[0].id;
        bench.update(web, |spec| spec.ports[0].published = 81.try_into().ok());
        bench.settle();
        assert_eq!((bench.live(web)[0].id, numbers(&bench, web)), (task, vec![81]));
        bench.update(web, |spec| spec.ports[0].mode = PortMode::Host);
        bench.settle();
        assert_ne!(bench.live(web)[0].id, task);
    }

    #[test]
    fn going_back_to_a_port_that_another_service_has_by_now_is_refused() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let web = bench.create(service("web").ingress_port(80));
        bench.settle();
        bench.update(web, |spec| spec.ports[0].published = 81.try_into().ok());
        bench.settle();
        bench.create(service("other").ingress_port(80));
        let refused = rollback(&bench.state, &bench.service(web), GoBack::default(), bench.now)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("is taken by service `other`"), "{refused}");
    }
}
