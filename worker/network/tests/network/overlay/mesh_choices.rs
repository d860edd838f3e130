//! Ports that are published on every host, but not in the usual way: at some addresses, for local servers first, or no more.

use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};

use proto::model::{NetworkTable, PortTraffic};
use worker_network::Namespace;

use super::mesh::{OUTSIDER, at, ingress, publish, server};
use crate::overlay::cluster::{Cluster, Member, data_path};
use crate::sockets::{
    DEADLINE, accept, assert_refused, connect, is_silent, listen, receive, seen_over_tcp, seen_over_udp, talk,
};
use crate::world::{ip, run, sysctl};

#[tokio::test(flavor = "multi_thread")]
async fn datagrams_that_are_sent_all_the_time_notice_that_a_port_comes_and_goes() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    let udp = receive(&server.namespace, 53).await;
    for ipv6 in [false, true] {
        let from = SocketAddr::new(data_path(OUTSIDER, ipv6), 0);
        let socket = client.run(move || UdpSocket::bind(from)).await.unwrap().unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.connect(at(0, ipv6, 5353)).unwrap();
        socket.send(b"ping").unwrap();
        assert_eq!(socket.recv(&mut [0; 4]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        publish(&cluster, &mut table, &[&server], &[&server]).await;
        socket.send(b"ping").unwrap();
        udp.recv_from(&mut [0; 4]).unwrap();
        table.services = Default::default();
        cluster.apply(&table).await;
        let program = receive(&cluster.hosts[0].namespace, 5353).await;
        socket.send(b"ping").unwrap();
        assert_eq!(program.recv_from(&mut [0; 4]).unwrap().1.ip().to_canonical(), from.ip());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_of_some_addresses_is_answered_there_only() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let (tcp, udp) = (listen(&server.namespace, 80).await, receive(&server.namespace, 53).await);
    let all = [(0, false), (0, true), (1, false), (1, true)];
    for (host_ip, answering) in [
        (data_path(0, false).to_string(), &all[..1]),
        ("2001:db8:1::/64".to_owned(), &[all[1], all[3]]),
        ("0.0.0.0".to_owned(), &[all[0], all[2]]),
        (data_path(1, true).to_string(), &all[3..]),
    ] {
        table.change_services(|service| {
            service.ports.iter_mut().for_each(|port| port.host_ip = Some(host_ip.parse().unwrap()))
        });
        cluster.apply(&table).await;
        for (host, ipv6) in all {
            if answering.contains(&(host, ipv6)) {
                let own = data_path(OUTSIDER, ipv6);
                assert_eq!(seen_over_tcp(&client, at(host, ipv6, 8080), &tcp).await, own, "{host_ip}");
                assert_eq!(seen_over_udp(&client, at(host, ipv6, 5353), &udp).await, own, "{host_ip}");
            } else {
                assert_refused(&client, at(host, ipv6, 8080)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_at_127_0_0_1_is_reached_by_the_host_itself_only() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    table.change_services(|service| {
        service.ports.iter_mut().for_each(|port| port.host_ip = Some("127.0.0.1".parse().unwrap()))
    });
    cluster.apply(&table).await;
    let tcp = listen(&server.namespace, 80).await;
    let local: SocketAddr = "127.0.0.1:8080".parse().unwrap();
    seen_over_tcp(&cluster.hosts[0].namespace, local, &tcp).await;
    assert_refused(&client, at(0, false, 8080)).await;
    // A neighbour that sends to 127.0.0.1 over the wire: what arrives first is what the host sends after it.
    ip(&client, "route flush table local dev lo").await;
    sysctl(&client, "ipv4/conf/lan0/route_localnet", "1").await;
    let (host, own) = (data_path(0, false), data_path(OUTSIDER, false));
    ip(&client, &format!("route add 127.0.0.1/32 via {host} dev lan0 src {own}")).await;
    let udp = receive(&server.namespace, 53).await;
    for (from, word) in [(&client, b"evil"), (&cluster.hosts[0].namespace, b"good")] {
        let socket = from.run(|| UdpSocket::bind("0.0.0.0:0")).await.unwrap().unwrap();
        socket.send_to(word, "127.0.0.1:5353").unwrap();
    }
    let mut word = [0; 4];
    udp.recv_from(&mut word).unwrap();
    assert_eq!(&word, b"good");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_sends_to_its_own_servers_first_if_asked() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let client = cluster.outsider(OUTSIDER).await;
    let servers = [server(&cluster, &table, 0, 16).await, server(&cluster, &table, 1, 32).await];
    let both = [&servers[0], &servers[1]];
    let listeners = [listen(&servers[0].namespace, 80).await, listen(&servers[1].namespace, 80).await];
    let serve = async |table: &mut NetworkTable, serving: &[&Member]| {
        publish(&cluster, table, &both, serving).await;
        table.change_services(|service| {
            service.ports.iter_mut().for_each(|port| port.traffic = PortTraffic::LocalFirst)
        });
        cluster.apply(table).await;
    };
    for ipv6 in [false, true] {
        serve(&mut table, &both).await;
        for host in [0, 1] {
            for _ in 0..4 {
                seen_over_tcp(&client, at(host, ipv6, 8080), &listeners[host]).await;
            }
        }
        let mut held = Vec::new();
        for _ in 0..2 {
            held.push(connect(&client, at(2, ipv6, 8080)).await.unwrap());
        }
        listeners.iter().for_each(|listener| drop(accept(listener)));
        serve(&mut table, &both[1..]).await;
        let mut client_side = connect(&client, at(0, ipv6, 8080)).await.unwrap();
        let mut server_side = accept(&listeners[1]).0;
        serve(&mut table, &both).await;
        talk(&mut client_side, &mut server_side);
        seen_over_tcp(&client, at(0, ipv6, 8080), &listeners[0]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_whose_sandbox_is_lost_are_given_back_to_the_host() {
    let mut cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let server = server(&cluster, &table, 0, 16).await;
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let path = cluster.hosts[0].sandbox(&table).await.path().to_owned();
    Namespace::remove(&path).unwrap();
    cluster.hosts[0].restart().await;
    let host = &cluster.hosts[0].namespace;
    let program = listen(host, 8080).await;
    seen_over_tcp(host, at(0, false, 8080), &program).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_firewall_that_drops_forwards_lets_ports_pass_once_it_has_what_system_check_advises() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(OUTSIDER).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let tcp = listen(&server.namespace, 80).await;
    for host in &cluster.hosts {
        run(&host.namespace, "nft add table inet foreign").await;
        let chain = "add chain inet foreign forward { type filter hook forward priority 0 ; policy drop ; }";
        run(&host.namespace, &format!("nft {chain}")).await;
    }
    assert!(is_silent(&client, at(0, false, 8080)).await);
    for host in &cluster.hosts {
        for link in ["iifname", "oifname"] {
            run(&host.namespace, &format!("nft add rule inet foreign forward {link} sh* accept")).await;
        }
    }
    for ipv6 in [false, true] {
        let own = data_path(OUTSIDER, ipv6);
        for host in 0..3 {
            assert_eq!(seen_over_tcp(&client, at(host, ipv6, 8080), &tcp).await, own);
        }
    }
}
