//! The network: which machines can reach each other, and the connections between them.
//!
//! A connection delivers in order. While its path is cut nothing arrives, and both ends notice only
//! when their probes stay unanswered; if the path is whole again before, what was sent arrives late.
//! When a connection ends, what is in flight is lost.

use super::happening::Message;
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// How long an end waits for an answer before it counts the connection as lost: the managers' and
/// workers' probes go out every 2 s and wait for 3 s.
pub const PROBES_TIME_MAX: Duration = Duration::from_secs(5);

/// The place of a manager in the group.
pub type MemberNo = usize;
/// The place of a machine among the machines.
pub type HostNo = usize;
/// Names a connection.
pub type ConnectionId = u64;

/// A machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// One that runs a manager.
    Member(MemberNo),
    /// One that runs tasks.
    Host(HostNo),
}

/// One end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The node's.
    Node,
    /// The leader's.
    Manager,
}

impl Side {
    /// The other end.
    pub fn other(self) -> Side {
        match self {
            Side::Node => Side::Manager,
            Side::Manager => Side::Node,
        }
    }
}

/// A connection of a node to the leader, through the manager it called.
#[derive(Debug)]
pub struct Connection {
    /// The node.
    pub host: HostNo,
    /// The manager it called.
    pub via: MemberNo,
    /// The manager that answers, which may be the same; `None` until the call got there.
    pub leader: Option<MemberNo>,
    /// Whether what was under way in it was lost, so that it can't go on.
    pub is_lost: bool,
    node: End,
    manager: End,
}

#[derive(Debug, Default)]
struct End {
    closed: bool,
    /// What was sent to this end and has not arrived, in order.
    inbox: VecDeque<Message>,
}

impl Connection {
    fn end(&self, side: Side) -> &End {
        match side {
            Side::Node => &self.node,
            Side::Manager => &self.manager,
        }
    }

    fn end_mut(&mut self, side: Side) -> &mut End {
        match side {
            Side::Node => &mut self.node,
            Side::Manager => &mut self.manager,
        }
    }

    /// Whether an end has not closed it.
    pub fn is_open(&self, side: Side) -> bool {
        !self.end(side).closed
    }
}

/// Machines that can't reach each other.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Those of one side.
    pub one: Vec<Point>,
    /// Those of the other.
    pub other: Vec<Point>,
}

/// All connections and partitions.
#[derive(Debug, Default)]
pub struct Network {
    cuts: BTreeMap<u64, Cut>,
    connections: BTreeMap<ConnectionId, Connection>,
    made: u64,
    /// Whether messages take long at present.
    pub slow: bool,
}

impl Network {
    /// Whether two machines reach each other.
    pub fn reaches(&self, a: Point, b: Point) -> bool {
        let parts = |cut: &Cut| {
            (cut.one.contains(&a) && cut.other.contains(&b))
                || (cut.one.contains(&b) && cut.other.contains(&a))
        };
        !self.cuts.values().any(parts)
    }

    /// Parts machines; the number ends it.
    pub fn cut(&mut self, cut: Cut) -> u64 {
        self.made += 1;
        self.cuts.insert(self.made, cut);
        self.made
    }

    /// Ends a partition.
    pub fn heal(&mut self, number: u64) {
        self.cuts.remove(&number);
    }

    /// Ends all partitions.
    pub fn heal_all(&mut self) {
        self.cuts.clear();
        self.slow = false;
    }

    /// Makes a connection.
    pub fn connect(&mut self, host: HostNo, via: MemberNo) -> ConnectionId {
        self.made += 1;
        let (node, manager) = (End::default(), End::default());
        let connection = Connection { host, via, leader: None, is_lost: false, node, manager };
        self.connections.insert(self.made, connection);
        self.made
    }

    /// A connection, unless both ends have closed it.
    pub fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id)
    }

    /// Notes which manager answers.
    pub fn answer(&mut self, id: ConnectionId, leader: MemberNo) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.leader = Some(leader);
        }
    }

    /// The connections for which something holds.
    pub fn find(&self, which: impl Fn(&Connection) -> bool) -> Vec<ConnectionId> {
        self.connections.iter().filter(|(_, connection)| which(connection)).map(|(id, _)| *id).collect()
    }

    /// Whether a connection's messages get through.
    pub fn is_whole(&self, connection: &Connection) -> bool {
        let via = Point::Member(connection.via);
        self.reaches(Point::Host(connection.host), via)
            && connection.leader.is_none_or(|leader| self.reaches(via, Point::Member(leader)))
    }

    /// Sends a message. It arrives when the next one of this end is [taken](Network::take).
    pub fn send(&mut self, id: ConnectionId, to: Side, message: Message) {
        if let Some(connection) = self.connections.get_mut(&id)
            && connection.is_open(to)
        {
            connection.end_mut(to).inbox.push_back(message);
        }
    }

    /// Takes the next message out at an end, if the way is open.
    pub fn take(&mut self, id: ConnectionId, at: Side) -> Option<Message> {
        let connection = self.connections.get(&id)?;
        if !self.is_whole(connection) {
            return None;
        }
        self.connections.get_mut(&id)?.end_mut(at).inbox.pop_front()
    }

    /// How many messages have not arrived at an end.
    pub fn under_way(&self, id: ConnectionId, to: Side) -> usize {
        self.connections.get(&id).map_or(0, |connection| connection.end(to).inbox.len())
    }

    /// Closes one end; says whether the other one is still open.
    pub fn close(&mut self, id: ConnectionId, side: Side) -> bool {
        let Some(connection) = self.connections.get_mut(&id) else { return false };
        connection.end_mut(side).closed = true;
        connection.end_mut(side).inbox.clear();
        let open = connection.is_open(side.other());
        if !open {
            self.connections.remove(&id);
        }
        open
    }

    /// Loses what is under way in a connection.
    pub fn lose(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.is_lost = true;
            connection.node.inbox.clear();
            connection.manager.inbox.clear();
        }
    }
}
