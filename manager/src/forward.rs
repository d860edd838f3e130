//! Passes calls on to the leader.
//!
//! A call is passed on as it is, streams included, with the caller's identity in two headers. Those
//! are believed only from another manager, and a call that was passed on is not passed on again.
//!
//! A call is tried again only if that can't change anything twice: if it only reads, if no connection to
//! the leader came about, or if who was taken for the leader answers that it is not.

use crate::access::{Body as Kind, Caller, CallerKind, Rule};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, request::Parts};
use http_body_util::{BodyExt, Full, Limited};
use proto::model::Role;
use std::error::Error;
use tonic::{Code, ConnectError, Status, body::Body, transport::Channel};
use tower::{Service, ServiceExt};

/// Who made the call, in a call that is passed on.
const CALLER: &str = "shoal-caller";
/// From which address.
const CALLER_ADDR: &str = "shoal-caller-addr";
/// In a refusal: the call has not run.
const NOT_RUN: &str = "shoal-not-run";
/// What managers accept in one message, and its five bytes of framing.
const WHOLE_BODY_MAX: usize = 4 * 1024 * 1024 + 5;

/// A call on its way to the leader.
pub struct Call {
    parts: Parts,
    body: CallBody,
    rule: &'static Rule,
}

enum CallBody {
    /// As it came; a whole one is read before it is first passed on.
    Unread(Body),
    /// Can be sent any number of times.
    Whole(Bytes),
    /// A stream that was sent.
    Spent,
}

/// What became of a call that was passed on.
pub enum Passed {
    /// It was answered.
    Answered(Response<Body>),
    /// It has not run, or running twice does no harm.
    Repeat(Status),
}

impl Call {
    /// The call that came.
    pub fn new(request: Request<Body>, rule: &'static Rule) -> Self {
        let (parts, body) = request.into_parts();
        Self { parts, body: CallBody::Unread(body), rule }
    }

    /// Whether it can be sent again.
    pub fn is_whole(&self) -> bool {
        !matches!(self.body, CallBody::Spent)
    }

    /// The call, to be answered here.
    pub fn into_request(self) -> Result<Request<Body>, Status> {
        let body = match self.body {
            CallBody::Unread(body) => body,
            CallBody::Whole(bytes) => Body::new(Full::new(bytes)),
            CallBody::Spent => return Err(leader_is_changing()),
        };
        Ok(Request::from_parts(self.parts, body))
    }

    async fn next_request(&mut self) -> Result<Request<Body>, Status> {
        let body = match std::mem::replace(&mut self.body, CallBody::Spent) {
            CallBody::Unread(stream) if self.rule.body == Kind::Stream => stream,
            CallBody::Unread(body) => self.keep(read_whole(body).await?),
            CallBody::Whole(bytes) => self.keep(bytes),
            CallBody::Spent => return Err(leader_is_changing()),
        };
        Ok(Request::from_parts(self.parts.clone(), body))
    }

    fn keep(&mut self, bytes: Bytes) -> Body {
        self.body = CallBody::Whole(bytes.clone());
        Body::new(Full::new(bytes))
    }
}

async fn read_whole(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, WHOLE_BODY_MAX).collect().await {
        Ok(read) => Ok(read.to_bytes()),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => {
            Err(Status::out_of_range("a request is 4 MiB at most"))
        }
        Err(error) => Err(Status::cancelled(format!("the request was not read to its end: {error}"))),
    }
}

/// Has the leader answer.
pub async fn pass_on(caller: &Caller, call: &mut Call, mut leader: Channel) -> Result<Passed, Status> {
    let mut request = call.next_request().await?;
    name_caller(caller, request.headers_mut())?;
    let answer = match leader.ready().await {
        Ok(leader) => leader.call(request).await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(response) if response.headers().contains_key(NOT_RUN) => {
            Ok(Passed::Repeat(Status::from_header_map(response.headers()).unwrap_or_else(leader_is_changing)))
        }
        Ok(response) => Ok(Passed::Answered(response)),
        Err(error) => {
            let status =
                Status::unavailable(format!("the cluster's leader can't be reached ({error}); try again"));
            match call.rule.reads || has_not_connected(&error) {
                true => Ok(Passed::Repeat(status)),
                false => Err(status),
            }
        }
    }
}

fn has_not_connected(error: &tonic::transport::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// The refusal of one who was taken for the leader.
pub fn leader_is_changing() -> Status {
    let mut status = Status::new(Code::Unavailable, "the cluster's leader is changing; try again");
    status.metadata_mut().insert(NOT_RUN, tonic::metadata::MetadataValue::from_static("1"));
    status
}

/// Whom another manager passes this call on for; `None` if it is the caller's own.
pub fn passed_on_for(caller: &Caller, headers: &HeaderMap) -> Result<Option<Caller>, Status> {
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
