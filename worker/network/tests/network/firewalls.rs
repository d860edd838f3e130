//! Beside other programs' rules: theirs stay as they are, and ours work as far as theirs let them.

use std::net::SocketAddr;

use worker_network::{Network, Protocol};

use crate::sockets::{is_silent, listen, seen_over_tcp};
use crate::world::{HOST_IPV4, HOST_IPV6, PEER_IPV4, PEER_IPV6, World, inside, port, run};

/// What drops everything that is forwarded, whatever other tables say.
const CLOSED: &str = "table inet corp {
    chain forward { type filter hook forward priority filter; policy drop; }
}";

/// A chain at each hook that ours are at, of the same priority, which counts what it sees.
const BESIDE: &str = "table inet corp {
    counter seen { }
    chain raw { type filter hook prerouting priority raw; counter name seen; }
    chain pre { type nat hook prerouting priority dstnat; counter name seen; }
    chain out { type nat hook output priority -100; counter name seen; }
    chain post { type nat hook postrouting priority srcnat; counter name seen; }
    chain forward { type filter hook forward priority filter; counter name seen; }
    chain input { type filter hook input priority filter; policy drop; ct state established accept; ip protocol icmp accept; meta l4proto ipv6-icmp accept; }
}";

async fn load(world: &World, rules: &str) {
    let path = world.file("foreign.nft", rules);
    run(&world.host, &format!("nft -f {}", path.display())).await;
}

/// Their table as text, without what counts.
async fn theirs(world: &World) -> String {
    run(&world.host, "nft --stateless list table inet corp").await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_forwards_are_dropped_nothing_passes_until_their_rules_say_so() {
    let world = World::new().await;
    load(&world, CLOSED).await;
    let before = theirs(&world).await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let (service, outside) = (listen(&web, 80).await, listen(&world.peer, 7000).await);
    for peer in [PEER_IPV4, PEER_IPV6] {
        assert!(is_silent(&web, SocketAddr::new(peer, 7000)).await);
    }
    // As `shoal system check` tells people to.
    load(&world, "add rule inet corp forward iifname \"sh*\" accept\nadd rule inet corp forward oifname \"sh*\" accept").await;
    for (peer, host) in [(PEER_IPV4, HOST_IPV4), (PEER_IPV6, HOST_IPV6)] {
        seen_over_tcp(&web, SocketAddr::new(peer, 7000), &outside).await;
        seen_over_tcp(&world.peer, SocketAddr::new(host, 8080), &service).await;
    }
    run(&world.host, "nft flush chain inet corp forward").await;
    assert_eq!(theirs(&world).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_at_the_same_hooks_go_on_and_stay_when_ours_go() {
    let world = World::new().await;
    load(&world, BESIDE).await;
    let before = theirs(&world).await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let (service, outside) = (listen(&web, 80).await, listen(&world.peer, 7000).await);
    for (peer, host) in [(PEER_IPV4, HOST_IPV4), (PEER_IPV6, HOST_IPV6)] {
        assert_eq!(seen_over_tcp(&web, SocketAddr::new(peer, 7000), &outside).await, host);
        assert_eq!(seen_over_tcp(&world.peer, SocketAddr::new(host, 8080), &service).await, peer);
    }
    let counted = run(&world.host, "nft list counter inet corp seen").await;
    assert!(!counted.contains("packets 0 "), "{counted}");
    assert_eq!(theirs(&world).await, before);
    drop(network);
    Network::destroy(&world.config("node1")).await.unwrap();
    let left = run(&world.host, "nft --stateless list ruleset").await;
    assert_eq!(left, before, "nothing of ours is left, and all of theirs");
}
