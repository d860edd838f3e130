//! Allocator: gives services what the cluster hands out, before nodes are looked for.
//!
//! - The cluster has an ingress network, and every node takes part in it while a port is published there.
//! - A service has a virtual address in each of its networks (`vips`). Its tasks pass on to the
//!   scheduler then; until that they say what is missing.
//! - What nodes hold of networks is given back once they do not need it ([`leases`]).
//!
//! Host ports, processors, memory and the addresses of tasks are held on a node, and are leased by the
//! scheduler when it assigns one.

pub mod leases;
mod vips;

use crate::{
    Decision, ipam,
    state::{Change, State},
};
use proto::model::{DesiredState, Id, IdSource, Network, Task, TaskState, Timestamp};

/// Hands out what there is, and lets new tasks pass on to the scheduler.
pub fn decide(state: &State, now: Timestamp, ids: &mut dyn IdSource) -> Decision {
    let mut decision = Decision::default();
    make_ingress(state, now, ids, &mut decision);
    leases::join_ingress(state, now, &mut decision);
    let wanting = vips::decide(state, &mut decision);
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

fn make_ingress(state: &State, now: Timestamp, ids: &mut dyn IdSource, decision: &mut Decision) {
    if crate::networks::ingress(state).is_none()
        && let Some(network) = ipam::ingress_network(state, Id::from_bits(ids.next_bits()), now)
    {
        decision.propose(None, [Change::PutNetwork(Box::new(network))]);
    }
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
        bench.decide(decide);
        assert_eq!(bench.states(web), [TaskState::Pending]);
        assert!(bench.decide(decide).is_empty());
    }

    #[test]
    fn a_cluster_without_an_ingress_network_gets_one() {
        let mut bench = Bench::new();
        let made = crate::networks::ingress(&bench.state).unwrap().id;
        bench.change(Change::DeleteNetwork(made));
        bench.pass();
        assert_eq!(crate::networks::ingress(&bench.state).unwrap().spec.name.as_str(), "ingress");
        assert!(bench.pass().is_empty());
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
