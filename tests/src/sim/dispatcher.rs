//! The leader's half of the sessions: it takes registrations and reports, and tells assignments.

use super::{
    happening::{Happening, Message},
    leader::{Answer, Waiter},
    network::{ConnectionId, MemberNo, Side},
    world::World,
};
use crate::invariants::a_node_gets_only_its_own_tasks;
use manager_core::{
    assignments::Told,
    liveness::Contact,
    networks::Tables,
    state::{Change, Event, Expect, ObjectId, Transaction},
    under_way::{Reached, UnderWay},
};
use proto::{
    model::{
        CarriedOut, Node, NodeDescription, NodeId, NodeState, NodeStatus, TaskId, TaskStatus, Timestamp,
    },
    wire,
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

/// A session as the leader has it.
#[derive(Debug)]
pub struct Session {
    node: NodeId,
    told: Told,
    /// How far the node is with what it was told of networks.
    under_way: UnderWay,
    /// When it is looked again whether a task that is held may be stopped.
    look_at: Option<Timestamp>,
    /// Whether a report is being written; the session does nothing else meanwhile.
    busy: bool,
    /// What came in meanwhile.
    inbox: VecDeque<Message>,
    tell_is_due: bool,
}

impl World {
    /// A node's message reaches the manager it called, or the leader.
    pub(super) fn manager_hears(&mut self, connection: ConnectionId, message: Message) {
        let Some(leader) = self.network.connection(connection).and_then(|it| it.leader) else {
            return self.pass_call_on(connection, message);
        };
        if !self.group.members[leader]
            .leading
            .as_ref()
            .is_some_and(|it| it.sessions.contains_key(&connection))
        {
            // Anything else is for a session that is over at this end.
            if let Message::Register(description) = message {
                self.register(leader, connection, &description);
            }
            return;
        }
        self.session_hears(leader, connection, message);
    }

    /// A call goes to the leader, as far as the manager that was called knows one.
    fn pass_call_on(&mut self, connection: ConnectionId, message: Message) {
        let Some(via) = self.network.connection(connection).map(|it| it.via) else { return };
        let known = self.group.members[via].follows.filter(|_| self.group.members[via].up);
        match known.filter(|&leader| self.members_meet(via, leader)) {
            Some(leader) if self.group.members[leader].leading.is_some() => {
                self.network.answer(connection, leader);
                // It has to go on to the leader from here.
                self.send(connection, Side::Manager, message);
            }
            _ => self.hang_up(connection, Side::Manager),
        }
    }

    /// Writes down what a node says of itself, if that is news, and opens the session.
    fn register(&mut self, member: MemberNo, connection: ConnectionId, said: &NodeDescription) {
        let Some(host) = self.network.connection(connection).map(|it| it.host) else { return };
        // What a session is told first is everything: from a leader that was deposed and does not know it,
        // the node would take that for an order to forget what is newer.
        if self.newest_leader() != Some(member) || !self.has_quorum(member) {
            return self.hang_up(connection, Side::Manager);
        }
        let id = self.hosts[host].id;
        let now = self.clock_of(member);
        let Some(node) = self.group.members[member].state.node(id) else {
            self.note_of(host, format_args!("is refused, as it was removed"));
            return self.hang_up(connection, Side::Manager);
        };
        let mut changed = Node::clone(node);
        changed.description = Some(said.clone());
        if changed.status.state != NodeState::Ready {
            let message = "registered".to_owned();
            changed.status = NodeStatus { state: NodeState::Ready, message, addr: None, since: now };
        }
        if changed == **node {
            return self.open_session(member, connection, id);
        }
        let transaction = Transaction {
            expect: vec![Expect { object: ObjectId::Node(id), version: node.version }],
            changes: vec![Change::PutNode(Box::new(changed))],
        };
        self.propose(member, vec![transaction], Waiter::Registration(connection));
    }

    /// A registration is written down, or not.
    pub(super) fn registration_answered(
        &mut self,
        member: MemberNo,
        connection: ConnectionId,
        answer: &Answer,
    ) {
        let Some(host) = self.network.connection(connection).map(|it| it.host) else { return };
        match answer {
            Answer::Committed => self.open_session(member, connection, self.hosts[host].id),
            // Someone changed the node at the same moment: look again.
            Answer::Refused(_) => self.register(member, connection, &self.hosts[host].description()),
            Answer::NotLeader | Answer::Unconfirmed => self.hang_up(connection, Side::Manager),
        }
    }

    fn open_session(&mut self, member: MemberNo, connection: ConnectionId, node: NodeId) {
        let now = self.clock_of(member);
        let cluster = self.group.members[member].state.cluster();
        let heartbeat_period = cluster.expect("the cluster was made at the beginning").spec.heartbeat_period;
        let Some(leading) = self.leading(member) else { return };
        let contact = Contact { last_heard: Some(now), connected: true, goodbye: false };
        leading.contacts.insert(node, contact);
        let before = leading.current.insert(node, connection);
        let session = Session {
            node,
            told: Told::default(),
            under_way: UnderWay::default(),
            look_at: None,
            busy: false,
            inbox: VecDeque::new(),
            tell_is_due: false,
        };
        leading.sessions.insert(connection, session);
        self.send(connection, Side::Node, Message::Registered { heartbeat_period });
        self.tell_soon(member, connection);
        if let Some(before) = before {
            self.hang_up(before, Side::Manager);
        }
        self.decide_soon(member);
    }

    fn session_hears(&mut self, member: MemberNo, connection: ConnectionId, message: Message) {
        let now = self.clock_of(member);
        let Some(leading) = self.leading(member) else { return };
        let Some(session) = leading.sessions.get_mut(&connection) else { return };
        if session.busy {
            return session.inbox.push_back(message);
        }
        let node = session.node;
        if let Some(contact) = leading.contacts.get_mut(&node) {
            contact.last_heard = Some(now);
            contact.goodbye |= matches!(message, Message::Goodbye);
        }
        match message {
            Message::Report(report) => self.take_report(member, connection, node, report),
            Message::CarriedOut(said) => {
                let said = CarriedOut::try_from(said).expect("nodes name networks well");
                let reached = session.under_way.carried_out(said.clone());
                self.tally.acknowledged(&said);
                self.let_go(member, node, &reached);
            }
            _ => {}
        }
    }

    fn take_report(
        &mut self,
        member: MemberNo,
        connection: ConnectionId,
        node: NodeId,
        report: wire::StatusReport,
    ) {
        let state = &self.group.members[member].state;
        let change_of = |told: wire::TaskReport| {
            let task: TaskId = told.task_id.parse().expect("agents name tasks well");
            let status =
                TaskStatus::try_from(told.status.expect("agents report a status")).expect("and a good one");
            (state.task(task)?.node == Some(node)).then_some(Change::ReportStatus { task, status })
        };
        let changes: Vec<Change> = report.tasks.into_iter().filter_map(change_of).collect();
        let sequence = report.sequence;
        if changes.is_empty() {
            return self.send(connection, Side::Node, Message::Ack { sequence });
        }
        if let Some(session) = self.session(member, connection) {
            session.busy = true;
        }
        self.propose(member, vec![Transaction::of(changes)], Waiter::Report { connection, sequence });
    }

    /// A report is written down, or not: then the session ends, and what was reported is told again.
    pub(super) fn report_answered(
        &mut self,
        member: MemberNo,
        connection: ConnectionId,
        sequence: u64,
        answer: &Answer,
    ) {
        let Some(session) = self.session(member, connection) else { return };
        session.busy = false;
        let waiting = std::mem::take(&mut session.inbox);
        if !matches!(answer, Answer::Committed) {
            return self.hang_up(connection, Side::Manager);
        }
        self.send(connection, Side::Node, Message::Ack { sequence });
        for message in waiting {
            self.session_hears(member, connection, message);
        }
        self.tell_soon(member, connection);
    }

    fn session(&mut self, member: MemberNo, connection: ConnectionId) -> Option<&mut Session> {
        self.leading(member)?.sessions.get_mut(&connection)
    }

    /// Wakes the sessions that changes concern.
    pub(super) fn wake_sessions(&mut self, member: MemberNo, events: &[Event]) {
        let concerns_all = |event: &Event| {
            matches!(event.object, ObjectId::Node(_) | ObjectId::Cluster | ObjectId::Payload(_))
        };
        let all = events.iter().any(concerns_all);
        let (_, of_networks) = self.follow_networks(member);
        let Some(leading) = self.leading(member) else { return };
        let mut woken: Vec<ConnectionId> = match all {
            true => leading.sessions.keys().copied().collect(),
            false => {
                let nodes = events.iter().filter_map(|event| event.node);
                nodes.chain(of_networks).filter_map(|node| leading.current.get(&node).copied()).collect()
            }
        };
        woken.sort_unstable();
        woken.dedup();
        for connection in woken {
            self.tell_soon(member, connection);
        }
    }

    /// Takes in what a leader's state says of networks; gives the tables, and the nodes that are concerned.
    fn follow_networks(&mut self, member: MemberNo) -> (Arc<Tables>, BTreeSet<NodeId>) {
        let (state, now) = (self.group.members[member].state.clone(), self.clock_of(member));
        let Some(leading) = self.leading(member) else { return Default::default() };
        let (tables, concerned) = leading.news.follow(&state, now);
        let term = leading.term;
        self.promises.draining.note(term, &tables, now);
        (tables, concerned)
    }

    /// A node's kernel has something: what was held for its sake is told.
    fn let_go(&mut self, member: MemberNo, node: NodeId, reached: &[Reached]) {
        let Some(leading) = self.leading(member) else { return };
        let released = reached.iter().flat_map(|reached| leading.news.carried_out(node, reached));
        let released: BTreeSet<NodeId> = released.collect();
        self.tell_nodes_soon(member, &released);
    }

    fn tell_nodes_soon(&mut self, member: MemberNo, nodes: &BTreeSet<NodeId>) {
        let Some(leading) = self.leading(member) else { return };
        let sessions: Vec<ConnectionId> =
            nodes.iter().filter_map(|node| leading.current.get(node).copied()).collect();
        for connection in sessions {
            self.tell_soon(member, connection);
        }
    }

    fn tell_soon(&mut self, member: MemberNo, connection: ConnectionId) {
        let delay = self.rng.millis(0, 2);
        if let Some(session) = self.session(member, connection)
            && !session.tell_is_due
        {
            session.tell_is_due = true;
            self.after(delay, Happening::Tell { member, connection });
        }
    }

    /// Tells a session's agent what it does not know yet.
    pub(super) fn tell(&mut self, member: MemberNo, connection: ConnectionId) {
        let (state, now) = (self.group.members[member].state.clone(), self.clock_of(member));
        let careless = self.settings.careless;
        let Some(session) = self.session(member, connection) else { return };
        session.tell_is_due = false;
        if session.busy {
            return;
        }
        let node = session.node;
        if state.node(node).is_none() {
            return self.hang_up(connection, Side::Manager);
        }
        let (tables, concerned) = self.follow_networks(member);
        self.tell_nodes_soon(member, &concerned);
        let Some(leading) = self.leading(member) else { return };
        let (held, look_at) = leading.news.held(node, now);
        let term = leading.term;
        self.tally.held(&held);
        self.look_again(member, connection, look_at);
        let Some(session) = self.session(member, connection) else { return };
        let told = session.told.tell(&state, &tables, node, |task| !careless && held.contains(&task));
        let Some(told) = told else {
            let reached = session.under_way.nothing_to_tell(state.version());
            return self.let_go(member, node, reached.as_slice());
        };
        session.under_way.told(told.sequence, state.version());
        if session.told.has_more() {
            self.tell_soon(member, connection);
        }
        let kept = a_node_gets_only_its_own_tasks::check(node, &told, &state);
        self.must(kept);
        let kept = self.promises.draining.check(term, &told, &state, &tables, &self.hosts, now);
        self.must(kept);
        let message = wire::Assignments {
            full: told.full,
            sequence: told.sequence,
            put: told.put.iter().map(|task| wire::Task::from(&**task)).collect(),
            remove: told.remove.iter().map(ToString::to_string).collect(),
            networks: told.networks.iter().map(wire::NetworkUpdate::from).collect(),
            remove_networks: told.remove_networks.iter().map(ToString::to_string).collect(),
            payloads: told.payloads.iter().map(wire::PayloadDelivery::from).collect(),
            remove_payloads: told.remove_payloads.iter().map(|&key| key.into()).collect(),
        };
        if self.misfortune && self.rng.chance(2) {
            // What is told twice does no harm.
            self.send(connection, Side::Node, Message::Assignments(Box::new(message.clone())));
        }
        self.send(connection, Side::Node, Message::Assignments(Box::new(message)));
    }

    /// Has a session be looked at when the next task that is held may be stopped.
    fn look_again(&mut self, member: MemberNo, connection: ConnectionId, at: Option<Timestamp>) {
        let now = self.clock_of(member);
        if let Some(session) = self.session(member, connection)
            && session.look_at != at
        {
            session.look_at = at;
            if let Some(at) = at {
                self.after(at.since(now), Happening::Tell { member, connection });
            }
        }
    }

    /// The leader's end of a session is over.
    pub(super) fn session_over(&mut self, member: MemberNo, connection: ConnectionId) {
        let now = self.clock_of(member);
        let Some(leading) = self.leading(member) else { return };
        let Some(session) = leading.sessions.remove(&connection) else { return };
        if leading.current.get(&session.node) == Some(&connection) {
            leading.current.remove(&session.node);
            if let Some(contact) = leading.contacts.get_mut(&session.node) {
                (contact.connected, contact.last_heard) = (false, Some(now));
            }
            self.decide_soon(member);
        }
    }
}
