//! The gate before every service: it finds out who calls, checks that they may, and passes the call
//! on to the leader (`forward`) if it is to be answered there.

use crate::{
    access::{Caller, CallerKind, Place, Who, may, rule_of},
    forward::{self, Call, Passed},
    leadership::{Leader, Leadership},
    status::of_propose,
    store::{ProposeError, Store},
};
use http::{Request, Response};
use pki::PeerInfo;
use proto::model::Role;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tonic::{Status, body::Body, service::Routes};
use tower::{Service, ServiceExt};

/// How long a call waits for a leader, and how long between two tries to reach it.
const LEADER_WAIT_MAX: Duration = Duration::from_secs(8);
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// Where a call that the leader answers went.
enum Found {
    /// This manager leads: the call is to be answered here.
    Here(Request<Body>),
    /// Another one has answered.
    Answered(Response<Body>),
}

/// The gate before a manager's services.
#[derive(Clone)]
pub struct Gate {
    services: Routes,
    leadership: Leadership,
    store: Store,
}

impl Gate {
    /// A gate before these services.
    pub fn new(services: Routes, leadership: Leadership, store: Store) -> Self {
        // Preparing the routes once saves doing it for every connection.
        Self { services: services.prepare(), leadership, store }
    }

    /// Answers a call of someone known.
    pub async fn call_as(self, caller: Caller, request: Request<Body>) -> Response<Body> {
        self.answer(caller, request).await.unwrap_or_else(Status::into_http)
    }

    async fn answer(self, caller: Caller, mut request: Request<Body>) -> Result<Response<Body>, Status> {
        let path = request.uri().path();
        let rule =
            rule_of(path).ok_or_else(|| Status::unimplemented(format!("managers do not serve {path}")))?;
        let passed_on = forward::passed_on_for(&caller, request.headers())?;
        let (connected, caller) = (caller, passed_on.unwrap_or(caller));
        if !may(rule.who, caller.kind) {
            return Err(refusal(&caller));
        }
        if rule.place == Place::Leader {
            request = match self.find_leader(&caller, passed_on.is_some(), Call::new(request, rule)).await? {
                Found::Here(request) => request,
                Found::Answered(response) => return Ok(response),
            };
            if passed_on.is_some() {
                self.check_membership(&connected, Who::Manager)?;
            }
            self.check_membership(&caller, rule.who)?;
        }
        request.extensions_mut().insert(caller);
        self.services.oneshot(request).await.map_err(|never| match never {})
    }

    /// Makes sure that this manager leads and has applied all that was acknowledged, or has the one
    /// that does answer. While an election goes on the call is tried again, so that to the caller it is a
    /// pause and not an error.
    async fn find_leader(&self, caller: &Caller, passed_on: bool, mut call: Call) -> Result<Found, Status> {
        let deadline = Instant::now() + LEADER_WAIT_MAX;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let refused = match self.leadership.wait_for_leader(left).await? {
                Leader::Me => match self.store.settle().await {
                    Ok(()) => return call.into_request().map(Found::Here),
                    Err(ProposeError::NotLeader) => forward::leader_is_changing(),
                    Err(error) => return Err(of_propose(error)),
                },
                // It would go round in circles.
                Leader::Other { .. } if passed_on => return Err(forward::leader_is_changing()),
                Leader::Other { channel, .. } => match forward::pass_on(caller, &mut call, channel).await? {
                    Passed::Answered(response) => return Ok(Found::Answered(response)),
                    Passed::Repeat(status) => status,
                },
            };
            if passed_on || !call.is_whole() || Instant::now() + LEADER_PAUSE >= deadline {
                return Err(refused);
            }
            tokio::time::sleep(LEADER_PAUSE).await;
        }
    }

    /// A certificate outlives the membership it was made for; the state does not. One that was demoted
    /// may still do what every node may, such as getting itself a worker's certificate.
    fn check_membership(&self, caller: &Caller, who: Who) -> Result<(), Status> {
        let CallerKind::Node { node, role } = caller.kind else { return Ok(()) };
        let state = self.store.snapshot();
        match state.node(node) {
            None => Err(Status::permission_denied(format!(
                "node {node} is not part of this cluster (any more): run `shoal swarm leave --force` on it, then join again"
            ))),
            Some(known)
                if matches!(who, Who::Operator | Who::Manager)
                    && role == Role::Manager
                    && known.spec.role == Role::Worker
                    && known.manager.is_none() =>
            {
                Err(Status::permission_denied(format!("node {node} is not a manager any more")))
            }
            Some(_) => Ok(()),
        }
    }
}

fn refusal(caller: &Caller) -> Status {
    match caller.kind {
        CallerKind::Stranger => Status::unauthenticated("this call needs a node's certificate"),
        CallerKind::Node { node, role } => {
            Status::permission_denied(format!("node {node} is a {role} and may not make this call"))
        }
        CallerKind::Local => Status::permission_denied("this call is for nodes only"),
    }
}

/// The gate for connections from the network, whose callers are known by their certificates.
#[derive(Clone)]
pub struct NetworkGate(pub Gate);

impl Service<Request<Body>> for NetworkGate {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let gate = self.0.clone();
        Box::pin(async move {
            let Some(peer) = request.extensions().get::<PeerInfo>() else {
                return Ok(Status::internal("a connection without a peer").into_http());
            };
            let caller = Caller::of_peer(peer);
            Ok(gate.call_as(caller, request).await)
        })
    }
}
