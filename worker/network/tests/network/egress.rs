//! What containers reach: the world outside, and each other.

use std::net::SocketAddr;

use crate::sockets::{connect, listen, receive, seen_over_tcp, seen_over_udp};
use crate::world::{HOST_IPV4, HOST_IPV6, MTU, PEER_IPV4, PEER_IPV6, World, inside, ip};

#[tokio::test(flavor = "multi_thread")]
async fn a_container_reaches_the_world_under_its_hosts_address() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let container = inside(&network.attach("web").await.unwrap());
    let (tcp, udp) = (listen(&world.peer, 7000).await, receive(&world.peer, 7000).await);
    for (peer, host) in [(PEER_IPV4, HOST_IPV4), (PEER_IPV6, HOST_IPV6)] {
        let to = SocketAddr::new(peer, 7000);
        assert_eq!(seen_over_tcp(&container, to, &tcp).await, host);
        assert_eq!(seen_over_udp(&container, to, &udp).await, host);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_of_one_node_reach_each_other_under_their_own_addresses() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let (web, api) = (network.attach("web").await.unwrap(), network.attach("api").await.unwrap());
    let tcp = listen(&inside(&api), 90).await;
    for (client, server) in web.addresses.iter().zip(&api.addresses) {
        let to = SocketAddr::new(server.address, 90);
        assert_eq!(seen_over_tcp(&inside(&web), to, &tcp).await, client.address);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_no_container_has_is_unreachable_rather_than_sent_outside() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let error = connect(&web, "172.30.200.200:80".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::HostUnreachable, "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_holds_no_route_to_containers_and_a_container_has_the_mtu_of_the_way_out() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    for family in ["-4", "-6"] {
        let routes = ip(&world.host, &format!("{family} route show table all")).await;
        assert!(!routes.contains("172.30.") && !routes.contains("616c:ffff"), "{routes}");
    }
    let link = ip(&web, "link show eth0").await;
    assert!(link.contains(&format!("mtu {MTU} ")), "{link}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_network_has_a_loopback_only() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let attachment = network.none("job").await.unwrap();
    assert_eq!(attachment.addresses, []);
    let job = inside(&attachment);
    assert_eq!(ip(&job, "-o link show").await.lines().count(), 1);
    let tcp = listen(&job, 80).await;
    seen_over_tcp(&job, "127.0.0.1:80".parse().unwrap(), &tcp).await;
    seen_over_tcp(&job, "[::1]:80".parse().unwrap(), &tcp).await;
}
