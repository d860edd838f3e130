//! Which connections of a container are in use, so that its program is not to be stopped yet, from what the kernel's
//! `sock_diag` says of each.
//!
//! A connection that is kept open between two requests, as pools of databases, keep-alive of HTTP and websockets do, is
//! not in use: its end costs nobody an answer, and most programs never end it by themselves. What tells it from one whose
//! client waits is who spoke last.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

/// How long both ends must have been silent: answers come in pieces.
pub const IDLE: Duration = Duration::from_secs(1);

/// `TCP_ESTABLISHED` of the kernel's `tcp_states.h`.
const ESTABLISHED: u8 = 1;
/// `TCP_LISTEN`.
const LISTEN: u8 = 10;
/// `TCP_SYN_RECV`, `TCP_FIN_WAIT1`, `TCP_CLOSE_WAIT`, `TCP_LAST_ACK` and `TCP_CLOSING`: something may have to be sent yet.
const BEING_OPENED_OR_CLOSED: [u8; 5] = [3, 4, 8, 9, 11];
/// `AF_INET` and `AF_INET6`.
const FAMILIES: [u8; 2] = [2, 10];
/// The bytes of `struct inet_diag_msg`; attributes follow.
const HEAD: usize = 72;
/// `INET_DIAG_INFO`, whose content is a `struct tcp_info`.
const INFO: u16 = 2;
/// Where `tcpi_last_data_sent` and `tcpi_last_data_recv` are in it.
const LAST_SENT: usize = 44;
const LAST_RECEIVED: usize = 52;

/// A TCP socket, as the kernel tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Connection {
    /// One of `tcp_states.h`.
    pub state: u8,
    /// The port of this end.
    pub port: u16,
    /// The address of the other end.
    pub peer: IpAddr,
    /// Bytes that the program has not read, or of one that listens, connections it has not taken.
    pub unread: u32,
    /// Bytes that the other end has not confirmed.
    pub unsent: u32,
    /// How long ago this end and the other one sent something last; for one that never did, when they met. `None` while
    /// there is no connection yet, or none any more.
    pub silent: Option<Silence>,
}

/// For how long the ends of a connection have said nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Silence {
    /// This one.
    pub here: Duration,
    /// The other one.
    pub there: Duration,
}

impl Connection {
    /// Reads what the kernel answers of one socket; `None` if it is too short or of another family.
    pub fn read(answer: &[u8]) -> Option<Self> {
        let &[family, state, _, _] = answer.first_chunk()?;
        let port = u16::from_be_bytes(*answer.get(4..)?.first_chunk()?);
        let peer: [u8; 16] = *answer.get(24..)?.first_chunk()?;
        let peer = match FAMILIES.iter().position(|known| *known == family)? {
            0 => Ipv4Addr::from(*peer.first_chunk()?).into(),
            _ => IpAddr::from(Ipv6Addr::from(peer)),
        };
        let (unread, unsent) = (number(answer, 56)?, number(answer, 60)?);
        let silent = attribute(answer.get(HEAD..)?, INFO).and_then(silence);
        Some(Self { state, port, peer, unread, unsent, silent })
    }

    /// Whether somebody waits for something in it: it is being opened or closed, the other end spoke last, or both spoke
    /// a moment ago.
    pub fn is_in_use(&self) -> bool {
        if self.state != ESTABLISHED {
            return BEING_OPENED_OR_CLOSED.contains(&self.state);
        }
        let is_at_rest = |silent: Silence| silent.here <= silent.there && silent.here >= IDLE;
        self.unread > 0 || self.unsent > 0 || !self.silent.is_some_and(is_at_rest)
    }
}

/// Counts the connections in use that others made to a port that is listened on, among all TCP sockets of a network
/// namespace. Those of the machine with itself do not count.
pub fn in_use(sockets: &[Connection]) -> usize {
    let listening: BTreeSet<u16> =
        sockets.iter().filter(|socket| socket.state == LISTEN).map(|socket| socket.port).collect();
    let from_others = |socket: &Connection| !socket.peer.to_canonical().is_loopback();
    let counts =
        |socket: &&Connection| socket.is_in_use() && from_others(socket) && listening.contains(&socket.port);
    sockets.iter().filter(counts).count()
}

fn silence(info: &[u8]) -> Option<Silence> {
    let ago = |place| Some(Duration::from_millis(number(info, place)?.into()));
    Some(Silence { here: ago(LAST_SENT)?, there: ago(LAST_RECEIVED)? })
}

fn number(bytes: &[u8], place: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(place..)?.first_chunk()?))
}

/// The content of the first attribute of a kind: each has its length with these four bytes, its kind, and its content,
/// filled up to a multiple of four.
fn attribute(mut bytes: &[u8], wanted: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16::from_ne_bytes(*bytes.first_chunk()?));
        let kind = u16::from_ne_bytes(*bytes.get(2..)?.first_chunk()?);
        let content = bytes.get(4..length)?;
        if kind == wanted {
            return Some(content);
        }
        bytes = bytes.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LISTENER: Connection = Connection {
        state: LISTEN,
        port: 80,
        peer: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        unread: 0,
        unsent: 0,
        silent: None,
    };

    /// A connection of which this end spoke last so many milliseconds ago, and the other one.
    fn spoken(here: u64, there: u64) -> Connection {
        let [here, there] = [here, there].map(Duration::from_millis);
        let silent = Some(Silence { here, there });
        Connection { state: ESTABLISHED, peer: [10, 0, 0, 3].into(), silent, ..LISTENER }
    }

    fn count(connection: Connection) -> usize {
        in_use(&[LISTENER, connection])
    }

    #[test]
    fn a_connection_is_in_use_while_its_client_waits_or_either_end_speaks() {
        assert_eq!(count(spoken(5000, 30)), 1, "a request came a moment ago");
        assert_eq!(count(spoken(9000, 8000)), 1, "it takes long to be answered");
        assert_eq!(count(spoken(20, 8000)), 1, "the answer comes");
        assert_eq!(count(spoken(1000, 8000)), 0, "it was answered");
        assert_eq!(count(spoken(8000, 8000)), 0, "nobody ever said anything");
        assert_eq!(count(Connection { unread: 1, ..spoken(2000, 8000) }), 1);
        assert_eq!(count(Connection { unsent: 1, ..spoken(2000, 8000) }), 1);
        assert_eq!(count(Connection { silent: None, ..spoken(0, 0) }), 1, "nothing is known of it");
    }

    #[test]
    fn connections_that_are_opened_or_closed_count_and_those_that_are_over_do_not() {
        let of_state = |state| count(Connection { state, ..spoken(8000, 9000) });
        assert_eq!(BEING_OPENED_OR_CLOSED.map(of_state), [1; 5]);
        assert_eq!([2, 5, 6, 7].map(of_state), [0; 4], "SYN_SENT, FIN_WAIT2, TIME_WAIT, CLOSE");
    }

    #[test]
    fn connections_that_go_out_and_those_of_the_machine_with_itself_do_not_count() {
        assert_eq!(count(Connection { port: 40000, ..spoken(0, 0) }), 0);
        assert_eq!(count(Connection { peer: [127, 0, 0, 1].into(), ..spoken(0, 0) }), 0);
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped().into();
        assert_eq!(count(Connection { peer: mapped, ..spoken(0, 0) }), 0);
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_reader_panic(answer: Vec<u8>, family in proptest::sample::select(&FAMILIES[..])) {
            Connection::read(&answer);
            let mut long = vec![0; HEAD];
            long[0] = family;
            long.extend(answer);
            let read = Connection::read(&long);
            prop_assert!(read.is_some());
        }
    }
}
