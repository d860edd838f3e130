//! Which sockets wait for peers, and which have one, from the tables in `/proc/net`.

use proto::model::{PortProtocol, PublishedPort};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

/// `TCP_LISTEN` of the kernel's `tcp_states.h`.
const LISTEN: &str = "0A";
/// `TCP_ESTABLISHED`, `TCP_SYN_RECV`, `TCP_FIN_WAIT1`, `TCP_CLOSE_WAIT`, `TCP_LAST_ACK` and `TCP_CLOSING`:
/// something may have to be sent yet.
const OPEN: [&str; 6] = ["01", "03", "04", "08", "09", "0B"];
/// `SCTP_SS_LISTENING`, which is `TCP_LISTEN`.
const SCTP_LISTENING: &str = "10";
/// `TCP_CLOSE`: what an unconnected UDP socket is.
const UNCONNECTED: &str = "07";

/// How long a container that runs may take until it listens on a port that its service publishes. Who speaks to it
/// before is refused and would notice.
const LISTENING_PATIENCE: Duration = Duration::from_secs(10);

/// The same for datagrams. Not every program that takes them binds the port from the start, or at all; a first one that
/// is lost is nothing that its sender is not prepared for.
const BINDING_PATIENCE: Duration = Duration::from_secs(1);

/// How long a container is waited for to listen on a port.
pub fn patience(port: &PublishedPort) -> Duration {
    match port.protocol {
        PortProtocol::Tcp | PortProtocol::Sctp => LISTENING_PATIENCE,
        PortProtocol::Udp => BINDING_PATIENCE,
    }
}

/// How long it is waited for at most to listen on all of them.
pub fn longest_patience(ports: &[PublishedPort]) -> Duration {
    ports.iter().map(patience).max().unwrap_or_default()
}

/// A socket that waits for peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: SocketAddr,
    /// What its file descriptors lead to, as `socket:[INODE]`.
    pub inode: u64,
}

/// Reads the text of `/proc/net/tcp` or `/proc/net/tcp6`.
pub fn tcp_listeners(table: &str) -> Vec<Listener> {
    in_state(table, LISTEN)
}

/// Reads the text of `/proc/net/udp` or `/proc/net/udp6`.
pub fn udp_listeners(table: &str) -> Vec<Listener> {
    in_state(table, UNCONNECTED)
}

/// Counts the connections that others made to a port that is listened on and that are not over yet, in the
/// text of `/proc/net/tcp` and of `/proc/net/tcp6`. Those of the machine with itself do not count.
pub fn open_connections(tables: &[String]) -> usize {
    let listening: BTreeSet<u16> = tables
        .iter()
        .flat_map(|table| tcp_listeners(table))
        .map(|listener| listener.address.port())
        .collect();
    let is_open = |row: &Row<'_>| {
        let from_others = !row.peer.ip().to_canonical().is_loopback();
        OPEN.contains(&row.state) && from_others && listening.contains(&row.local.port())
    };
    tables.iter().flat_map(|table| rows(table)).filter(is_open).count()
}

/// Reads the text of `/proc/net/sctp/eps`: `ENDPT SOCK STY SST HBKT LPORT UID INODE LADDRS...`, all in decimal.
pub fn sctp_listeners(table: &str) -> Vec<Listener> {
    table.lines().skip(1).flat_map(sctp_row).collect()
}

/// An endpoint has a row, with all of its addresses; one that is bound to none has the unspecified one.
fn sctp_row(line: &str) -> Vec<Listener> {
    let columns: Vec<&str> = line.split_whitespace().collect();
    let [_, _, _, state, _, port, _, inode, addresses @ ..] = &columns[..] else { return Vec::new() };
    let (Ok(port), Ok(inode)) = (port.parse(), inode.parse()) else { return Vec::new() };
    if *state != SCTP_LISTENING {
        return Vec::new();
    }
    // The primary one is marked.
    let addresses = addresses.iter().filter_map(|address| address.trim_start_matches('*').parse().ok());
    addresses.map(|ip| Listener { address: SocketAddr::new(ip, port), inode }).collect()
}

