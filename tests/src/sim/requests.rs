//! People's requests on their way: to any manager, on to the leader, into the log, and the answer back.
//! Requests and answers get lost; whoever hears nothing does not know what came of it.

use super::{
    happening::Happening,
    leader::{Answer, Waiter},
    network::MemberNo,
    world::World,
};
use manager_core::{
    requests::{
        connection, network as network_requests, node as node_requests,
        service::{self as service_requests, Control},
    },
    state::{Change, Refusal, State, Transaction},
    updater::GoBack,
};
use proto::model::{
    NetworkId, NetworkSpec, Node, NodeId, NodeSpec, NodeState, NodeStatus, ServiceId, ServiceSpec, TaskId,
    Timestamp,
};
use std::{collections::BTreeSet, time::Duration};

/// Names a request.
pub type RequestId = u64;

/// How long people wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What somebody asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// A new service.
    Create(ServiceId, Box<ServiceSpec>),
    /// Another spec, in place of the one that the service had when it had that version.
    Update(ServiceId, Box<ServiceSpec>, u64),
    /// The spec before, or another that the service had.
    Rollback(ServiceId, GoBack),
    /// Something else to be done about the rollout in progress.
    Control(ServiceId, Control),
    /// No such service any more.
    Remove(ServiceId),
    /// Another node.
    Join(Box<Node>),
    /// What people decide about a node, in place of what they had when it had that version.
    SetNode(NodeId, NodeSpec, u64),
    /// No such node any more, whether or not it is down.
    RemoveNode(NodeId),
    /// A new network.
    CreateNetwork(NetworkId, Box<NetworkSpec>),
    /// No such network any more.
    RemoveNetwork(NetworkId),
    /// That a task is in a network, alone.
    Connect(TaskId, NetworkId),
    /// That it is not any more.
    Disconnect(TaskId, NetworkId),
}

/// The object a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// A service.
    Service(ServiceId),
    /// A node.
    Node(NodeId),
    /// A network.
    Network(NetworkId),
}

impl Request {
    /// What kind of thing it asks for.
    pub fn kind(&self) -> &'static str {
        match self {
            Request::Create(..) => "create a service",
            Request::Update(..) => "update a service",
            Request::Rollback(..) => "roll a service back",
            Request::Control(..) => "control a rollout",
            Request::Remove(_) => "remove a service",
            Request::Join(_) => "join a node",
            Request::SetNode(..) => "change a node",
            Request::RemoveNode(_) => "remove a node",
            Request::CreateNetwork(..) => "create a network",
            Request::RemoveNetwork(_) => "remove a network",
            Request::Connect(..) => "connect a task",
            Request::Disconnect(..) => "disconnect a task",
        }
    }

    /// What it is about, if that is something that stays: what a task is connected to goes with the task.
    pub fn object(&self) -> Option<Object> {
        Some(match self {
            Request::Create(id, _)
            | Request::Update(id, ..)
            | Request::Rollback(id, _)
            | Request::Control(id, _)
            | Request::Remove(id) => Object::Service(*id),
            Request::SetNode(id, ..) | Request::RemoveNode(id) => Object::Node(*id),
            Request::Join(node) => Object::Node(node.id),
            Request::CreateNetwork(id, _) | Request::RemoveNetwork(id) => Object::Network(*id),
            Request::Connect(..) | Request::Disconnect(..) => return None,
        })
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct UnderWay {
    /// What is asked for.
    pub request: Request,
    /// The manager that was called.
    via: MemberNo,
    /// What came of it, once the leader answered.
    pub outcome: Outcome,
}

/// What a person knows of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Waiting,
    /// It is done.
    Done,
    /// It is not done, and will not be.
    Refused,
    /// It may be done, or be done later.
    Unknown,
}

