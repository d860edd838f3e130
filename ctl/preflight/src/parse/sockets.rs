//! Bound sockets, from `/proc/net/tcp`, `tcp6`, `udp` and `udp6`.

use crate::facts::Protocol;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The state of a TCP socket that listens.
const LISTENS: &str = "0A";

/// One bound socket and its inode, which is 0 if no process has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    pub addr: SocketAddr,
    pub inode: u64,
}

/// Lists the sockets of a table: those that listen for TCP, all for UDP.
pub fn bound(table: &str, protocol: Protocol) -> Vec<Entry> {
    table.lines().skip(1).filter_map(|line| entry(line, protocol)).collect()
}

fn entry(line: &str, protocol: Protocol) -> Option<Entry> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    if protocol == Protocol::Tcp && *fields.get(3)? != LISTENS {
        return None;
    }
    Some(Entry { addr: address(fields.get(1)?)?, inode: fields.get(9)?.parse().ok()? })
}

/// Reads `0100007F:0949`: the address word by word as it lies in memory, the port as a number.
fn address(text: &str) -> Option<SocketAddr> {
    let (words, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |text: &str| u32::from_str_radix(text, 16).ok().map(u32::to_ne_bytes);
    let ip = match words.len() {
        8 => IpAddr::V4(Ipv4Addr::from(word(words)?)),
        32 => {
            let mut octets = [0; 16];
            for (nth, four) in octets.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&word(words.get(nth * 8..nth * 8 + 8)?)?);
            }
            IpAddr::V6(Ipv6Addr::from(octets)).to_canonical()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

    fn read(lines: &str, protocol: Protocol) -> Vec<(String, u64)> {
        let entries = bound(&format!("{HEAD}{lines}"), protocol);
        entries.into_iter().map(|entry| (entry.addr.to_string(), entry.inode)).collect()
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn tcp_sockets_count_only_while_they_listen() {
        let lines = "\
   0: 0100007F:0949 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0 0 10 0
   1: 0100007F:0949 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 4243 1 0 20 4 30 10 -1
";
        assert_eq!(read(lines, Protocol::Tcp), [("127.0.0.1:2377".into(), 4242)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn udp_sockets_count_all_and_the_kernels_have_no_inode() {
        let lines = "\
  99: 00000000:12B5 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 0 2 0000000000000000 0
";
        assert_eq!(read(lines, Protocol::Udp), [("0.0.0.0:4789".into(), 0)]);
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn ipv6_addresses_are_read_word_by_word() {
        let lines = "\
   0: 000000FD000000000000000001000000:246B 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 7 1 0
   1: 0000000000000000FFFF00000100007F:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 8 1 0
";
        let expected = [("[fd00::1]:9323".to_owned(), 7), ("127.0.0.1:80".to_owned(), 8)];
        assert_eq!(read(lines, Protocol::Tcp), expected);
    }

    #[test]
    fn what_is_no_entry_is_passed_over() {
        assert_eq!(read("   0: nonsense\n   1: 00:00 0 0A 0 0 0 0 0 1\n", Protocol::Tcp), []);
    }
}
