//! What makes the client of a lost backend speak, so that it learns of the loss although it only waits.
//!
//! Who waits for an answer sends nothing, and a reset is believed only with the right sequence number, which died with
//! the backend. A segment with any other number is answered with the right one (RFC 9293, 3.10.7.4), and that answer is
//! balanced like a new connection: to a backend that does not know it, or to nobody. Either resets the client.
//!
//! ```text
//!   client  <── segment of no sequence ── this node, as the virtual address or published port
//!           ──  acknowledgement       ──> balanced anew
//!           <── reset                 ──  whoever got it
//! ```

use std::net::{IpAddr, SocketAddr};

use super::rules::NetChain;

/// The mark of challenges, which are not tracked: neither taken for a new connection, nor for a part of the old one.
pub const MARK: u32 = 0x2000_7368;

/// The sequence numbers to try: they are half of all apart, so that one at least is none the client waits for.
const SEQUENCES: [u32; 2] = [0, 1 << 31];

/// TCP as IPv4 and IPv6 number it.
const TCP: u8 = 6;

/// A TCP header without options, in bytes.
const TCP_HEADER: u16 = 20;

/// An IPv4 header without options, in bytes.
const IPV4_HEADER: u16 = 20;

/// How many routers a challenge may pass.
const HOPS: u8 = 64;

/// Returns the chain of a table that keeps challenges from being tracked.
pub(super) fn chain() -> NetChain {
    let rule = format!("meta mark {MARK:#x} notrack");
    ("challenge", "type filter hook output priority raw; policy accept;", vec![rule])
}

/// Returns the packets that challenge a client in the name of what it speaks to; none if their families differ.
pub fn packets(server: SocketAddr, client: SocketAddr) -> Vec<Vec<u8>> {
    let of = |sequence| match (server.ip(), client.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let total = IPV4_HEADER + TCP_HEADER;
            let mut packet = vec![0x45, 0];
            packet.extend(total.to_be_bytes());
            // The kernel fills in identification and checksum.
            packet.extend([0, 0, 0, 0, HOPS, TCP, 0, 0]);
            packet.extend(&addresses);
            packet.extend(segment(&addresses, [server.port(), client.port()], sequence));
            Some(packet)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let addresses = [from.octets(), to.octets()].concat();
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(TCP_HEADER.to_be_bytes());
            packet.extend([TCP, HOPS]);
            packet.extend(&addresses);
            packet.extend(segment(&addresses, [server.port(), client.port()], sequence));
            Some(packet)
        }
        _ => None,
    };
    SEQUENCES.into_iter().filter_map(of).collect()
}

/// An acknowledgement without data.
fn segment(addresses: &[u8], ports: [u16; 2], sequence: u32) -> Vec<u8> {
    let mut segment: Vec<u8> = ports.into_iter().flat_map(u16::to_be_bytes).collect();
    segment.extend(sequence.to_be_bytes());
    segment.extend(0_u32.to_be_bytes());
    // Five words of header; ACK; no window, checksum and urgent data.
    segment.extend([0x50, 0x10, 0, 0, 0, 0, 0, 0]);
    let sum = checksum(addresses, &segment);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// The checksum over the pseudo-header and the segment (RFC 9293, 3.1).
fn checksum(addresses: &[u8], segment: &[u8]) -> u16 {
    let words = addresses.chunks(2).chain(segment.chunks(2));
    let sum: u32 = words.map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
    let mut sum = sum + u32::from(TCP) + u32::from(TCP_HEADER);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("the carries were added until 16 bits were left")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(server: &str, client: &str) -> Vec<Vec<u8>> {
        packets(server.parse().unwrap(), client.parse().unwrap())
    }

    #[test]
    fn a_challenge_says_what_it_is_and_its_checksum_is_right() {
        let both = of("10.0.1.200:8080", "10.0.1.17:40000");
        assert_eq!(both.len(), 2);
        let expected = [
            0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 1, 200, 10, 0, 1, 17, // IPv4
            0x1f, 0x90, 0x9c, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x10, 0, 0,
        ];
        assert_eq!(both[0][..36], expected);
        assert_eq!(both[1][24..28], [0x80, 0, 0, 0]);
        for packet in both {
            assert_eq!(
                checksum(&packet[12..20], &packet[20..]),
                0,
                "sums over a checksum that is right are 0"
            );
        }
        let packet = &of("[fd00:1::c8]:80", "[fd00:1::11]:40000")[0];
        assert_eq!(packet.len(), 60);
        assert_eq!(packet[..8], [0x60, 0, 0, 0, 0, 20, 6, 64]);
        assert_eq!(checksum(&packet[8..40], &packet[40..]), 0);
    }

    #[test]
    fn nobody_is_challenged_in_the_name_of_the_other_family() {
        assert!(of("10.0.1.200:8080", "[fd00:1::11]:40000").is_empty());
    }
}
