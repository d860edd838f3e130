//! The host as a router: for containers always, for others only if it was one before.

use std::net::SocketAddr;

use worker_network::{Namespace, Network};

use crate::sockets::{is_silent, listen, seen_over_tcp};
use crate::world::{MTU, PEER_IPV4, PEER_IPV6, World, ip, read_sysctl, sysctl};

/// A second neighbour of the host, whose way to the first leads through the host.
async fn stranger(world: &World) -> Namespace {
    let stranger = world.namespace("stranger").await;
    world.join(&stranger, "lan0", MTU).await;
    ip(&world.host, "address add 198.51.100.1/24 dev lan0").await;
    ip(&world.host, "address add 2001:db8:2::1/64 dev lan0 nodad").await;
    ip(&stranger, "address add 198.51.100.9/24 dev eth0").await;
    ip(&stranger, "address add 2001:db8:2::9/64 dev eth0 nodad").await;
    ip(&stranger, "route add default via 198.51.100.1").await;
    ip(&stranger, "route add default via 2001:db8:2::1").await;
    ip(&world.peer, "route add default via 192.0.2.1").await;
    ip(&world.peer, "route add default via 2001:db8:1::1").await;
    stranger
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_did_not_forward_forwards_for_containers_only() {
    let world = World::new().await;
    let stranger = stranger(&world).await;
    let _tcp = listen(&world.peer, 7000).await;
    let network = world.open("node1").await;
    for restarted in [false, true] {
        assert!(is_silent(&stranger, SocketAddr::new(PEER_IPV4, 7000)).await, "restarted: {restarted}");
        assert!(is_silent(&stranger, SocketAddr::new(PEER_IPV6, 7000)).await, "restarted: {restarted}");
        let _network = world.open("node1").await;
    }
    assert_eq!(network.attachments(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_forwarded_before_goes_on_doing_so() {
    let world = World::new().await;
    let stranger = stranger(&world).await;
    sysctl(&world.host, "ipv4/ip_forward", "1").await;
    sysctl(&world.host, "ipv6/conf/all/forwarding", "1").await;
    let tcp = listen(&world.peer, 7000).await;
    let network = world.open("node1").await;
    seen_over_tcp(&stranger, SocketAddr::new(PEER_IPV4, 7000), &tcp).await;
    seen_over_tcp(&stranger, SocketAddr::new(PEER_IPV6, 7000), &tcp).await;
    drop(network);
    Network::destroy(&world.config("node1")).await.unwrap();
    assert_eq!(read_sysctl(&world.host, "ipv4/ip_forward").await, "1");
    assert_eq!(read_sysctl(&world.host, "ipv6/conf/all/forwarding").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn forwarding_and_its_guard_last_as_long_as_any_daemon_needs_them() {
    let world = World::new().await;
    let stranger = stranger(&world).await;
    let _tcp = listen(&world.peer, 7000).await;
    let (_first, _second) = (world.open("node1").await, world.open("node2").await);
    Network::destroy(&world.config("node1")).await.unwrap();
    assert_eq!(read_sysctl(&world.host, "ipv4/ip_forward").await, "1");
    assert!(is_silent(&stranger, SocketAddr::new(PEER_IPV4, 7000)).await);
    Network::destroy(&world.config("node2")).await.unwrap();
    assert_eq!(read_sysctl(&world.host, "ipv4/ip_forward").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_takes_router_advertisements_goes_on_taking_them() {
    let world = World::new().await;
    sysctl(&world.host, "ipv6/conf/wan0/accept_ra", "1").await;
    let _network = world.open("node1").await;
    assert_eq!(read_sysctl(&world.host, "ipv6/conf/all/forwarding").await, "1");
    assert_eq!(read_sysctl(&world.host, "ipv6/conf/wan0/accept_ra").await, "2");
}
