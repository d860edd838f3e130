//! SCTP through every host, with packets written by hand: the kernel translates them even if it has no such sockets.

use std::io::Read;
use std::net::Ipv4Addr;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use worker_network::Namespace;

use super::mesh::{OUTSIDER, at, ingress, publish, server};
use crate::overlay::cluster::{Cluster, data_path};
use crate::sockets::DEADLINE;

/// The number of SCTP (RFC 9260, 1).
const SCTP: i32 = 132;
/// `SOCK_RAW`.
const RAW: i32 = 3;
/// The chunk that asks for an association.
const INIT: u8 = 1;
/// The chunk that answers it.
const INIT_ACK: u8 = 2;
/// The client's port.
const CLIENT: u16 = 40_000;

/// A packet with one chunk, of which only the lengths have to be right (RFC 9260, 3).
fn packet(from: u16, to: u16, tag: u32, chunk: u8) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.extend(tag.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend([chunk, 0, 0, 20]);
    // The tag of the answers, the window, streams out and in, the first number.
    bytes.extend([0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1]);
    let checksum = crc32c(&bytes);
    bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0x82f6_3b78 * (sum & 1)))
    })
}

async fn raw(at: &Namespace) -> Socket {
    let socket = at.run(|| Socket::new(Domain::IPV4, Type::from(RAW), Some(Protocol::from(SCTP)))).await;
    let socket = socket.unwrap().unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket
}

/// Who sent the next packet, its ports and the kind of its chunk.
fn receive(socket: &mut Socket) -> (Ipv4Addr, [u16; 2], u8) {
    let mut bytes = [0; 200];
    let length = socket.read(&mut bytes).unwrap();
    assert!(length >= 52, "{length} bytes");
    let sender: [u8; 4] = bytes[12..16].try_into().unwrap();
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    (sender.into(), [port(20), port(22)], bytes[32])
}

#[tokio::test(flavor = "multi_thread")]
async fn associations_reach_a_server_that_sees_the_clients_own_address() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let (mut asking, mut answering) = (raw(&client).await, raw(&server.namespace).await);
    for host in 0..3 {
        let to = SockAddr::from(at(host, false, 0));
        asking.send_to(&packet(CLIENT, 3868, 0, INIT), &to).unwrap();
        let (seen, [from, port], chunk) = receive(&mut answering);
        assert_eq!((seen.into(), port, chunk), (data_path(OUTSIDER, false), 38, INIT));
        let back = SockAddr::from(std::net::SocketAddr::new(seen.into(), 0));
        answering.send_to(&packet(port, from, 1, INIT_ACK), &back).unwrap();
        let (sender, ports, chunk) = receive(&mut asking);
        assert_eq!((sender.into(), ports, chunk), (data_path(host, false), [3868, CLIENT], INIT_ACK));
    }
}
