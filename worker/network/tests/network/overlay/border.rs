//! What does not get through.

use std::net::UdpSocket;

use crate::overlay::cluster::{Cluster, table};
use crate::sockets::{connect, listen, receive, seen_over_tcp};
use crate::world::ip;

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
