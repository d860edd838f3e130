//! Ports that are published on every host.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::num::NonZeroU16;

use proto::model::{NetworkTable, PortProtocol, PublishedPort};
use worker_network::{Interface, Namespace, Network};

use crate::overlay::cluster::{Cluster, Member, data_path, put_service, table, task};
use crate::sockets::{
    DEADLINE, accept, assert_lost, assert_refused, connect, is_silent, listen, receive, seen_over_tcp,
    seen_over_udp, talk,
};
use crate::world::ip;

/// The index of a client outside of the cluster.
pub(super) const OUTSIDER: usize = 8;

/// The ingress network.
pub(super) fn ingress() -> NetworkTable {
    let mut table = table(1);
    table.info.ingress = true;
    table
}

/// A container with a way out by `eth0` that is in the ingress network too.
pub(super) async fn server(cluster: &Cluster, table: &NetworkTable, host: usize, number: u32) -> Member {
    let (task, network) = (task(table, number), cluster.hosts[host].network());
    let attachment = network.attach(&task.to_string()).await.unwrap();
    network.overlays().join(task, table.info.id, number, Interface(1)).await.unwrap();
    Member { host, task, number, namespace: Namespace::open(&attachment.netns).unwrap() }
}

/// Publishes 8080/tcp, 5353/udp and 3868/sctp, which lead to ports 80, 53 and 38 of the servers that serve.
pub(super) async fn publish(
    cluster: &Cluster,
    table: &mut NetworkTable,
    servers: &[&Member],
    serving: &[&Member],
) {
    put_service(table, servers, serving);
    let number = |number| NonZeroU16::new(number).unwrap();
    let port =
        |protocol, published, target| PublishedPort::ingress(protocol, number(published), number(target));
    table.change_services(|service| {
        service.vip = None;
        let [tcp, udp, sctp] = [PortProtocol::Tcp, PortProtocol::Udp, PortProtocol::Sctp];
        service.ports = vec![port(tcp, 8080, 80), port(udp, 5353, 53), port(sctp, 3868, 38)];
    });
    cluster.apply(table).await;
}

