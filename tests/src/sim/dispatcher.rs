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
    state::{Change, Event, Expect, ObjectId, Transaction},
};
use proto::{
    model::{Node, NodeDescription, NodeId, NodeState, NodeStatus, TaskId, TaskStatus},
    wire,
};
use std::collections::VecDeque;

/// A session as the leader has it.
#[derive(Debug)]
pub struct Session {
    node: NodeId,
    told: Told,
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
        let (told, inbox) = (Told::default(), VecDeque::new());
        leading.sessions.insert(connection, Session { node, told, busy: false, inbox, tell_is_due: false });
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
        if let Message::Report(report) = message {
            self.take_report(member, connection, node, report);
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
        let concerns_all = |event: &Event| matches!(event.object, ObjectId::Node(_) | ObjectId::Cluster);
        let all = events.iter().any(concerns_all);
        let state = self.group.members[member].state.clone();
        let Some(leading) = self.leading(member) else { return };
        // A task's change concerns the other nodes of its networks as well.
        let tables = leading.tables.next(&state);
        let of_networks = tables.concerned(&leading.tables);
        leading.tables = tables;
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
        let state = self.group.members[member].state.clone();
        let Some(tables) = self.leading(member).map(|leading| leading.tables.next(&state)) else { return };
        let Some(session) = self.session(member, connection) else { return };
        session.tell_is_due = false;
        if session.busy {
            return;
        }
        let node = session.node;
        if state.node(node).is_none() {
            return self.hang_up(connection, Side::Manager);
        }
        let Some(told) = session.told.tell(&state, &tables, node, |_| false) else { return };
        let kept = a_node_gets_only_its_own_tasks::check(node, &told, &state);
        self.must(kept);
        let message = wire::Assignments {
            full: told.full,
            sequence: told.sequence,
            put: told.put.iter().map(|task| wire::Task::from(&**task)).collect(),
            remove: told.remove.iter().map(ToString::to_string).collect(),
            networks: told.networks.iter().map(wire::NetworkUpdate::from).collect(),
            remove_networks: told.remove_networks.iter().map(ToString::to_string).collect(),
        };
        self.send(connection, Side::Node, Message::Assignments(message));
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
