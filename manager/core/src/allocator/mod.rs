//! Allocator: gives services what the cluster hands out, before nodes are looked for.
//!
//! - Every node takes part in the ingress network, if there is one, while a port is published there.
//! - A service has a virtual address in each of its networks (`vips`). Its tasks pass on to the
//!   scheduler then; until that they say what is missing.
//! - What nodes hold of networks is given back once they do not need it ([`leases`]).
//!
//! Host ports, processors, memory and the addresses of tasks are held on a node, and are leased by the
//! scheduler when it assigns one.

pub mod leases;
mod vips;

use crate::{
    Decision, ipam, stacks,
    state::{Change, State},
};
use proto::model::{DesiredState, Network, Task, TaskState, Timestamp};

/// Hands out what there is, and lets new tasks pass on to the scheduler.
pub fn decide(state: &State, now: Timestamp) -> Decision {
    let mut decision = Decision::default();
    leases::join_ingress(state, now, &mut decision);
    let mut wanting = vips::decide(state, &mut decision);
    wanting.extend(stacks::waiting(state));
    for task in state.tasks_unplaced().filter(|task| waits(task)) {
        let message = match wanting.get(&task.service) {
            Some(message) if task.status.message != *message => message.clone(),
            None if task.status.state == TaskState::New => "waiting to be scheduled".to_owned(),
            _ => continue,
        };
        decision.propose(None, [Change::SetPending { task: task.id, message, at: now }]);
    }
    decision
}

/// What is said where a network has no number left.
pub(crate) fn no_free_address(network: &Network) -> String {
    let (name, total) = (&network.spec.name, ipam::total(network));
    format!(
        "network {name} has no free address ({total} of {total} used): create a larger one and update the service to it, or remove tasks from this one"
    )
}

fn waits(task: &Task) -> bool {
    task.desired <= DesiredState::Running
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Bench, network_in, node, service};

    #[test]
    fn a_new_task_becomes_pending_once() {
        let mut bench = Bench::new();
        let web = bench.create(service("web").replicas(1));
        bench.decide(crate::orchestrator::replicated::decide);
        bench.decide(|state, now, _| decide(state, now));
        assert_eq!(bench.states(web), [TaskState::Pending]);
        assert!(bench.decide(|state, now, _| decide(state, now)).is_empty());
    }

    #[test]
    fn tasks_that_publish_a_port_wait_for_a_network_that_carries_it() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let made = crate::networks::ingress(&bench.state).unwrap().id;
        let web = bench.create(service("web").ingress_port(80));
        // Both were asked for at the same time.
        let mut before = bench.state.clone();
        bench.change(Change::DeleteService(web));
        bench.change(Change::DeleteNetwork(made));
        std::mem::swap(&mut before, &mut bench.state);
        let refused = bench.state.apply(&crate::state::Transaction::of(vec![Change::DeleteNetwork(made)]));
        assert!(refused.is_err(), "a service publishes through it");
        let service = bench.service(web);
        bench.state = before;
        bench.change(Change::PutService(Box::new(proto::model::Service::clone(&service))));
        bench.settle();
        let waiting = bench.live(web)[0].status.message.clone();
        assert!(waiting.starts_with("no network carries its published ports: "), "{waiting}");
        bench
            .add_network(proto::model::NetworkSpec { ingress: true, ..crate::testing::network_spec("mesh") });
        bench.settle();
        assert_eq!(bench.states(web), [TaskState::Running]);
    }

    #[test]
    fn a_service_without_a_virtual_address_has_its_tasks_wait_and_say_why() {
        let mut bench = Bench::new();
        bench.add(node(1));
        // Five numbers: a router's, three tasks' and a virtual address.
        let tiny = bench.add_network(network_in("tiny", "10.9.0.0/29"));
        let first = bench.create(service("first").replicas(3).network(tiny));
        bench.settle();
        let second = bench.create(service("second").network(tiny));
        bench.settle();
        let waiting = bench.live(second)[0].clone();
        assert_eq!(waiting.status.state, TaskState::Pending);
        assert!(
            waiting.status.message.starts_with("network tiny has no free address (5 of 5 used): "),
            "{}",
            waiting.status.message
        );
        bench.scale(first, 1);
        bench.settle();
        assert_eq!(bench.states(second), [TaskState::Running]);
    }
}
