//! The events of a simulated cluster.

use super::{
    network::{ConnectionId, HostNo, MemberNo, Side},
    requests::RequestId,
};
use proto::{
    model::{ExitStatus, NodeDescription, TaskId},
    wire,
};
use std::time::Duration;
use worker_core::agent::Outcome;

/// Something that happens at a point in virtual time.
#[derive(Debug)]
pub enum Happening {
    /// Enough managers have a leader's entry on disk, if they can be reached.
    Replicated { member: MemberNo, term: u64, entry: u64 },
    /// A proposal has waited for as long as its caller waits.
    Unconfirmed { member: MemberNo, term: u64, ticket: u64 },
    /// A follower applies what is committed.
    CatchUp { member: MemberNo },
    /// The managers look whether there is a leader.
    Election,
    /// A manager hears who leads.
    Hear { member: MemberNo },
    /// A new leader has applied everything that was committed before it.
    LeaderReady { member: MemberNo, term: u64 },
    /// A leader makes a pass.
    Decide { member: MemberNo, term: u64 },
    /// The time that a pass asked to be woken at.
    Wake { member: MemberNo, term: u64, pass: u64 },

    /// The next message comes out of a connection.
    Arrive { connection: ConnectionId, side: Side },
    /// One side of a connection notices that it is over.
    Closed { connection: ConnectionId, side: Side },
    /// One side has heard nothing of the other for as long as it waits for an answer to its probes.
    Silence { connection: ConnectionId, side: Side },
    /// A leader looks what a session's agent has to be told.
    Tell { member: MemberNo, connection: ConnectionId },

    /// A daemon calls a manager.
    Dial { host: HostNo, incarnation: u64 },
    /// A manager should have answered the registration by now.
    DialTimeout { host: HostNo, connection: ConnectionId },
    /// A daemon says that it is alive.
    Heartbeat { host: HostNo, connection: ConnectionId },
    /// The time the agent asked for.
    Tick { host: HostNo, incarnation: u64 },
    /// Something came of an order to the node; of an order that was overtaken by another nothing does.
    Step { host: HostNo, incarnation: u64, task: TaskId, order: Option<u64>, outcome: Outcome },
    /// A daemon carries out what it knows of networks.
    CarryOut { host: HostNo, incarnation: u64 },
    /// A daemon says how far it is with that.
    Acknowledge { host: HostNo, incarnation: u64 },
    /// A container begins to run.
    ContainerStarts { host: HostNo, incarnation: u64, task: TaskId },
    /// A container's process ends.
    ContainerEnds { host: HostNo, boot: u64, task: TaskId, exit: ExitStatus },
    /// The machine has power again.
    PowerOn { host: HostNo },
    /// The daemon is started.
    DaemonStarts { host: HostNo },
    /// Somebody has the machine leave the cluster that does not know it any more.
    Leave { host: HostNo },

    /// Somebody wants something of the cluster.
    UserActs,
    /// A request reaches the leader.
    Request { request: RequestId },
    /// The answer to a request reaches the user, or the user gives up waiting for it.
    Answered { request: RequestId },

    /// Something goes wrong.
    Fault,
    /// A partition is over.
    Heal { cut: u64 },
    /// A manager's process is started again.
    MemberStarts { member: MemberNo },
    /// Messages take as long as usual again.
    Calm,
}

/// What a node and the leader say to each other in a session.
#[derive(Debug)]
pub enum Message {
    /// The node says who and what it is.
    Register(Box<NodeDescription>),
    /// The node is alive.
    Heartbeat,
    /// What the node observed of its tasks.
    Report(wire::StatusReport),
    /// How far the node's kernel is with networks.
    CarriedOut(wire::CarriedOut),
    /// The daemon will be back.
    Goodbye,
    /// The session is open.
    Registered { heartbeat_period: Duration },
    /// What is wanted of the node.
    Assignments(Box<wire::Assignments>),
    /// A report is written down.
    Ack { sequence: u64 },
}
