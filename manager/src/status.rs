//! Turning failures into gRPC statuses, with sentences that say what to do.

use crate::{access::Caller, store::ProposeError};
use manager_core::{
    membership::MembershipError,
    requests::{
        connection::ConnectionError, find::FindError, network::NetworkError, node::NodeError,
        payload::PayloadError, service::ServiceError,
    },
    state::Refusal,
};
use proto::model::{NodeId, Problems};
use tonic::{Request, Status};

/// The status for a change that was not made.
pub fn of_propose(error: ProposeError) -> Status {
    let text = error.to_string();
    match error {
        ProposeError::Refused(Refusal::Stale { .. }) => Status::aborted(
            "update out of sequence: it was changed by someone else meanwhile; look at it and try again",
        ),
        ProposeError::Refused(Refusal::NameTaken(_) | Refusal::Exists(_)) => Status::already_exists(text),
        ProposeError::Refused(Refusal::NotFound(_)) => Status::not_found(text),
        ProposeError::Refused(Refusal::InUse(_) | Refusal::PortTaken { .. }) => {
            Status::failed_precondition(text)
        }
        ProposeError::Refused(
            Refusal::NetworkClash(_)
            | Refusal::NumberTaken { .. }
            | Refusal::NoSuchNumber { .. }
            | Refusal::BlockTaken { .. }
            | Refusal::NoLease { .. },
        ) => Status::aborted(format!("{text}: look at the networks and try again")),
        ProposeError::NotLeader => Status::unavailable("the cluster's leader is changing; try again"),
        ProposeError::Unconfirmed => Status::deadline_exceeded(format!(
            "{text}. Make sure that more than half of the managers are running and reach each other"
        )),
        ProposeError::Storage(_) => Status::internal(text),
    }
}

/// The status for a request with problems: all of them, a line each.
pub fn of_problems(problems: Problems) -> Status {
    Status::invalid_argument(problems.to_string())
}

/// The status for a name that leads nowhere, or to several.
pub fn of_find(error: FindError) -> Status {
    match error {
        FindError::NotFound { .. } => Status::not_found(error.to_string()),
        FindError::Ambiguous { .. } | FindError::OfEachNode(_) => Status::invalid_argument(error.to_string()),
    }
}

/// The status for a service that can't be made or changed as asked.
pub fn of_service(error: ServiceError) -> Status {
    match error {
        ServiceError::NameTaken(_) => Status::already_exists(error.to_string()),
        ServiceError::OutOfSequence { .. } => Status::aborted(error.to_string()),
        ServiceError::IngressAttached(_)
        | ServiceError::NetworkGone(_)
        | ServiceError::PayloadGone { .. } => Status::invalid_argument(error.to_string()),
        _ => Status::failed_precondition(error.to_string()),
    }
}

/// The status for a network that can't be made or removed as asked.
pub fn of_network(error: NetworkError) -> Status {
    match error {
        NetworkError::NameTaken(_) => Status::already_exists(error.to_string()),
        _ => Status::failed_precondition(error.to_string()),
    }
}

/// The status for a secret or config that can't be made, changed or removed as asked.
pub fn of_payload(error: PayloadError) -> Status {
    match error {
        PayloadError::NameTaken { .. } => Status::already_exists(error.to_string()),
        PayloadError::OutOfSequence { .. } => Status::aborted(error.to_string()),
        PayloadError::InUse { .. } | PayloadError::Fixed { .. } | PayloadError::TooOld => {
            Status::failed_precondition(error.to_string())
        }
    }
}

/// The status for a task that can't be connected or disconnected as asked.
pub fn of_connection(error: ConnectionError) -> Status {
    Status::failed_precondition(error.to_string())
}

/// The status for a node that can't be changed as asked.
pub fn of_node(error: NodeError) -> Status {
    match error {
        NodeError::OutOfSequence { .. } => Status::aborted(error.to_string()),
        NodeError::Hidden { .. } => Status::failed_precondition(error.to_string()),
        NodeError::Membership(error) => of_membership(error),
    }
}

/// The status for a change of a node's membership that is not allowed.
pub fn of_membership(error: MembershipError) -> Status {
    Status::failed_precondition(error.to_string())
}

/// Who makes a call; the gate has found out.
pub fn caller_of<T>(request: &Request<T>) -> Result<Caller, Status> {
    request
        .extensions()
        .get::<Caller>()
        .copied()
        .ok_or_else(|| Status::internal("a call that did not come through the gate"))
}

/// The node that makes a call.
pub fn caller_node<T>(request: &Request<T>) -> Result<NodeId, Status> {
    caller_of(request)?.node().ok_or_else(|| Status::unauthenticated("this call is for nodes only"))
}
