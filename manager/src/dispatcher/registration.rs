//! Taking down what a node says of itself when its agent opens a session.

use crate::{
    access::Caller,
    clock::Clock,
    status::of_propose,
    store::{ProposeError, Store},
};
use manager_core::{
    networks,
    state::{Change, Expect, ObjectId, Refusal, State, Transaction},
};
use proto::{
    model::{Node, NodeDescription, NodeId, NodeState, NodeStatus, Timestamp},
    wire::Register,
};
use std::net::IpAddr;
use tonic::Status;

/// What an agent says when it registers.
struct Said {
    description: NodeDescription,
    /// Where it calls from; `None` if that is not known.
    addr: Option<IpAddr>,
    /// `HOST:PORT` at which its manager serves, if it has one.
    advertise_addr: Option<String>,
}

/// Records a node's description, address and readiness.
pub async fn record(
    store: &Store,
    clock: Clock,
    id: NodeId,
    caller: &Caller,
    register: Register,
) -> Result<(), Status> {
    let said = checked(caller, register)?;
    loop {
        let state = store.snapshot();
        let Some(node) = state.node(id) else {
            return Err(Status::permission_denied("this node was removed from the cluster"));
        };
        let changed = explained(&state, registered(node, &said, clock.now()));
        if changed == **node {
            return Ok(());
        }
        let transaction = Transaction {
            expect: vec![Expect { object: ObjectId::Node(id), version: node.version }],
            changes: vec![Change::PutNode(Box::new(changed))],
        };
        match store.propose(transaction).await {
            Ok(_) => return Ok(()),
            // Someone changed the node at the same moment: look again.
            Err(ProposeError::Refused(Refusal::Stale { .. })) => {}
            Err(error) => return Err(of_propose(error)),
        }
    }
}

fn checked(caller: &Caller, register: Register) -> Result<Said, Status> {
    let description = register
        .description
        .ok_or_else(|| Status::invalid_argument("the registration has no description"))?;
    let description = NodeDescription::try_from(description)
        .map_err(|error| Status::invalid_argument(error.to_string()))?;
    let advertise_addr = Some(register.advertise_addr).filter(|addr| !addr.is_empty());
    if let Some(addr) = &advertise_addr {
        pki::transport::check_addr(addr).map_err(|error| Status::invalid_argument(error.to_string()))?;
    }
    Ok(Said { description, addr: caller.addr, advertise_addr })
}

/// The node as it is once it has registered.
fn registered(node: &Node, said: &Said, now: Timestamp) -> Node {
    let mut changed = node.clone();
    changed.description = Some(said.description.clone());
    if changed.status.state != NodeState::Ready {
        changed.status =
            NodeStatus { state: NodeState::Ready, message: "registered".to_owned(), addr: None, since: now };
    }
    changed.status.addr = said.addr.or(node.status.addr);
    if let (Some(manager), Some(addr)) = (&mut changed.manager, &said.advertise_addr) {
        manager.addr.clone_from(addr);
    }
    changed
}

/// The node with a word on networks of which it gets no task, because of an address that it did not have
/// when it joined.
fn explained(state: &State, mut node: Node) -> Node {
    let hidden = state.networks().find_map(|network| Some((network, networks::hidden_by(network, &node)?)));
    node.status.message = match hidden {
        Some((network, addr)) => format!(
            "registered, but its address {addr} lies in the subnet of network `{}`, of which it gets no tasks: change the \
             address, or create the network with another --subnet",
            network.spec.name
        ),
        None => "registered".to_owned(),
    };
    node
}

#[cfg(test)]
mod tests {
    use super::*;
    use manager_core::testing::{Bench, network_in, node};
    use proto::model::ManagerStatus;
    use std::net::Ipv4Addr;

    const ADDR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7));

    fn said(advertise_addr: Option<&str>) -> Said {
        let description = NodeDescription { hostname: "host".into(), ..NodeDescription::default() };
        Said { description, addr: Some(ADDR), advertise_addr: advertise_addr.map(str::to_owned) }
    }

    #[test]
    fn a_node_that_was_down_is_ready_when_it_registers_and_registering_again_writes_nothing() {
        let mut down = node(1).build();
        down.status.state = NodeState::Down;
        let once = registered(&down, &said(None), Timestamp(5));
        assert_eq!(
            (once.status.state, once.status.since, once.status.addr),
            (NodeState::Ready, Timestamp(5), Some(ADDR))
        );
        assert_eq!(registered(&once, &said(None), Timestamp(9)), once);
    }

    #[test]
    fn a_manager_that_moved_keeps_its_number_and_a_worker_does_not_become_one_by_saying_so() {
        let mut manager = node(1).build();
        manager.manager = Some(ManagerStatus { raft_id: 3, addr: "10.0.0.1:2377".into() });
        let moved = registered(&manager, &said(Some("10.0.0.2:2377")), Timestamp(5));
        assert_eq!(moved.manager, Some(ManagerStatus { raft_id: 3, addr: "10.0.0.2:2377".into() }));
        assert_eq!(registered(&node(2).build(), &said(Some("10.0.0.2:2377")), Timestamp(5)).manager, None);
    }

    #[test]
    fn an_address_that_cannot_be_called_is_refused() {
        let register = Register {
            description: Some((&said(None).description).into()),
            advertise_addr: "nowhere".into(),
        };
        let error = checked(&Caller::LOCAL, register).err().unwrap();
        assert!(error.message().contains("HOST:PORT"), "{}", error.message());
    }

    #[test]
    fn a_node_whose_address_lies_in_a_network_says_so() {
        let mut bench = Bench::new();
        bench.add_network(network_in("front", "10.9.0.0/24"));
        let message = |addr: &str| explained(&bench.state, node(1).data_path(addr).build()).status.message;
        assert_eq!(message("10.9.1.7"), "registered");
        let said = message("10.9.0.7");
        assert!(said.contains("10.9.0.7 lies in the subnet of network `front`"), "{said}");
    }
}
