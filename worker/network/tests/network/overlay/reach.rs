//! Who reaches whom, by which way.

use std::io::{Read, Write};

use proto::model::{NetworkKind, NetworkPeer, NetworkTable, NodeLease};
use worker_network::{Interface, OverlayError};

use crate::overlay::cluster::{Cluster, MTU, VIP, data_path, node, put_service, sockets, table, task};
use crate::sockets::{accept, connect, listen, receive, seen_over_tcp, seen_over_udp};
use crate::world::{ip, sysctl};

/// Far more than fits into any buffer on the way, in bytes.
const LARGE: usize = 4 << 20;

#[tokio::test(flavor = "multi_thread")]
async fn containers_on_different_hosts_reach_each_other_under_their_own_addresses() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let members = cluster.members(&table).await;
    let same_host = cluster.member(&table, 0, 17).await;
    for server in &members {
        let (tcp, udp) = (listen(&server.namespace, 80).await, receive(&server.namespace, 80).await);
        for client in members.iter().chain([&same_host]).filter(|client| client.number != server.number) {
            for (to, own) in server.sockets(&table, 80).into_iter().zip(client.sockets(&table, 0)) {
                assert_eq!(seen_over_tcp(&client.namespace, to, &tcp).await, own.ip());
                assert_eq!(seen_over_udp(&client.namespace, to, &udp).await, own.ip());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_transfer_fits_through_the_tunnel() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = cluster.members(&table).await;
    let tcp = listen(&server.namespace, 80).await;
    for to in server.sockets(&table, 80) {
        let mut sender = connect(&client.namespace, to).await.unwrap();
        let mut receiver = accept(&tcp).0;
        let sent = std::thread::spawn(move || sender.write_all(&[7; LARGE]));
        let mut all = Vec::new();
        receiver.read_to_end(&mut all).unwrap();
        sent.join().unwrap().unwrap();
        assert_eq!(all.len(), LARGE);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_may_speak_ipv6_to_each_other() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    for host in 0..3 {
        table.peers.get_mut(&node(host)).unwrap().data_path = data_path(host, true);
    }
    cluster.apply(&table).await;
    let [client, server, _] = cluster.members(&table).await;
    let tcp = listen(&server.namespace, 80).await;
    for to in server.sockets(&table, 80) {
        seen_over_tcp(&client.namespace, to, &tcp).await;
    }
    let link = ip(&client.namespace, "link show eth0").await;
    assert!(link.contains(&format!("mtu {} ", MTU - 70)), "{link}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_outside_of_the_blocks_is_reached_too() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    table.peers.get_mut(&node(1)).unwrap().singles = [150].into();
    cluster.apply(&table).await;
    let client = cluster.member(&table, 0, 16).await;
    let server = cluster.member(&table, 1, 150).await;
    let tcp = listen(&server.namespace, 80).await;
    for to in server.sockets(&table, 80) {
        seen_over_tcp(&client.namespace, to, &tcp).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_nobody_has_is_answered_with_an_error_at_once() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let client = cluster.member(&table, 0, 16).await;
    for to in ["10.0.1.77:80", "10.0.1.20:80"] {
        let error = connect(&client.namespace, to.parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::HostUnreachable, "{to}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mtu_follows_the_hosts_links_unless_the_network_asks_for_one() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let member = cluster.member(&table, 0, 16).await;
    let host = &cluster.hosts[0];
    let sandbox = host.sandbox(&table).await;
    for (asked, underlay, mtu) in [(None, MTU, MTU - 50), (None, 1400, 1350), (Some(1300), MTU, 1300)] {
        table.info.mtu = asked;
        ip(&host.namespace, &format!("link set lan0 mtu {underlay}")).await;
        host.apply(&table).await.unwrap();
        let links = [ip(&member.namespace, "link show eth0").await, ip(&sandbox, "link show vx0").await];
        assert!(links.iter().all(|link| link.contains(&format!("mtu {mtu} "))), "{links:?}");
        assert!(!host.apply(&table).await.unwrap(), "nothing is left to do");
    }
}

/// A network as a host is told of it that is to know no other.
fn only_own(table: &NetworkTable, host: usize) -> NetworkTable {
    let mut own = table.clone();
    for other in (0..3).filter(|other| *other != host) {
        own.peers.remove_mut(&node(other));
    }
    own
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_of_each_host_for_itself_balances_there_and_reaches_no_other_host() {
    let mut cluster = Cluster::new().await;
    let mut table = table(1);
    table.info.kind = NetworkKind::Bridge;
    for host in 0..3 {
        let lease = NodeLease { number: 1, blocks: [].into() };
        let peer = NetworkPeer { lease, ..table.peers.get(&node(host)).unwrap().clone() };
        table.peers.insert_mut(peer.node, peer);
    }
    cluster.apply(&table).await;
    let (client, server) = (cluster.member(&table, 0, 16).await, cluster.member(&table, 0, 17).await);
    let other = cluster.member(&table, 1, 18).await;
    put_service(&mut table, &[&server, &other], &[&server, &other]);
    for host in 0..3 {
        cluster.hosts[host].apply(&only_own(&table, host)).await.unwrap();
    }
    let (tcp, elsewhere) = (listen(&server.namespace, 80).await, listen(&other.namespace, 80).await);
    for to in server.sockets(&table, 80).into_iter().chain(sockets(&table, VIP, 80)) {
        for _ in 0..2 {
            seen_over_tcp(&client.namespace, to, &tcp).await;
        }
    }
    for to in other.sockets(&table, 80) {
        assert!(connect(&client.namespace, to).await.is_err(), "{to}");
    }
    assert!(elsewhere.accept().is_err());
    let host = &mut cluster.hosts[0];
    let links = ip(&host.sandbox(&table).await, "-d -o link show").await;
    assert!(!links.contains("vxlan") && links.contains("mtu 1500"), "{links}");
    host.restart().await;
    let own = only_own(&table, 0);
    host.apply(&own).await.unwrap();
    assert!(!host.apply(&own).await.unwrap(), "nothing is left to do");
    seen_over_tcp(&client.namespace, sockets(&table, VIP, 80)[0], &tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_without_ipv6_has_no_ipv6_anywhere() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    table.info.ipv6 = None;
    cluster.apply(&table).await;
    let [client, server, _] = cluster.members(&table).await;
    let tcp = listen(&server.namespace, 80).await;
    seen_over_tcp(&client.namespace, server.sockets(&table, 80)[0], &tcp).await;
    let dump = cluster.hosts[0].dump(&table).await;
    assert!(!dump.contains("fd00") && !dump.contains("ip6 "), "{dump}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_up_is_refused_with_the_reason() {
    let mut cluster = Cluster::new().await;
    let mut table = table(1);
    let host = &cluster.hosts[0];
    let overlays = host.network().overlays();
    let error = overlays.join(task(&table, 16), table.info.id, 16, Interface(0)).await.unwrap_err();
    assert!(matches!(error, OverlayError::Unknown { .. }), "{error:?}");
    table.peers.get_mut(&node(0)).unwrap().data_path = "192.0.2.77".parse().unwrap();
    let error = host.apply(&table).await.unwrap_err();
    assert!(error.to_string().contains("no link of this host has 192.0.2.77"), "{error}");
    table.peers.get_mut(&node(0)).unwrap().data_path = data_path(0, false);
    ip(
        &host.namespace,
        &format!("link add other type vxlan id {} dstport 4789 local 192.0.2.1", table.info.vni),
    )
    .await;
    sysctl(&host.namespace, "ipv6/conf/other/disable_ipv6", "1").await;
    let error = host.apply(&table).await.unwrap_err();
    assert!(matches!(error, OverlayError::VniTaken { vni: 4097, .. }), "{error:?}");
    ip(&host.namespace, "link delete other").await;
    assert!(host.apply(&table).await.unwrap());
    table.peers.remove_mut(&node(0));
    let error = host.apply(&table).await.unwrap_err();
    assert!(error.to_string().contains("takes no part in network"), "{error}");
    cluster.hosts.clear();
}
