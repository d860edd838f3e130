//! Frames and packets written by hand, as a container can that has raw sockets.

use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::bind;
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use worker_network::Namespace;

use crate::sockets::DEADLINE;

/// `SOCK_RAW`.
const RAW: i32 = 3;
/// `ETH_P_ALL`, in the network's order of bytes.
const ALL: i32 = 0x0003_u16.to_be() as i32;

pub const ARP: u16 = 0x0806;
pub const IPV4: u16 = 0x0800;
pub const IPV6: u16 = 0x86dd;
pub const ICMPV6: u8 = 58;
pub const UDP: u8 = 17;
pub const TCP: u8 = 6;

/// The flags of a segment that ends a connection at once.
pub const RST: u8 = 0x04;
/// The flag of a segment that says what was received.
pub const ACK: u8 = 0x10;

pub type Mac = [u8; 6];

/// Opens a socket for whole frames on a link.
pub async fn link(at: &Namespace, name: &'static str) -> Socket {
    let opened = at.run(move || {
        let socket = Socket::new(Domain::PACKET, Type::from(RAW), Some(Protocol::from(ALL)))?;
        let all = getifaddrs()?.filter(|it| it.interface_name == name);
        let address = all.filter_map(|it| it.address?.as_link_addr().copied()).next().unwrap();
        bind(socket.as_raw_fd(), &address)?;
        socket.set_read_timeout(Some(DEADLINE))?;
        io::Result::Ok(socket)
    });
    opened.await.unwrap().unwrap()
}

/// Opens a socket for TCP segments over IPv4, which sees all that come in as well.
pub async fn segments(at: &Namespace) -> Socket {
    let opened = at.run(|| Socket::new(Domain::IPV4, Type::from(RAW), Some(Protocol::TCP)));
    let socket = opened.await.unwrap().unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Sends a TCP segment that belongs to no connection.
pub fn send_segment(socket: &Socket, [from, to]: [Ipv4Addr; 2], ports: [u16; 2], flags: u8) {
    let mut bytes = segment(ports, flags);
    let sum = checksum(from, to, &bytes);
    bytes[16..18].copy_from_slice(&sum.to_be_bytes());
    socket.send_to(&bytes, &SockAddr::from(SocketAddrV4::new(to, 0))).unwrap();
}

/// Reads segments until one goes to a port, and returns who sent those before it.
pub fn senders_until(socket: &mut Socket, port: u16) -> Vec<IpAddr> {
    let mut senders = Vec::new();
    let mut bytes = [0; 2048];
    loop {
        let length = socket.read(&mut bytes).unwrap();
        assert!(length >= 40, "{length} bytes");
        if u16::from_be_bytes([bytes[22], bytes[23]]) == port {
            return senders;
        }
        let sender: [u8; 4] = bytes[12..16].try_into().unwrap();
        senders.push(Ipv4Addr::from(sender).into());
    }
}

fn segment([from, to]: [u16; 2], flags: u8) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    // Numbers that no window has by chance.
    bytes.extend([0x7f, 0, 0, 1, 0x7f, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    bytes
}

/// The checksum of a segment over IPv4 (RFC 9293, 3.1).
fn checksum(from: Ipv4Addr, to: Ipv4Addr, segment: &[u8]) -> u16 {
    let length = u16::try_from(segment.len()).unwrap().to_be_bytes();
    let pseudo = [&from.octets()[..], &to.octets(), &[0, TCP], &length, segment].concat();
    let words = pseudo.chunks(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    let sum = words.sum::<u32>();
    let folded = (sum & 0xffff) + (sum >> 16);
    !u16::try_from((folded & 0xffff) + (folded >> 16)).unwrap()
}

/// A frame to everyone.
pub fn frame(from: Mac, protocol: u16, payload: &[u8]) -> Vec<u8> {
    [&[0xff; 6][..], &from, &protocol.to_be_bytes(), payload].concat()
}

/// An ARP answer to everyone.
pub fn arp(mac: Mac, address: &str) -> Vec<u8> {
    let address = address.parse::<Ipv4Addr>().unwrap().octets();
    [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac, &address, &[0xff; 6], &address].concat()
}

/// A UDP datagram's header and a few bytes.
pub fn udp(from: u16, to: u16) -> Vec<u8> {
    let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
    [&ports[..], &[0, 28, 0, 0], &[b'x'; 20]].concat()
}

/// A neighbour discovery message about an address.
pub fn discovery(kind: u8, target: &str) -> Vec<u8> {
    let target = target.parse::<Ipv6Addr>().unwrap().octets();
    [&[kind, 0, 0, 0, 0x20, 0, 0, 0][..], &target, &[0; 16]].concat()
}

pub fn ipv4(from: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + payload.len() + MARK).unwrap().to_be_bytes();
    let from = from.parse::<Ipv4Addr>().unwrap().octets();
    let start = [0x45, 0, length[0], length[1], 0, 0, 0, 0, 64, protocol, 0, 0];
    [&start[..], &from, &[255; 4], payload].concat()
}

pub fn ipv6(from: &str, next: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len() + MARK).unwrap().to_be_bytes();
    let (from, to) = (from.parse::<Ipv6Addr>().unwrap(), "ff02::1".parse::<Ipv6Addr>().unwrap());
    let start = [0x60, 0, 0, 0, length[0], length[1], next, 255];
    [&start[..], &from.octets(), &to.octets(), payload].concat()
}

/// How many bytes a frame's mark takes, which packets count in.
const MARK: usize = 4;

fn mark(index: usize) -> [u8; MARK] {
    [b's', b'h', b'/', u8::try_from(index).unwrap()]
}

/// Sends frames, and returns which of them, by index, came through to a socket elsewhere; the last one has to.
pub fn come_through(frames: &[Vec<u8>], from: &Socket, to: &mut Socket) -> Vec<usize> {
    for (index, frame) in frames.iter().enumerate() {
        // What is dropped on its way out may be told.
        let _ = from.send(&[&frame[..], &mark(index)].concat());
    }
    let mut came = Vec::new();
    let mut bytes = [0; 2048];
    while came.last() != Some(&(frames.len() - 1)) {
        let length = to.read(&mut bytes).unwrap();
        came.extend((0..frames.len()).find(|index| bytes[..length].ends_with(&mark(*index))));
    }
    came
}
