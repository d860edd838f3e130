//! Sending over connections, and their ends.

use super::{
    happening::{Happening, Message},
    network::{ConnectionId, PROBES_TIME_MAX, Side},
    world::World,
};
use std::time::Duration;

impl World {
    /// How long a message takes.
    pub(super) fn message_delay(&mut self) -> Duration {
        if self.network.slow { self.rng.millis(50, 1200) } else { self.rng.millis(1, 8) }
    }

    /// How long it takes until a majority has an entry on disk.
    pub(super) fn disk_delay(&mut self) -> Duration {
        let slow = self.network.slow || self.rng.chance(2);
        if slow { self.rng.millis(50, 1500) } else { self.rng.millis(2, 15) }
    }

    /// Sends a message to one end of a connection.
    pub(super) fn send(&mut self, connection: ConnectionId, to: Side, message: Message) {
        self.network.send(connection, to, message);
        let delay = self.message_delay();
        self.after(delay, Happening::Arrive { connection, side: to });
    }

    /// The next message comes out of a connection, unless its way is cut.
    pub(super) fn arrive(&mut self, connection: ConnectionId, side: Side) {
        match (self.network.take(connection, side), side) {
            (Some(message), Side::Manager) => self.manager_hears(connection, message),
            (Some(message), Side::Node) => self.host_hears(connection, message),
            (None, _) => {}
        }
    }

    /// One side ends a connection. The other one hears of it, if it can be reached.
    pub(super) fn hang_up(&mut self, connection: ConnectionId, side: Side) {
        let leader = self.network.connection(connection).and_then(|it| it.leader);
        if self.network.close(connection, side) {
            let delay = self.message_delay();
            self.after(delay, Happening::Closed { connection, side: side.other() });
        }
        if let (Side::Manager, Some(member)) = (side, leader) {
            self.session_over(member, connection);
        }
    }

    /// A connection breaks: what is in flight is lost, and both sides notice soon. What is sent before
    /// they do may still arrive, so that there is a gap to be noticed.
    pub(super) fn reset(&mut self, connection: ConnectionId) {
        self.network.lose(connection);
        for side in [Side::Node, Side::Manager] {
            let delay = self.message_delay();
            self.after(delay, Happening::Closed { connection, side });
        }
    }

    /// One side may notice that the other has ended a connection, or that it broke.
    pub(super) fn closed(&mut self, connection: ConnectionId, side: Side) {
        let Some(it) = self.network.connection(connection).filter(|it| it.is_open(side)) else { return };
        // Word of an end does not get through a cut; the probes find out.
        if !self.network.is_whole(it) {
            return self.after(PROBES_TIME_MAX, Happening::Silence { connection, side });
        }
        self.end_of(connection, side);
    }

    /// One side has had no answer to its probes, unless the way was mended meanwhile.
    pub(super) fn silence(&mut self, connection: ConnectionId, side: Side) {
        let Some(it) = self.network.connection(connection).filter(|it| it.is_open(side)) else { return };
        if !self.network.is_whole(it) || it.is_lost || !it.is_open(side.other()) {
            self.end_of(connection, side);
        }
    }

    fn end_of(&mut self, connection: ConnectionId, side: Side) {
        let it = self.network.connection(connection).map(|it| (it.host, it.leader));
        let Some((host, leader)) = it else { return };
        if self.network.close(connection, side) {
            let delay = self.message_delay();
            self.after(delay, Happening::Closed { connection, side: side.other() });
        }
        match side {
            Side::Node => self.line_over(host, connection),
            Side::Manager => {
                if let Some(member) = leader {
                    self.session_over(member, connection);
                }
            }
        }
    }

    /// Something in the network has changed: what is cut off will be missed, what is whole again
    /// delivers what it held back.
    pub(super) fn network_changed(&mut self) {
        for connection in self.network.find(|_| true) {
            let Some(it) = self.network.connection(connection) else { continue };
            if !self.network.is_whole(it) {
                for side in [Side::Node, Side::Manager] {
                    let delay = PROBES_TIME_MAX.saturating_sub(self.rng.millis(0, 2000));
                    self.after(delay, Happening::Silence { connection, side });
                }
                continue;
            }
            for side in [Side::Node, Side::Manager] {
                for _ in 0..self.network.under_way(connection, side) {
                    let delay = self.message_delay();
                    self.after(delay, Happening::Arrive { connection, side });
                }
                let other_is_gone =
                    self.network.connection(connection).is_some_and(|it| !it.is_open(side.other()));
                if other_is_gone {
                    let delay = self.message_delay();
                    self.after(delay, Happening::Closed { connection, side });
                }
            }
        }
        self.tell_who_leads();
    }
}
