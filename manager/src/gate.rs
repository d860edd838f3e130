//! The gate before every service: it finds out who calls, checks that they may, and passes the call
//! on to the leader if it is to be answered there.
//!
//! A call is passed on as it is, streams included, with the caller's identity in two headers. Those
//! are believed only from another manager, and a call that was passed on is not passed on again.

use crate::{
    access::{Caller, CallerKind, Place, Who, may, rule_of},
    leadership::{Leader, Leadership},
    status::of_propose,
    store::Store,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use pki::PeerInfo;
use proto::model::Role;
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tonic::{Status, body::Body, service::Routes};
use tower::{Service, ServiceExt};

/// Who made the call, in a call that is passed on.
const CALLER: &str = "shoal-caller";
/// From which address.
const CALLER_ADDR: &str = "shoal-caller-addr";
/// How long a call waits for a leader, so that an election is a pause and not an error.
const LEADER_WAIT_MAX: Duration = Duration::from_secs(8);

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
        let passed_on = passed_on_for(&caller, request.headers())?;
        let (connected, caller) = (caller, passed_on.unwrap_or(caller));
        if !may(rule.who, caller.kind) {
            return Err(refusal(&caller));
        }
        if rule.place == Place::Leader {
            match self.leadership.wait_for_leader(LEADER_WAIT_MAX).await? {
                Leader::Me => {
                    self.store.settle().await.map_err(of_propose)?;
                    if passed_on.is_some() {
                        self.check_membership(&connected, Who::Manager)?;
                    }
                    self.check_membership(&caller, rule.who)?;
                }
                Leader::Other { .. } if passed_on.is_some() => {
                    return Err(Status::unavailable("the cluster's leader is changing; try again"));
                }
                Leader::Other { mut channel, .. } => {
                    name_caller(&caller, request.headers_mut())?;
                    return channel
                        .ready()
                        .await
                        .map_err(|error| unreachable(&error))?
                        .call(request)
                        .await
                        .map_err(|error| unreachable(&error));
                }
            }
        }
        request.extensions_mut().insert(caller);
        self.services.oneshot(request).await.map_err(|never| match never {})
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

/// Whom another manager passes this call on for; `None` if it is the caller's own.
fn passed_on_for(caller: &Caller, headers: &HeaderMap) -> Result<Option<Caller>, Status> {
    let Some(named) = headers.get(CALLER) else { return Ok(None) };
    if !matches!(caller.kind, CallerKind::Node { role: Role::Manager, .. }) {
        return Err(Status::permission_denied("only managers pass calls on"));
    }
    let malformed = || Status::invalid_argument("the call was passed on with a malformed caller");
    let named = named.to_str().map_err(|_| malformed())?;
    let kind = match named.split_once(' ') {
        None if named == "local" => CallerKind::Local,
        None if named == "stranger" => CallerKind::Stranger,
        Some((node, role)) => CallerKind::Node {
            node: node.parse().map_err(|_| malformed())?,
            role: role.parse().map_err(|_| malformed())?,
        },
        None => return Err(malformed()),
    };
    let addr =
        headers.get(CALLER_ADDR).and_then(|addr| addr.to_str().ok()).and_then(|addr| addr.parse().ok());
    Ok(Some(Caller { kind, addr }))
}

fn name_caller(caller: &Caller, headers: &mut HeaderMap) -> Result<(), Status> {
    let named = match caller.kind {
        CallerKind::Local => "local".to_owned(),
        CallerKind::Stranger => "stranger".to_owned(),
        CallerKind::Node { node, role } => format!("{node} {role}"),
    };
    let header =
        |text: &str| HeaderValue::from_str(text).map_err(|error| Status::internal(error.to_string()));
    headers.insert(CALLER, header(&named)?);
    headers.remove(CALLER_ADDR);
    if let Some(addr) = caller.addr {
        headers.insert(CALLER_ADDR, header(&addr.to_string())?);
    }
    Ok(())
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

fn unreachable(error: &tonic::transport::Error) -> Status {
    Status::unavailable(format!("the cluster's leader can't be reached ({error}); try again"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::NodeId;
    use tonic::Code;

    const ADDR: std::net::IpAddr = std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));
    const MANAGER: Caller = node(1, Role::Manager);

    const fn node(number: u128, role: Role) -> Caller {
        Caller { kind: CallerKind::Node { node: NodeId::from_bits(number), role }, addr: Some(ADDR) }
    }

    fn headers(caller: &str) -> HeaderMap {
        HeaderMap::from_iter([(
            http::HeaderName::from_static(CALLER),
            HeaderValue::from_str(caller).unwrap(),
        )])
    }

    #[test]
    fn whoever_a_call_is_passed_on_for_arrives_as_they_were() {
        let stranger = Caller { kind: CallerKind::Stranger, addr: Some(ADDR) };
        for caller in [Caller::LOCAL, stranger, node(2, Role::Worker), node(3, Role::Manager)] {
            let mut headers = HeaderMap::new();
            name_caller(&caller, &mut headers).unwrap();
            assert_eq!(passed_on_for(&MANAGER, &headers).unwrap(), Some(caller));
        }
    }

    #[test]
    fn nobody_but_a_manager_speaks_for_others() {
        let stranger = Caller { kind: CallerKind::Stranger, addr: Some(ADDR) };
        for caller in [stranger, node(2, Role::Worker), Caller::LOCAL] {
            let refused = passed_on_for(&caller, &headers("local")).unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
        }
    }

    #[test]
    fn a_malformed_name_is_refused_and_not_taken_for_the_manager_that_passed_it_on() {
        let id = NodeId::from_bits(2);
        for named in [
            "",
            "root",
            "local x",
            "nobody manager",
            &format!("{id}"),
            &format!("{id} king"),
            &format!("{id} manager x"),
        ] {
            let refused = passed_on_for(&MANAGER, &headers(named)).unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{named}");
        }
    }

    #[test]
    fn an_address_that_a_caller_made_up_is_not_passed_on() {
        let mut headers = HeaderMap::from_iter([(
            http::HeaderName::from_static(CALLER_ADDR),
            HeaderValue::from_static("1.2.3.4"),
        )]);
        assert_eq!(passed_on_for(&node(2, Role::Worker), &headers).unwrap(), None);
        name_caller(&Caller::LOCAL, &mut headers).unwrap();
        assert_eq!(passed_on_for(&MANAGER, &headers).unwrap(), Some(Caller::LOCAL));
    }
}