impl World {
    /// Sends a request to a manager.
    pub(super) fn ask(&mut self, request: Request) -> RequestId {
        self.requested += 1;
        let id = self.requested;
        self.promises.written.asked(&request);
        self.note(format_args!("request {id}: {}", Told(&request)));
        let via = self.rng.place(self.group.members.len());
        let outcome = Outcome::Waiting;
        self.requests.insert(id, UnderWay { request, via, outcome });
        let (delay, lost) = (self.message_delay(), self.misfortune && self.rng.chance(2));
        if !lost {
            self.after(delay, Happening::Request { request: id });
        }
        self.after(PATIENCE, Happening::Answered { request: id });
        id
    }

    /// A request reaches the leader, if the manager that was called knows it.
    pub(super) fn take_request(&mut self, id: RequestId) {
        let Some(via) = self.requests.get(&id).map(|it| it.via) else { return };
        let known = self.group.members[via].follows.filter(|&leader| self.members_meet(via, leader));
        // The leader reads the state as it is now: it has to be confirmed as such for that.
        let can = |leader: &MemberNo| self.newest_leader() == Some(*leader) && self.has_quorum(*leader);
        match known
            .filter(can)
            .filter(|&leader| self.group.members[leader].leading.as_ref().is_some_and(|it| it.ready))
        {
            Some(leader) => self.handle_request(leader, id),
            None => self.conclude(id, Outcome::Refused),
        }
    }

    fn handle_request(&mut self, leader: MemberNo, id: RequestId) {
        let now = self.clock_of(leader);
        let Some(under_way) = self.requests.get_mut(&id) else { return };
        match transactions(&self.group.members[leader].state, &under_way.request, now) {
            Ok(batch) => {
                self.promises.acknowledged.proposed(id, &under_way.request, &batch);
                self.propose(leader, batch, Waiter::Request(id));
            }
            Err(why) => {
                self.note(format_args!("request {id} is refused: {why}"));
                self.conclude(id, Outcome::Refused);
            }
        }
    }

    /// The leader's proposal for a request is committed, or not.
    pub(super) fn request_answered(&mut self, leader: MemberNo, id: RequestId, answer: Answer) {
        match answer {
            Answer::Committed => {
                let kept = self.promises.acknowledged.committed(id);
                self.must(kept);
                self.conclude(id, Outcome::Done);
            }
            // Something else came first: the request is made anew, which checks it again.
            Answer::Refused(Refusal::Stale { .. }) => self.handle_request(leader, id),
            Answer::Refused(refusal) => {
                self.note(format_args!("request {id} is refused: {refusal}"));
                self.conclude(id, Outcome::Refused);
            }
            Answer::NotLeader | Answer::Unconfirmed => self.conclude(id, Outcome::Unknown),
        }
    }

    /// The leader knows what came of a request; the user hears of it, unless the answer gets lost.
    fn conclude(&mut self, id: RequestId, outcome: Outcome) {
        let lost = self.misfortune && self.rng.chance(2);
        let delay = self.message_delay();
        if let Some(under_way) = self.requests.get_mut(&id)
            && !lost
        {
            under_way.outcome = outcome;
            self.after(delay, Happening::Answered { request: id });
        }
    }

    /// A user has an answer, or gives up waiting for one.
    pub(super) fn request_over(&mut self, id: RequestId) {
        let Some(mut under_way) = self.requests.remove(&id) else { return };
        if under_way.outcome == Outcome::Waiting {
            under_way.outcome = Outcome::Unknown;
        }
        self.note(format_args!("request {id} is {:?}", under_way.outcome));
        if under_way.outcome == Outcome::Done {
            self.tally.done(under_way.request.kind());
        }
        let kept = self.promises.acknowledged.check(&self.group.state);
        self.must(kept);
        self.answers.insert(id, under_way.outcome);
    }
}

