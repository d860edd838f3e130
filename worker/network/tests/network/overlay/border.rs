//! What does not get through.

use std::net::{SocketAddr, UdpSocket};

use worker_network::Interface;

use crate::overlay::cluster::{Cluster, Member, data_path, table};
use crate::sockets::{connect, listen, receive, seen_over_tcp};
use crate::world::{ip, sysctl};

/// Has a container send everything to its network's gateway.
async fn lead_out(member: &Member) {
    ip(&member.namespace, "route add default via 10.0.1.1 dev eth0 onlink").await;
    ip(&member.namespace, "route add default via fe80::1 dev eth0").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_networks_cannot_reach_each_other() {
    let cluster = Cluster::new().await;
    let (one, two) = (table(1), table(2));
    cluster.apply(&one).await;
    cluster.apply(&two).await;
    let (client, server) = (cluster.member(&one, 0, 16).await, cluster.member(&two, 0, 16).await);
    let tcp = listen(&server.namespace, 80).await;
    // Without a route the container itself refuses; with one, its sandbox has to.
    ip(&client.namespace, "route add 10.0.2.0/24 via 10.0.1.1 dev eth0 onlink").await;
    ip(&client.namespace, "route add fd00:2::/64 via fe80::1 dev eth0").await;
    for to in server.sockets(&two, 80) {
        connect(&client.namespace, to).await.unwrap_err();
    }
    assert_eq!(tcp.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_networks_of_the_same_subnet_do_not_mix() {
    let cluster = Cluster::new().await;
    let (one, mut two) = (table(1), table(2));
    (two.info.ipv4, two.info.ipv6) = (one.info.ipv4, one.info.ipv6);
    cluster.apply(&one).await;
    cluster.apply(&two).await;
    let (client, same) = (cluster.member(&one, 0, 16).await, cluster.member(&one, 1, 32).await);
    let other = cluster.member(&two, 1, 32).await;
    let (right, wrong) = (listen(&same.namespace, 80).await, listen(&other.namespace, 80).await);
    for to in same.sockets(&one, 80) {
        seen_over_tcp(&client.namespace, to, &right).await;
    }
    assert_eq!(wrong.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_in_two_networks_is_no_way_between_them_even_if_it_forwards() {
    let cluster = Cluster::new().await;
    let (one, two) = (table(1), table(2));
    cluster.apply(&one).await;
    cluster.apply(&two).await;
    let (client, server) = (cluster.member(&one, 0, 16).await, cluster.member(&two, 0, 16).await);
    let both = cluster.member(&one, 0, 17).await;
    let overlays = cluster.hosts[0].network().overlays();
    overlays.join(both.task, two.info.id, 17, Interface(1)).await.unwrap();
    sysctl(&both.namespace, "ipv4/ip_forward", "1").await;
    sysctl(&both.namespace, "ipv6/conf/all/forwarding", "1").await;
    let tcp = listen(&server.namespace, 80).await;
    for to in server.sockets(&two, 80) {
        seen_over_tcp(&both.namespace, to, &tcp).await;
    }
    for (net, via, own) in
        [("10.0.2.0/24", "10.0.1.17", "10.0.1.1"), ("fd00:2::/64", "fd00:1::11", "fe80::1")]
    {
        for router in [via, own] {
            ip(&client.namespace, &format!("route replace {net} via {router} dev eth0 onlink")).await;
            let to = server.sockets(&two, 80)[usize::from(net.contains(':'))];
            connect(&client.namespace, to).await.unwrap_err();
        }
    }
    assert_eq!(tcp.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_host_is_reached_by_a_networks_gateway() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let client = cluster.member(&table, 0, 16).await;
    lead_out(&client).await;
    let services = [0, 1].map(|host| cluster.hosts[host].namespace.clone());
    let services = [listen(&services[0], 7000).await, listen(&services[1], 7000).await];
    let hosts = [(0, false), (0, true), (1, false), (1, true)].map(|(host, ipv6)| data_path(host, ipv6));
    let routers =
        ["10.0.1.1", "10.0.1.2", "10.0.1.3", "fd00:1::1", "fd00:1::3"].map(|at| at.parse().unwrap());
    let gateways = cluster.hosts[0].network().host_gateway().await;
    for address in hosts.into_iter().chain(routers).chain(gateways) {
        let reached = connect(&client.namespace, SocketAddr::new(address, 7000)).await;
        assert!(reached.is_err(), "{address}");
    }
    for service in services {
        assert_eq!(service.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_adds_nothing_to_other_networks_by_the_tunnels_port() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let [attacker, target, _] = cluster.members(&table).await;
    // It has a way out besides, as services have that are in a network.
    let host = cluster.hosts[0].network();
    let attachment = host.attach_with("way", Default::default()).await.unwrap();
    let way_out = worker_network::Namespace::open(&attachment.netns).unwrap();
    let heard = receive(&target.namespace, 9).await;
    let frame = tunnelled(&table, &target);
    for from in [&attacker.namespace, &way_out] {
        let socket = from.run(|| UdpSocket::bind("0.0.0.0:0")).await.unwrap().unwrap();
        // Where there is no way at all, the kernel says so.
        let _ = socket.send_to(&frame, SocketAddr::new(data_path(1, false), 4789));
    }
    // From a host it gets through: the frame is good. It comes after the others would have.
    let socket = cluster.hosts[2].namespace.run(|| UdpSocket::bind("0.0.0.0:0")).await.unwrap().unwrap();
    socket.send_to(&frame, SocketAddr::new(data_path(1, false), 4789)).unwrap();
    let (length, _) = heard.recv_from(&mut [0; 16]).unwrap();
    assert_eq!(length, 5);
    heard.set_nonblocking(true).unwrap();
    assert!(heard.recv_from(&mut [0; 16]).is_err(), "one of the containers' frames got through too");
}

/// A datagram to port 9 of a container, wrapped as host 0 would do it (RFC 7348, 5).
fn tunnelled(table: &proto::model::NetworkTable, to: &Member) -> Vec<u8> {
    let mut packet = vec![0x08, 0, 0, 0];
    packet.extend(&table.info.vni.to_be_bytes()[1..]);
    packet.push(0);
    let router = |host: u8| [0x02, 0x73, 0, 0, 0, 2 + host];
    packet.extend(router(1).into_iter().chain(router(0)).chain([0x08, 0x00]));
    let destination = table.info.ipv4_address(to.number).octets();
    let source = table.info.ipv4_address(16).octets();
    let mut header = [&[0x45, 0, 0, 33, 0, 1, 0, 0, 64, 17, 0, 0][..], &source, &destination].concat();
    let sum: u32 = header.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    header[10..12].copy_from_slice(&(!(folded as u16)).to_be_bytes());
    packet.extend(header);
    packet.extend([0x10, 0, 0, 9, 0, 13, 0, 0]);
    packet.extend(b"hello");
    packet
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_source_address_is_dropped() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let [forger, server, _] = cluster.members(&table).await;
    let udp = receive(&server.namespace, 53).await;
    for (to, own) in server.sockets(&table, 53).into_iter().zip(forger.sockets(&table, 0)) {
        let nodad = if to.is_ipv4() { "" } else { "nodad" };
        let forged = if to.is_ipv4() { "10.0.1.50" } else { "fd00:1::32" };
        ip(&forger.namespace, &format!("address add {forged} dev eth0 {nodad}")).await;
        let bind = |address: String| forger.namespace.run(move || UdpSocket::bind(address).unwrap());
        let lie = bind(format!("{}:0", if to.is_ipv4() { forged.to_owned() } else { format!("[{forged}]") }));
        let (lie, truth) = (lie.await.unwrap(), bind(own.to_string()).await.unwrap());
        let mut word = [0; 16];
        // The truth is sent last too: had the lie got through, it would have come before.
        for socket in [&truth, &lie, &truth] {
            socket.send_to(b"hello", to).unwrap();
        }
        for _ in 0..2 {
            let (_, from) = udp.recv_from(&mut word).unwrap();
            assert_eq!(from.ip().to_canonical(), own.ip());
        }
    }
}
