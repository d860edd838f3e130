//! Which sockets of a node wait for peers, from the tables in `/proc/net`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// `TCP_LISTEN` of the kernel's `tcp_states.h`.
const LISTEN: &str = "0A";
/// `TCP_CLOSE`: what an unconnected UDP socket is.
const UNCONNECTED: &str = "07";

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

fn in_state(table: &str, wanted: &str) -> Vec<Listener> {
    // The first line names the columns.
    table.lines().skip(1).filter_map(|line| row(line, wanted)).collect()
}

/// `N: LOCAL REMOTE STATE QUEUES TIMER RETRANSMITS UID TIMEOUT INODE ...`
fn row(line: &str, wanted: &str) -> Option<Listener> {
    let mut columns = line.split_whitespace();
    let address = address(columns.nth(1)?)?;
    let state = columns.nth(1)?;
    let inode = columns.nth(5)?.parse().ok()?;
    (state == wanted).then_some(Listener { address, inode })
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

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text: String) {
            tcp_listeners(&format!("header\n{text}"));
            address(&text);
        }
    }
}
