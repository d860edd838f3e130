//! The node's half of the sessions: a daemon calls one manager after the other, as the worker's shell
//! does.

use super::{
    happening::{Happening, Message},
    network::{ConnectionId, HostNo, Side},
    world::World,
};
use proto::{model::Task, wire};
use std::time::Duration;
use worker_core::{
    agent::{Assignments, Event, Report},
    tables::Told,
};

/// How long a manager may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// A session this long was a success: if it ends, the next one is tried at once.
const LONG: Duration = Duration::from_secs(10);

/// A daemon's connection to the managers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// There is none.
    Down,
    /// The registration was sent.
    Calling(ConnectionId),
    /// The session is open.
    Up {
        /// Its connection.
        connection: ConnectionId,
        /// Since when.
        since: Duration,
        /// How often the node says that it is alive.
        heartbeat_period: Duration,
    },
}

impl Line {
    /// The connection, if there is one.
    pub fn connection(self) -> Option<ConnectionId> {
        match self {
            Line::Down => None,
            Line::Calling(connection) | Line::Up { connection, .. } => Some(connection),
        }
    }
}

impl World {
    /// A daemon's connection.
    pub(super) fn line(&self, host: HostNo) -> Option<Line> {
        self.hosts[host].daemon.as_ref().map(|daemon| daemon.line)
    }

    fn set_line(&mut self, host: HostNo, line: Line) {
        if let Some(daemon) = self.hosts[host].daemon.as_mut() {
            daemon.line = line;
        }
    }

    /// A daemon calls any manager.
    pub(super) fn dial(&mut self, host: HostNo, incarnation: u64) {
        if self.hosts[host].incarnation != incarnation || self.line(host) != Some(Line::Down) {
            return;
        }
        let via = self.rng.place(self.group.members.len());
        let connection = self.network.connect(host, via);
        self.set_line(host, Line::Calling(connection));
        let description = Box::new(self.hosts[host].description());
        self.send(connection, Side::Manager, Message::Register(description));
        self.after(ANSWER_TIMEOUT, Happening::DialTimeout { host, connection });
    }

    /// A manager has not answered in time.
    pub(super) fn dial_timed_out(&mut self, host: HostNo, connection: ConnectionId) {
        if self.line(host) == Some(Line::Calling(connection)) {
            self.hang_up(connection, Side::Node);
            self.line_over(host, connection);
        }
    }

    /// A manager's message reaches a node.
    pub(super) fn host_hears(&mut self, connection: ConnectionId, message: Message) {
        let Some(host) = self.network.connection(connection).map(|it| it.host) else { return };
        if self.line(host).and_then(Line::connection) != Some(connection) {
            return;
        }
        match message {
            Message::Registered { heartbeat_period } => {
                self.note_of(host, format_args!("has a session"));
                self.set_line(host, Line::Up { connection, since: self.now, heartbeat_period });
                self.begin_to_acknowledge(host);
                self.tell_agent(host, Event::SessionUp);
                self.heartbeat(host, connection);
            }
            Message::Assignments(told) => self.take_assignments(host, connection, *told),
            Message::Ack { sequence } => self.tell_agent(host, Event::Acked { sequence }),
            Message::Register(_)
            | Message::Heartbeat
            | Message::Report(_)
            | Message::CarriedOut(_)
            | Message::Goodbye => unreachable!("managers do not say this"),
        }
    }

    /// What assignments tell of networks is taken first, as tasks may need them.
    fn take_assignments(&mut self, host: HostNo, connection: ConnectionId, mut told: wire::Assignments) {
        let of_networks = networks(&mut told);
        if self.take_networks(host, told.full, told.sequence, of_networks) {
            return self.tell_agent(host, Event::Assigned(tasks(told)));
        }
        self.note_of(host, format_args!("has missed what networks are"));
        self.after(Duration::ZERO, Happening::Closed { connection, side: Side::Node });
    }

    /// A node says that it is alive, and will again.
    pub(super) fn heartbeat(&mut self, host: HostNo, connection: ConnectionId) {
        let Some(Line::Up { connection: current, heartbeat_period, .. }) = self.line(host) else { return };
        if current == connection {
            self.send(connection, Side::Manager, Message::Heartbeat);
            self.after(heartbeat_period, Happening::Heartbeat { host, connection });
        }
    }

    /// Sends what the agent reports, if there is a session.
    pub(super) fn send_report(&mut self, host: HostNo, report: &Report) {
        let Some(Line::Up { connection, .. }) = self.line(host) else { return };
        let tasks = report.tasks.iter();
        let tasks = tasks
            .map(|(id, status)| wire::TaskReport { task_id: id.to_string(), status: Some(status.into()) });
        let report = wire::StatusReport { sequence: report.sequence, tasks: tasks.collect() };
        self.send(connection, Side::Manager, Message::Report(report));
    }

    /// Says goodbye before the daemon stops on purpose.
    pub(super) fn say_goodbye(&mut self, host: HostNo) {
        if let Some(Line::Up { connection, .. }) = self.line(host) {
            self.send(connection, Side::Manager, Message::Goodbye);
        }
    }

    /// The node's end of a session is over; the next one follows.
    pub(super) fn line_over(&mut self, host: HostNo, connection: ConnectionId) {
        let Some(line) = self.line(host).filter(|line| line.connection() == Some(connection)) else { return };
        self.set_line(host, Line::Down);
        self.tell_agent(host, Event::SessionDown);
        let jitter = u32::try_from(self.rng.number() >> 32).expect("32 bits are left");
        let (now, incarnation) = (self.now, self.hosts[host].incarnation);
        let Some(daemon) = self.hosts[host].daemon.as_mut() else { return };
        let was_long = matches!(line, Line::Up { since, .. } if now - since >= LONG);
        let wait = match was_long {
            true => {
                daemon.backoff.reset();
                Duration::ZERO
            }
            false => daemon.backoff.after_failure(jitter),
        };
        self.after(wait, Happening::Dial { host, incarnation });
    }
}

/// The tasks of assignments, as the worker's shell reads them.
fn tasks(told: wire::Assignments) -> Assignments {
    let put = told.put.into_iter().map(|task| Task::try_from(task).expect("managers send good tasks"));
    let remove = told.remove.into_iter().map(|id| id.parse().expect("managers send good ids"));
    Assignments { full: told.full, sequence: told.sequence, put: put.collect(), remove: remove.collect() }
}

/// What they tell of networks.
fn networks(told: &mut wire::Assignments) -> Told {
    let update = |wire: wire::NetworkUpdate| wire.try_into().expect("managers send good networks");
    let gone = |id: &String| id.parse().expect("managers send good ids");
    Told {
        full: told.full,
        updates: std::mem::take(&mut told.networks).into_iter().map(update).collect(),
        remove: told.remove_networks.iter().map(gone).collect(),
    }
}
