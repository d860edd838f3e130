//! What a daemon finds when it starts again.

use std::net::SocketAddr;

use worker_network::{Adopted, Network, Protocol};

use crate::sockets::{accept, assert_refused, connect, listen, seen_over_tcp, talk};
use crate::world::{self, HOST_IPV4, HOST_IPV6, PEER_IPV4, PEER_IPV6, World, inside, ip, port};

fn adopted(network: &Network, published: u16) -> Vec<Adopted> {
    let ports = |task: &str| match task {
        "web" => vec![port(Protocol::Tcp, published, 80)],
        _ => vec![],
    };
    let held = network.attachments().into_iter();
    held.map(|attachment| world::adopted(attachment.clone(), ports(&attachment.task))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_daemon_takes_over_without_breaking_a_connection() {
    let world = World::new().await;
    let mut network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let (tcp, outside) = (listen(&web, 80).await, listen(&world.peer, 7000).await);
    let mut connections = Vec::new();
    for (host, peer) in [(HOST_IPV4, PEER_IPV4), (HOST_IPV6, PEER_IPV6)] {
        let inward = connect(&world.peer, SocketAddr::new(host, 8080)).await.unwrap();
        connections.push((inward, accept(&tcp).0));
        let outward = connect(&web, SocketAddr::new(peer, 7000)).await.unwrap();
        connections.push((outward, accept(&outside).0));
    }
    for _ in 0..3 {
        let held = adopted(&network, 8080);
        drop(network);
        for (client, server) in &mut connections {
            talk(client, server);
        }
        let opened = world.reopen("node1", held).await;
        assert_eq!(opened.lost, Vec::<String>::new());
        network = opened.network;
        for (client, server) in &mut connections {
            talk(client, server);
        }
        seen_over_tcp(&world.peer, SocketAddr::new(HOST_IPV4, 8080), &tcp).await;
        seen_over_tcp(&world.peer, SocketAddr::new(HOST_IPV6, 8080), &tcp).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_daemon_gives_nobody_elses_address_away() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = network.attach("web").await.unwrap();
    let held = adopted(&network, 8080);
    drop(network);
    let network = world.reopen("node1", held).await.network;
    assert_eq!(network.attachment("web"), Some(web.clone()));
    assert_ne!(network.attach("api").await.unwrap().ipv4(), web.ipv4());
}

#[tokio::test(flavor = "multi_thread")]
async fn links_and_namespaces_of_unknown_tasks_are_removed_at_the_start() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let forgotten = network.attach("forgotten").await.unwrap();
    let bare = network.none("bare").await.unwrap();
    drop(network);
    let network = world.reopen("node1", Vec::new()).await.network;
    assert!(!forgotten.netns.exists() && !bare.netns.exists());
    let links = ip(network.sandbox(), "-o link show").await;
    assert!(!links.contains("cforgotten"), "{links}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_namespace_is_gone_is_reported_and_its_port_not_published() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = network.attach("web").await.unwrap();
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let held = adopted(&network, 8080);
    drop(network);
    worker_network::Namespace::remove(&web.netns).unwrap();
    let opened = world.reopen("node1", held).await;
    assert_eq!(opened.lost, ["web"]);
    assert_eq!(opened.network.attachments(), []);
    assert_refused(&world.peer, SocketAddr::new(HOST_IPV4, 8080)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_were_removed_behind_the_daemons_back_are_made_again() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let held = adopted(&network, 8080);
    ip(&world.host, "link delete shnode1u").await;
    ip(network.sandbox(), "link delete cweb").await;
    drop(network);
    let network = world.reopen("node1", held).await.network;
    let (tcp, outside) = (listen(&web, 80).await, listen(&world.peer, 7000).await);
    for (host, peer) in [(HOST_IPV4, PEER_IPV4), (HOST_IPV6, PEER_IPV6)] {
        assert_eq!(seen_over_tcp(&world.peer, SocketAddr::new(host, 8080), &tcp).await, peer);
        assert_eq!(seen_over_tcp(&web, SocketAddr::new(peer, 7000), &outside).await, host);
    }
    assert_eq!(network.attachments().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_of_our_name_that_is_not_ours_is_left_alone() {
    let world = World::new().await;
    ip(&world.host, "link add shnode1u type veth peer name other").await;
    let error = Network::open(world.config("node1"), Vec::new()).await.unwrap_err();
    assert!(error.to_string().contains("shnode1u"), "{error}");
    let error = Network::destroy(&world.config("node1")).await.unwrap_err();
    assert!(error.to_string().contains("is not this node's"), "{error}");
    ip(&world.host, "link show shnode1u").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn link_addresses_that_are_taken_are_passed_over() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let first = ip(&world.host, "-4 -o address show shnode1u").await;
    let address = first.split_whitespace().find_map(|word| word.strip_suffix("/30")).unwrap().to_owned();
    drop(network);
    Network::destroy(&world.config("node1")).await.unwrap();
    ip(&world.host, &format!("address add {address}/32 dev lo")).await;
    let _network = world.open("node1").await;
    let second = ip(&world.host, "-4 -o address show shnode1u").await;
    assert!(second.contains("inet 169.254.") && !second.contains(&address), "{second}");
}
