//! Who reaches a published port, and which address the container sees.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use worker_network::{HostPort, Network, NetworkError, Protocol};

use crate::sockets::{DEADLINE, assert_refused, is_silent, listen, receive, seen_over_tcp, seen_over_udp};
use crate::world::{HOST_IPV4, HOST_IPV6, PEER_IPV4, PEER_IPV6, World, inside, ip, port};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn at(address: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(address, port)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_sees_the_address_of_a_peer_that_reaches_its_published_port() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let ports = [port(Protocol::Tcp, 8080, 80), port(Protocol::Udp, 5353, 53)];
    network.publish("web", &ports).await.unwrap();
    let (tcp, udp) = (listen(&web, 80).await, receive(&web, 53).await);
    for (host, peer) in [(HOST_IPV4, PEER_IPV4), (HOST_IPV6, PEER_IPV6)] {
        assert_eq!(seen_over_tcp(&world.peer, at(host, 8080), &tcp).await, peer);
        assert_eq!(seen_over_udp(&world.peer, at(host, 5353), &udp).await, peer);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_reaches_a_published_port_at_every_address_of_its_own() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let ports = [port(Protocol::Tcp, 8080, 80), port(Protocol::Udp, 5353, 53)];
    network.publish("web", &ports).await.unwrap();
    let (tcp, udp) = (listen(&web, 80).await, receive(&web, 53).await);
    for address in [LOCALHOST, HOST_IPV4, HOST_IPV6] {
        seen_over_tcp(&world.host, at(address, 8080), &tcp).await;
        seen_over_udp(&world.host, at(address, 5353), &udp).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_reaches_ports_published_on_its_own_node() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let api = inside(&network.attach("api").await.unwrap());
    network.publish("web", &[port(Protocol::Tcp, 8080, 80), port(Protocol::Udp, 8080, 80)]).await.unwrap();
    let (tcp, udp) = (listen(&web, 80).await, receive(&web, 80).await);
    for client in [&api, &web] {
        for host in [HOST_IPV4, HOST_IPV6] {
            seen_over_tcp(client, at(host, 8080), &tcp).await;
            seen_over_udp(client, at(host, 8080), &udp).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_is_refused_before_it_is_published_and_after_it_is_withdrawn() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let tcp = listen(&web, 80).await;
    let assert_nobody_is_let_in = async || {
        for host in [HOST_IPV4, HOST_IPV6] {
            assert_refused(&world.peer, at(host, 8080)).await;
            assert_refused(&world.host, at(host, 8080)).await;
            assert_refused(&web, at(host, 8080)).await;
        }
    };
    assert_nobody_is_let_in().await;
    network.publish("web", &[port(Protocol::Tcp, 8080, 80), port(Protocol::Tcp, 8081, 80)]).await.unwrap();
    seen_over_tcp(&world.peer, at(HOST_IPV4, 8080), &tcp).await;
    network.publish("web", &[port(Protocol::Tcp, 8081, 80)]).await.unwrap();
    assert_nobody_is_let_in().await;
    seen_over_tcp(&world.peer, at(HOST_IPV4, 8081), &tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_moves_from_one_target_to_another_at_once() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let (old, new) = (listen(&web, 80).await, listen(&web, 81).await);
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    seen_over_tcp(&world.peer, at(HOST_IPV4, 8080), &old).await;
    network.publish("web", &[port(Protocol::Tcp, 8080, 81)]).await.unwrap();
    seen_over_tcp(&world.peer, at(HOST_IPV4, 8080), &new).await;
    seen_over_tcp(&world.peer, at(HOST_IPV6, 8080), &new).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_an_address_from_the_containers_subnet_is_answered() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    ip(&world.peer, "address add 172.30.0.2/32 dev lo").await;
    ip(&world.host, &format!("route add 172.30.0.2/32 via {PEER_IPV4}")).await;
    ip(&world.peer, &format!("route replace {HOST_IPV4}/32 dev eth0 src 172.30.0.2")).await;
    let tcp = listen(&web, 80).await;
    let seen = seen_over_tcp(&world.peer, at(HOST_IPV4, 8080), &tcp).await;
    assert_ne!(seen, "172.30.0.2".parse::<IpAddr>().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn published_ports_are_the_only_way_into_the_sandbox() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = network.attach("web").await.unwrap();
    let _tcp = listen(&inside(&web), 80).await;
    let link = ip(network.sandbox(), "-4 -o address show up0").await;
    let sandbox = link.split_whitespace().find_map(|word| word.strip_suffix("/30")).unwrap();
    ip(&world.peer, &format!("route add {sandbox}/32 via {HOST_IPV4}")).await;
    ip(&world.peer, &format!("route add 172.30.0.0/16 via {HOST_IPV4}")).await;
    ip(&world.host, &format!("route add 172.30.0.0/16 via {sandbox}")).await;
    assert!(is_silent(&world.peer, at(sandbox.parse().unwrap(), 80)).await);
    assert!(is_silent(&world.peer, at(web.ipv4().unwrap().into(), 80)).await);
    assert!(is_silent(&world.host, at(web.ipv4().unwrap().into(), 80)).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_another_task_publishes_is_refused_by_name() {
    let world = World::new().await;
    let network = world.open("node1").await;
    network.attach("web").await.unwrap();
    network.attach("api").await.unwrap();
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let error = network.publish("api", &[port(Protocol::Tcp, 8080, 90)]).await.unwrap_err();
    assert!(matches!(error, NetworkError::Ledger(_)), "{error:?}");
    assert_eq!(error.to_string(), "task api cannot publish 8080/tcp: task web publishes it on this node");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_on_one_host_keep_out_of_each_others_way() {
    let world = World::new().await;
    let (first, second) = tokio::join!(world.open("node1"), world.open("node2"));
    let serve = async |network: &Network, published| {
        let web = inside(&network.attach("web").await.unwrap());
        network.publish("web", &[port(Protocol::Tcp, published, 80)]).await.unwrap();
        let tcp = listen(&web, 80).await;
        (web, tcp)
    };
    let (web1, tcp1) = serve(&first, 8081).await;
    let (web2, tcp2) = serve(&second, 8082).await;
    let outside = listen(&world.peer, 7000).await;
    for (host, peer) in [(HOST_IPV4, PEER_IPV4), (HOST_IPV6, PEER_IPV6)] {
        assert_eq!(seen_over_tcp(&world.peer, at(host, 8081), &tcp1).await, peer);
        assert_eq!(seen_over_tcp(&world.peer, at(host, 8082), &tcp2).await, peer);
        seen_over_tcp(&web1, at(host, 8082), &tcp2).await;
        seen_over_tcp(&web2, at(host, 8081), &tcp1).await;
        assert_eq!(seen_over_tcp(&web1, at(peer, 7000), &outside).await, host);
        assert_eq!(seen_over_tcp(&web2, at(peer, 7000), &outside).await, host);
    }
    Network::destroy(&world.config("node1")).await.unwrap();
    seen_over_tcp(&world.peer, at(HOST_IPV4, 8082), &tcp2).await;
    assert_refused(&world.peer, at(HOST_IPV4, 8081)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_one_address_is_refused_at_the_others() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let web = inside(&network.attach("web").await.unwrap());
    let tcp = listen(&web, 80).await;
    let at_ipv6 = Some(HOST_IPV6.to_string().parse().unwrap());
    network.publish("web", &[HostPort { host_ip: at_ipv6, ..port(Protocol::Tcp, 8080, 80) }]).await.unwrap();
    assert_eq!(seen_over_tcp(&world.peer, at(HOST_IPV6, 8080), &tcp).await, PEER_IPV6);
    assert_refused(&world.peer, at(HOST_IPV4, 8080)).await;
    let at_ipv4 = Some("192.0.2.0/24".parse().unwrap());
    network.publish("web", &[HostPort { host_ip: at_ipv4, ..port(Protocol::Tcp, 8080, 80) }]).await.unwrap();
    assert_eq!(seen_over_tcp(&world.peer, at(HOST_IPV4, 8080), &tcp).await, PEER_IPV4);
    assert_refused(&world.peer, at(HOST_IPV6, 8080)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_that_are_sent_all_the_time_follow_a_port_to_the_next_container() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let ports = [port(Protocol::Udp, 5353, 53)];
    for (host, peer) in [(HOST_IPV4, PEER_IPV4), (HOST_IPV6, PEER_IPV6)] {
        let socket = world.peer.run(move || UdpSocket::bind(at(peer, 0))).await.unwrap().unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.connect(at(host, 5353)).unwrap();
        socket.send(b"ping").unwrap();
        assert_eq!(socket.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        for task in ["first", "second"] {
            let server = receive(&inside(&network.attach(task).await.unwrap()), 53).await;
            network.publish(task, &ports).await.unwrap();
            socket.send(b"ping").unwrap();
            assert_eq!(server.recv_from(&mut [0; 4]).unwrap().1.ip().to_canonical(), peer, "{task}");
            network.publish(task, &[]).await.unwrap();
        }
        for task in ["first", "second"] {
            network.detach(task).await.unwrap();
        }
    }
}
