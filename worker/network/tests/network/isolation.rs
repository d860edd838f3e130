//! What containers of the node's own network do not reach, and whom they cannot pretend to be.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use worker_network::{Access, Namespace};

use crate::frames::{RST, segments, send_segment, senders_until};
use crate::sockets::{connect, listen, receive, seen_over_tcp, seen_over_udp};
use crate::world::{
    HOST_IPV4, HOST_IPV6, PEER_IPV4, PEER_IPV6, World, adopted, inside, ip, read_sysctl, sysctl,
};

const WITH_HOST: Access = Access { siblings: true, host: true };
const WAY_OUT_ONLY: Access = Access { siblings: false, host: false };

fn assert_nobody_came(listener: &TcpListener) {
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

async fn assert_all_unreachable(from: &Namespace, addresses: impl IntoIterator<Item = IpAddr>, port: u16) {
    for address in addresses {
        let reached = connect(from, SocketAddr::new(address, port)).await;
        assert!(reached.is_err(), "{address} was reached");
    }
}

/// A socket bound to an address, which has to be there.
async fn bound(at: &Namespace, address: IpAddr) -> UdpSocket {
    let to = SocketAddr::new(address, 0);
    at.run(move || UdpSocket::bind(to)).await.unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_reaches_none_of_its_hosts_own_services() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let service = listen(&world.host, 7000).await;
    let routers = ["172.30.0.1".parse().unwrap(), "fd73:686f:616c:ffff::1".parse().unwrap()];
    let addresses = network.host_gateway().await.into_iter().chain([HOST_IPV4, HOST_IPV6]).chain(routers);
    assert_all_unreachable(&web, addresses, 7000).await;
    assert_nobody_came(&service);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_container_that_may_reaches_the_host_and_at_one_address_only() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let agent = inside(&network.attach_with("agent", WITH_HOST).await.unwrap());
    let other = inside(&network.attach("other").await.unwrap());
    let (tcp, udp) = (listen(&world.host, 7000).await, receive(&world.host, 7000).await);
    let gateways = network.host_gateway().await;
    assert_eq!(gateways.iter().map(IpAddr::is_ipv4).collect::<Vec<_>>(), [true, false]);
    for gateway in &gateways {
        seen_over_tcp(&agent, SocketAddr::new(*gateway, 7000), &tcp).await;
        seen_over_udp(&agent, SocketAddr::new(*gateway, 7000), &udp).await;
    }
    assert_all_unreachable(&agent, [HOST_IPV4, HOST_IPV6], 7000).await;
    assert_all_unreachable(&other, gateways, 7000).await;
    assert_nobody_came(&tcp);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_belongs_to_no_connection_leaves_a_container_neither_for_the_host_nor_untranslated() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let agent = network.attach_with("agent", WITH_HOST).await.unwrap();
    let other = network.attach("other").await.unwrap();
    let (at_host, outside) = (listen(&world.host, 7000).await, listen(&world.peer, 7000).await);
    let gateway = network.host_gateway().await[0];
    for (to, end, listener) in [(gateway, &world.host, &at_host), (PEER_IPV4, &world.peer, &outside)] {
        let mut seen = segments(end).await;
        for container in [&other, &agent] {
            let [IpAddr::V4(from), IpAddr::V4(to)] = [container.addresses[0].address, to] else {
                panic!("IPv4 addresses come first")
            };
            send_segment(&segments(&inside(container)).await, [from, to], [5000, 6000], RST);
        }
        seen_over_tcp(&inside(&agent), SocketAddr::new(to, 7000), listener).await;
        assert_eq!(senders_until(&mut seen, 7000), [] as [IpAddr; 0], "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_container_may_reach_outlasts_the_daemon() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let (may, may_not) =
        (network.attach_with("agent", WITH_HOST).await.unwrap(), network.attach("other").await.unwrap());
    let held = [&may, &may_not].map(|attachment| adopted(attachment.clone(), Vec::new()));
    drop(network);
    // An older daemon made its links without groups.
    ip(
        &Namespace::open(&world.config("node1").run_dir.join("netns/sandbox")).unwrap(),
        "link set cagent group 0",
    )
    .await;
    let network = world.reopen("node1", held.to_vec()).await.network;
    let tcp = listen(&world.host, 7000).await;
    for gateway in network.host_gateway().await {
        seen_over_tcp(&inside(&may), SocketAddr::new(gateway, 7000), &tcp).await;
        assert_all_unreachable(&inside(&may_not), [gateway], 7000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_whose_link_is_a_way_out_only_do_not_reach_each_other_by_it() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let (front, back) = (
        network.attach_with("front", WAY_OUT_ONLY).await.unwrap(),
        network.attach_with("back", WAY_OUT_ONLY).await.unwrap(),
    );
    let shared = network.attach("shared").await.unwrap();
    let (outside, service) = (listen(&world.peer, 7000).await, listen(&inside(&back), 80).await);
    let addresses = || back.addresses.iter().map(|held| held.address);
    assert_all_unreachable(&inside(&front), addresses(), 80).await;
    assert_all_unreachable(&inside(&shared), addresses(), 80).await;
    assert_nobody_came(&service);
    for peer in [PEER_IPV4, PEER_IPV6] {
        seen_over_tcp(&inside(&front), SocketAddr::new(peer, 7000), &outside).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_source_address_is_dropped() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let [forger, victim, server] = [
        network.attach("forger").await.unwrap(),
        network.attach("victim").await.unwrap(),
        network.attach("server").await.unwrap(),
    ];
    let udp = receive(&inside(&server), 53).await;
    for (family, (own, to)) in forger.addresses.iter().zip(&server.addresses).enumerate() {
        let foreign = if own.address.is_ipv4() { "198.51.100.7" } else { "2001:db8:9::7" };
        for forged in [victim.addresses[family].address, foreign.parse().unwrap()] {
            let nodad = if forged.is_ipv4() { "" } else { "nodad" };
            ip(&inside(&forger), &format!("address add {forged} dev eth0 {nodad}")).await;
            let lie = bound(&inside(&forger), forged).await;
            let truth = bound(&inside(&forger), own.address).await;
            // The truth is sent last too: had the lie got through, it would have come before.
            for socket in [&truth, &lie, &truth] {
                socket.send_to(b"hello", SocketAddr::new(to.address, 53)).unwrap();
            }
            for _ in 0..2 {
                let (_, from) = udp.recv_from(&mut [0; 16]).unwrap();
                assert_eq!(from.ip().to_canonical(), own.address);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_claims_anothers_address_on_its_link_gets_none_of_its_packets() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let [claimant, owner, client] = [
        network.attach("claimant").await.unwrap(),
        network.attach("owner").await.unwrap(),
        network.attach("client").await.unwrap(),
    ];
    let (wrong, right) = (listen(&inside(&claimant), 80).await, listen(&inside(&owner), 80).await);
    // Says so to everybody, by ARP and by neighbour discovery, as soon as the link is up.
    sysctl(&inside(&claimant), "ipv4/conf/eth0/arp_notify", "1").await;
    sysctl(&inside(&claimant), "ipv6/conf/eth0/ndisc_notify", "1").await;
    for held in &owner.addresses {
        let nodad = if held.address.is_ipv4() { "" } else { "nodad" };
        ip(&inside(&claimant), &format!("address add {} dev eth0 {nodad}", held.address)).await;
    }
    ip(&inside(&claimant), "link set eth0 down").await;
    ip(&inside(&claimant), "link set eth0 up").await;
    for held in &owner.addresses {
        seen_over_tcp(&inside(&client), SocketAddr::new(held.address, 80), &right).await;
    }
    assert_nobody_came(&wrong);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_of_tunnels_do_not_come_from_containers() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach_with("web", WITH_HOST).await.unwrap());
    for peer in [PEER_IPV4, PEER_IPV6] {
        let (tunnels, others) = (receive(&world.peer, 4789).await, receive(&world.peer, 4790).await);
        tunnels.set_nonblocking(true).unwrap();
        let own: IpAddr = if peer.is_ipv4() { "0.0.0.0" } else { "::" }.parse().unwrap();
        let socket = bound(&web, own).await;
        for port in [4789, 4790] {
            socket.send_to(b"frame", SocketAddr::new(peer, port)).unwrap();
        }
        // Sent later, so the first one would be there by now.
        others.recv_from(&mut [0; 16]).unwrap();
        assert_eq!(tunnels.recv_from(&mut [0; 16]).unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_is_no_router_even_if_new_namespaces_are() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let keys = ["ipv4/ip_forward", "ipv6/conf/all/forwarding"];
    for task in ["web", "job"] {
        let made = Namespace::create(&world.config("node1").run_dir.join("netns").join(task)).await.unwrap();
        for key in keys {
            sysctl(&made, key, "1").await;
        }
        match task {
            "web" => network.attach(task).await.unwrap(),
            _ => network.none(task).await.unwrap(),
        };
        for key in keys {
            assert_eq!(read_sysctl(&made, key).await, "0", "{task}: {key}");
        }
    }
}