fn in_state(table: &str, wanted: &str) -> Vec<Listener> {
    let listener = |row: Row<'_>| Listener { address: row.local, inode: row.inode };
    rows(table).filter(|row| row.state == wanted).map(listener).collect()
}

/// What a line says of a socket.
struct Row<'a> {
    local: SocketAddr,
    peer: SocketAddr,
    state: &'a str,
    inode: u64,
}

fn rows(table: &str) -> impl Iterator<Item = Row<'_>> {
    // The first line names the columns.
    table.lines().skip(1).filter_map(row)
}

/// `N: LOCAL REMOTE STATE QUEUES TIMER RETRANSMITS UID TIMEOUT INODE ...`
fn row(line: &str) -> Option<Row<'_>> {
    let mut columns = line.split_whitespace().skip(1);
    let (local, peer) = (address(columns.next()?)?, address(columns.next()?)?);
    let state = columns.next()?;
    let inode = columns.nth(5)?.parse().ok()?;
    Some(Row { local, peer, state, inode })
}

/// `ADDRESS:PORT` in hexadecimal; the address in words of 32 bits, each in the processor's byte order.
fn address(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |place: usize| {
        let digits = address.get(8 * place..8 * place + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    let address: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(address, port))
}

#[cfg(all(test, target_endian = "little"))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TCP: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 12345 1 0000000000000000 100 0 0 10 0
   1: 0202000A:D431 0302000A:0016 01 00000000:00000000 02:000A7214 00000000     0        0 999 2 0000000000000000 20 4 30 10 -1
";
    const UDP6: &str = "  sl  local_address remote_address st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops
  10: B80D0120000000000000000001000000:0035 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 77 2 0000000000000000 0
";

    #[test]
    fn only_waiting_sockets_are_listed() {
        let address = "127.0.0.1:8080".parse().unwrap();
        assert_eq!(tcp_listeners(TCP), [Listener { address, inode: 12345 }]);
        let address = "[2001:db8::1]:53".parse().unwrap();
        assert_eq!(udp_listeners(UDP6), [Listener { address, inode: 77 }]);
    }

    #[test]
    fn connections_of_others_to_a_port_that_is_listened_on_are_counted_until_they_are_over() {
        const HEAD: &str = "header\n 0: 00000000:0050 00000000:0000 0A 0:0 00:0 0 0 0 1 1 0";
        let with = |local: &str, peer: &str, state: &str| {
            open_connections(&[format!("{HEAD}\n 1: {local} {peer} {state} 0:0 00:0 0 0 0 2 1 0")])
        };
        let (here, other) = ("0202000A:0050", "0302000A:D431");
        assert_eq!(with(here, other, "01"), 1);
        assert_eq!(with(here, other, "08"), 1, "the client is done and waits for the answer");
        assert_eq!(with(here, other, "06"), 0, "TIME_WAIT");
        assert_eq!(with("0202000A:0051", other, "01"), 0, "one that goes out");
        assert_eq!(with("0100007F:0050", "0100007F:D431", "01"), 0, "a program that asks itself");
    }

    #[test]
    fn an_endpoint_of_sctp_listens_at_each_of_its_addresses() {
        let table = " ENDPT     SOCK   STY SST HBKT LPORT   UID INODE LADDRS
00000000 00000000 2   10  29   36412     0 12345 10.0.0.5 fd00::5
00000000 00000000 2   7   29   36413     0 12346 10.0.0.5
";
        let listener = |address: &str| Listener { address: address.parse().unwrap(), inode: 12345 };
        assert_eq!(sctp_listeners(table), [listener("10.0.0.5:36412"), listener("[fd00::5]:36412")]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            open_connections(&[format!("header\n{text}")]);
            sctp_listeners(&format!("header\n{text}"));
            tcp_listeners(&format!("header\n{text}"));
            address(&text);
        }
    }
}