/// What a request comes to, on the present state.
fn transactions(state: &State, request: &Request, now: Timestamp) -> Result<Vec<Transaction>, String> {
    let service = |id: &ServiceId| state.service(*id).ok_or_else(|| format!("there is no service {id}"));
    let node = |id: &NodeId| state.node(*id).ok_or_else(|| format!("there is no node {id}"));
    let network = |id: &NetworkId| state.network(*id).ok_or_else(|| format!("there is no network {id}"));
    let task = |id: &TaskId| state.task(*id).ok_or_else(|| format!("there is no task {id}"));
    let text = |error: &dyn std::error::Error| error.to_string();
    let one = |transaction: Transaction| vec![transaction];
    match request {
        Request::Create(id, spec) => {
            service_requests::create(state, *id, (**spec).clone(), now).map(one).map_err(|error| text(&error))
        }
        Request::Update(id, spec, version) => {
            service_requests::update(state, service(id)?, *version, (**spec).clone(), now)
                .map(one)
                .map_err(|error| text(&error))
        }
        Request::Rollback(id, back) => {
            service_requests::rollback(state, service(id)?, *back, now).map(one).map_err(|error| text(&error))
        }
        Request::Control(id, control) => service_requests::control(state, service(id)?, *control, now)
            .map(one)
            .map_err(|error| text(&error)),
        Request::Remove(id) => Ok(one(service_requests::remove(service(id)?, now))),
        Request::Join(node) => {
            let status = NodeStatus { state: NodeState::Unknown, since: now, ..node.status.clone() };
            let node = Node { created_at: now, updated_at: now, status, ..(**node).clone() };
            Ok(one(Transaction::of(vec![Change::PutNode(Box::new(node))])))
        }
        Request::SetNode(id, spec, version) => {
            node_requests::update(state, node(id)?, *version, spec.clone(), &BTreeSet::new(), now)
                .map(one)
                .map_err(|error| text(&error))
        }
        Request::RemoveNode(id) => {
            node_requests::remove(state, node(id)?, true, now).map_err(|error| text(&error))
        }
        Request::CreateNetwork(id, spec) => {
            network_requests::create(state, *id, (**spec).clone(), now).map(one).map_err(|error| text(&error))
        }
        Request::RemoveNetwork(id) => {
            network_requests::remove(state, network(id)?).map(one).map_err(|error| text(&error))
        }
        Request::Connect(id, to) => connection::connect(state, task(id)?, network(to)?, BTreeSet::new())
            .map(one)
            .map_err(|error| text(&error)),
        Request::Disconnect(id, from) => {
            connection::disconnect(task(id)?, network(from)?, false).map(one).map_err(|error| text(&error))
        }
    }
}

/// A request as the trace has it.
struct Told<'a>(&'a Request);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Request::Create(_, spec) => write!(f, "create {} of {}", spec.name, spec.task.container.image),
            Request::Update(_, spec, _) => {
                write!(f, "update {} to {}, {:?}", spec.name, spec.task.container.image, spec.mode)
            }
            Request::Rollback(id, GoBack { to: None, .. }) => write!(f, "roll {} back", id.short(6)),
            Request::Rollback(id, GoBack { to: Some(to), .. }) => {
                write!(f, "roll {} back to {to}", id.short(6))
            }
            Request::Control(id, control) => write!(f, "{control:?} the rollout of {}", id.short(6)),
            Request::Remove(id) => write!(f, "remove service {}", id.short(6)),
            Request::Join(node) => write!(f, "join {}", node.id.short(6)),
            Request::SetNode(id, spec, _) => {
                write!(f, "node {} is to {}, with {:?}", id.short(6), spec.availability, spec.labels)
            }
            Request::RemoveNode(id) => write!(f, "remove node {}", id.short(6)),
            Request::CreateNetwork(_, spec) => write!(f, "create network {}", spec.name),
            Request::RemoveNetwork(id) => write!(f, "remove network {}", id.short(6)),
            Request::Connect(task, network) => {
                write!(f, "connect task {} to network {}", task.short(6), network.short(6))
            }
            Request::Disconnect(task, network) => {
                write!(f, "disconnect task {} from network {}", task.short(6), network.short(6))
            }
        }
    }
}