pub(super) fn at(host: usize, ipv6: bool, port: u16) -> SocketAddr {
    SocketAddr::new(data_path(host, ipv6), port)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_answers_and_the_server_sees_the_clients_own_address() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let (tcp, udp) = (listen(&server.namespace, 80).await, receive(&server.namespace, 53).await);
    for host in 0..3 {
        for ipv6 in [false, true] {
            let own = data_path(OUTSIDER, ipv6);
            assert_eq!(seen_over_tcp(&client, at(host, ipv6, 8080), &tcp).await, own, "host {host}");
            assert_eq!(seen_over_udp(&client, at(host, ipv6, 5353), &udp).await, own, "host {host}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_without_a_way_out_answers_too_and_gets_none() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, cluster.member(&table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let (tcp, udp) = (listen(&server.namespace, 80).await, receive(&server.namespace, 53).await);
    let (outside, host) = (listen(&client, 80).await, listen(&cluster.hosts[1].namespace, 7000).await);
    for ipv6 in [false, true] {
        let own = data_path(OUTSIDER, ipv6);
        connect(&server.namespace, at(1, ipv6, 7000)).await.unwrap_err();
        assert_eq!(seen_over_tcp(&client, at(0, ipv6, 8080), &tcp).await, own);
        assert_eq!(seen_over_udp(&client, at(0, ipv6, 5353), &udp).await, own);
        connect(&server.namespace, at(OUTSIDER, ipv6, 80)).await.unwrap_err();
    }
    for service in [outside, host] {
        assert_eq!(service.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_of_one_address_and_port_that_come_in_at_two_hosts_are_told_apart() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 2, 48).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let udp = receive(&server.namespace, 53).await;
    for ipv6 in [false, true] {
        let from = SocketAddr::new(data_path(OUTSIDER, ipv6), 4000);
        let socket = client.run(move || UdpSocket::bind(from)).await.unwrap().unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut word = [0; 1];
        for host in [0, 1, 2] {
            socket.send_to(&[host as u8], at(host, ipv6, 5353)).unwrap();
        }
        for _ in 0..3 {
            let (_, seen) = udp.recv_from(&mut word).unwrap();
            udp.send_to(&word, seen).unwrap();
        }
        let mut answered = [false; 3];
        for _ in 0..3 {
            let (_, by) = socket.recv_from(&mut word).unwrap();
            assert_eq!(by, at(word[0].into(), ipv6, 5353));
            answered[usize::from(word[0])] = true;
        }
        assert_eq!(answered, [true; 3]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_and_its_containers_reach_the_ports_of_their_own_host() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let servers = [server(&cluster, &table, 0, 16).await, server(&cluster, &table, 1, 32).await];
    let network = cluster.hosts[0].network();
    let other = Namespace::open(&network.attach("other").await.unwrap().netns).unwrap();
    for serving in &servers {
        publish(&cluster, &mut table, &[&servers[0], &servers[1]], &[serving]).await;
        let (tcp, udp) = (listen(&serving.namespace, 80).await, receive(&serving.namespace, 53).await);
        let host = &cluster.hosts[0].namespace;
        for address in [Ipv4Addr::LOCALHOST.into(), data_path(0, false), data_path(0, true)] {
            seen_over_tcp(host, SocketAddr::new(address, 8080), &tcp).await;
            seen_over_udp(host, SocketAddr::new(address, 5353), &udp).await;
        }
        for container in [&other, &servers[0].namespace] {
            for ipv6 in [false, true] {
                seen_over_tcp(container, at(0, ipv6, 8080), &tcp).await;
                seen_over_udp(container, at(0, ipv6, 5353), &udp).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_follows_the_servers_and_is_refused_while_there_is_none() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let client = cluster.outsider(OUTSIDER).await;
    let servers = [server(&cluster, &table, 0, 16).await, server(&cluster, &table, 1, 32).await];
    let both = [&servers[0], &servers[1]];
    let listeners = [listen(&servers[0].namespace, 80).await, listen(&servers[1].namespace, 80).await];
    for ipv6 in [false, true] {
        let to = at(2, ipv6, 8080);
        assert_eq!(connect(&client, to).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
        publish(&cluster, &mut table, &both, &[]).await;
        assert_refused(&client, to).await;
        publish(&cluster, &mut table, &both, &both[..1]).await;
        let mut held = connect(&client, to).await.unwrap();
        let mut served = accept(&listeners[0]).0;
        talk(&mut held, &mut served);
        publish(&cluster, &mut table, &both, &both).await;
        talk(&mut held, &mut served);
        publish(&cluster, &mut table, &both, &both[1..]).await;
        assert_lost(&mut held);
        for _ in 0..3 {
            seen_over_tcp(&client, to, &listeners[1]).await;
        }
        table.services = Default::default();
        cluster.apply(&table).await;
        assert_refused(&client, to).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_that_were_refused_arrive_once_somebody_serves() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    let udp = receive(&server.namespace, 53).await;
    for ipv6 in [false, true] {
        publish(&cluster, &mut table, &[&server], &[]).await;
        let from = SocketAddr::new(data_path(OUTSIDER, ipv6), 0);
        let socket = client.run(move || UdpSocket::bind(from)).await.unwrap().unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.connect(at(0, ipv6, 5353)).unwrap();
        socket.send(b"ping").unwrap();
        assert_eq!(socket.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        publish(&cluster, &mut table, &[&server], &[&server]).await;
        socket.send(b"ping").unwrap();
        assert_eq!(udp.recv_from(&mut [0; 4]).unwrap().1.ip().to_canonical(), data_path(OUTSIDER, ipv6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_answers_arrive_though_the_tunnel_takes_smaller_packets() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let (tcp, udp) = (listen(&server.namespace, 80).await, receive(&server.namespace, 53).await);
    for ipv6 in [false, true] {
        use std::io::{Read, Write};
        let mut client_side = connect(&client, at(0, ipv6, 8080)).await.unwrap();
        let mut server_side = accept(&tcp).0;
        let sent = vec![7; 300_000];
        let writer = std::thread::spawn(move || server_side.write_all(&sent).map(|()| server_side));
        let mut received = vec![0; 300_000];
        client_side.read_exact(&mut received).unwrap();
        client_side.write_all(&received).unwrap();
        writer.join().unwrap().unwrap().read_exact(&mut received).unwrap();

        let from = SocketAddr::new(data_path(OUTSIDER, ipv6), 0);
        let socket = client.run(move || UdpSocket::bind(from)).await.unwrap().unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.connect(at(0, ipv6, 5353)).unwrap();
        socket.send(b"ping").unwrap();
        let (_, seen) = udp.recv_from(&mut [0; 4]).unwrap();
        udp.send_to(&[7; 1460], seen).unwrap();
        assert_eq!(socket.recv(&mut [0; 2000]).unwrap(), 1460);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_do_not_reach_each_other_through_the_ingress_network() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (near, far) = (cluster.member(&table, 0, 16).await, cluster.member(&table, 1, 32).await);
    publish(&cluster, &mut table, &[&near, &far], &[&near, &far]).await;
    let listeners = [listen(&near.namespace, 80).await, listen(&far.namespace, 80).await];
    let other = cluster.member(&table, 0, 17).await;
    for to in near.sockets(&table, 80).into_iter().chain(far.sockets(&table, 80)) {
        connect(&other.namespace, to).await.unwrap_err();
    }
    // Nor does a machine outside that knows the way come in other than by an address of the host.
    let (client, host) = (cluster.outsider(OUTSIDER).await, data_path(0, false));
    let link = ip(&cluster.hosts[0].sandbox(&table).await, "-4 -o address show dev up0").await;
    let end = link.split_whitespace().find_map(|word| word.strip_suffix("/30")).unwrap();
    ip(&client, &format!("route add 10.0.1.0/24 via {host}")).await;
    connect(&client, near.sockets(&table, 80)[0]).await.unwrap_err();
    ip(&client, &format!("route add {end} via {host}")).await;
    assert!(is_silent(&client, format!("{end}:8080").parse().unwrap()).await);
    for listener in &listeners {
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_survive_a_restart_of_the_daemon_and_nothing_is_left_at_the_end() {
    let mut cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let tcp = listen(&server.namespace, 80).await;
    let mut held = connect(&client, at(0, false, 8080)).await.unwrap();
    let mut served = accept(&tcp).0;
    for host in &mut cluster.hosts {
        host.restart().await;
        talk(&mut held, &mut served);
        host.apply(&table).await.unwrap();
        talk(&mut held, &mut served);
        assert!(!host.apply(&table).await.unwrap(), "something was changed for the same table");
    }
    let own: IpAddr = data_path(OUTSIDER, false);
    assert_eq!(seen_over_tcp(&client, at(2, false, 8080), &tcp).await, own);
    let first = &cluster.hosts[0];
    first.network().overlays().remove(table.info.id).await.unwrap();
    assert_refused(&client, at(0, false, 8080)).await;
    assert_eq!(seen_over_tcp(&client, at(1, false, 8080), &tcp).await, own);
    for host in &cluster.hosts {
        Network::destroy(&host.config).await.unwrap();
        let links = ip(&host.namespace, "-o link show").await;
        let rules = crate::world::run(&host.namespace, "nft list ruleset").await;
        assert!(!links.contains(": sh") && rules.is_empty(), "{links}{rules}");
    }
}
