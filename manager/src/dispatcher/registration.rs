//! Taking down what a node says of itself when its agent opens a session.

use crate::{
    access::Caller,
    clock::Clock,
    status::of_propose,
    store::{ProposeError, Store},
};
use manager_core::state::{Change, Expect, ObjectId, Transaction};
use proto::{
    model::{Node, NodeDescription, NodeId, NodeState, NodeStatus},
    wire::Register,
};
use tonic::Status;

/// Records a node's description, address and readiness.
pub async fn record(
    store: &Store,
    clock: Clock,
    id: NodeId,
    caller: &Caller,
    register: Register,
) -> Result<(), Status> {
    let description = register.description.ok_or_else(|| Status::invalid_argument("the registration has no description"))?;
    let description = NodeDescription::try_from(description).map_err(|error| Status::invalid_argument(error.to_string()))?;
    loop {
        let state = store.snapshot();
        let Some(node) = state.node(id) else {
            return Err(Status::permission_denied("this node was removed from the cluster"));
        };
        let mut changed = Node::clone(node);
        changed.description = Some(description.clone());
        if changed.status.state != NodeState::Ready {
            changed.status = NodeStatus {
                state: NodeState::Ready,
                message: "registered".to_owned(),
                addr: None,
                since: clock.now(),
            };
        }
        changed.status.addr = caller.addr.or(node.status.addr);
        if let Some(manager) = &mut changed.manager
            && !register.advertise_addr.is_empty()
        {
            manager.addr.clone_from(&register.advertise_addr);
        }
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
            Err(ProposeError::Refused(_)) => {}
            Err(error) => return Err(of_propose(error)),
        }
    }
}
