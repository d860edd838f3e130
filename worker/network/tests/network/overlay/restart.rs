//! What a daemon finds when it starts again.

use crate::overlay::cluster::{Cluster, VIP, node, put_service, sockets, table};
use crate::sockets::{accept, assert_lost, connect, listen, seen_over_tcp, talk};
use crate::world::{ip, run};

#[tokio::test(flavor = "multi_thread")]
async fn a_restarted_daemon_takes_over_without_breaking_a_connection() {
    let mut cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, near, far] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[near, far], &[near]).await;
    let (tcp, direct) = (listen(&near.namespace, 80).await, listen(&far.namespace, 80).await);
    let mut connections = Vec::new();
    for (balanced, straight) in sockets(&table, VIP, 80).into_iter().zip(far.sockets(&table, 80)) {
        let stream = connect(&client.namespace, balanced).await.unwrap();
        connections.push((stream, accept(&tcp).0));
        let stream = connect(&client.namespace, straight).await.unwrap();
        connections.push((stream, accept(&direct).0));
    }
    let before = cluster.hosts[0].dump(&table).await;
    for _ in 0..2 {
        cluster.hosts[0].restart().await;
        for (stream, served) in &mut connections {
            talk(stream, served);
        }
        cluster.hosts[0].apply(&table).await.unwrap();
        for (stream, served) in &mut connections {
            talk(stream, served);
        }
        assert_eq!(cluster.hosts[0].dump(&table).await, before);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_a_backend_that_went_while_the_daemon_was_away_are_reset() {
    let mut cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, first, second] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[first, second], &[first]).await;
    let tcp = listen(&first.namespace, 80).await;
    let mut stream = connect(&client.namespace, sockets(&table, VIP, 80)[0]).await.unwrap();
    let mut served = accept(&tcp).0;
    talk(&mut stream, &mut served);
    cluster.hosts[0].restart().await;
    put_service(&mut table, &[first, second], &[second]);
    cluster.hosts[0].apply(&table).await.unwrap();
    assert_lost(&mut stream);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_behind_the_daemons_back_is_repaired_at_the_start() {
    let mut cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[client, server], &[server]).await;
    let before = cluster.hosts[0].dump(&table).await;
    let sandbox = cluster.hosts[0].sandbox(&table).await;
    for damage in [
        "ip route delete 10.0.1.32/28",
        "ip -6 route delete fd00:1::20/124",
        "ip route add 10.0.1.96/28 via 10.0.1.3 dev vx0 onlink",
        "ip neighbour delete 10.0.1.3 dev vx0",
        "ip neighbour replace 10.0.1.4 dev vx0 lladdr 02:00:00:00:00:01",
        "ip address delete 10.0.1.2/32 dev lo",
        "bridge fdb delete 02:73:00:00:00:03 dev vx0 self",
        "nft flush ruleset",
        "ip link add cstranger type veth peer name other",
    ] {
        run(&sandbox, damage).await;
    }
    cluster.hosts[0].restart().await;
    cluster.hosts[0].apply(&table).await.unwrap();
    assert_eq!(cluster.hosts[0].dump(&table).await, before);
    for lost in ["link delete vx0", &format!("link delete {}", worker_link(client.task))] {
        ip(&sandbox, lost).await;
        cluster.hosts[0].restart().await;
        cluster.hosts[0].apply(&table).await.unwrap();
    }
    // The container's link was lost with all that told of it: whoever holds the container joins it again.
    let overlays = cluster.hosts[0].network().overlays();
    assert!(overlays.containers(table.info.id).await.is_empty());
    let interface = worker_network::Interface(0);
    overlays.join(client.task, table.info.id, client.number, interface).await.unwrap();
    let tcp = listen(&server.namespace, 80).await;
    for to in server.sockets(&table, 80).into_iter().chain(sockets(&table, VIP, 80)) {
        seen_over_tcp(&client.namespace, to, &tcp).await;
    }
}

pub fn worker_link(task: proto::model::TaskId) -> String {
    format!("c{}", task.to_string().chars().take(12).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn links_of_tasks_nobody_holds_are_removed_at_the_start() {
    let mut cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let host = &mut cluster.hosts[0];
    let before = host.dump(&table).await;
    let member = cluster.member(&table, 0, 16).await;
    let host = &mut cluster.hosts[0];
    drop(host.network.take());
    host.network =
        Some(worker_network::Network::open(host.config.clone(), Vec::new()).await.unwrap().network);
    assert_eq!(host.network().overlays().list(), [table.info.id]);
    assert!(host.network().overlays().containers(table.info.id).await.is_empty());
    assert_eq!(ip(&member.namespace, "-o link show").await.lines().count(), 1, "the loopback only");
    host.apply(&table).await.unwrap();
    assert_eq!(host.dump(&table).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_leaves_before_the_managers_are_heard_of() {
    let mut cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let before = cluster.hosts[0].dump(&table).await;
    let member = cluster.member(&table, 0, 16).await;
    let host = &mut cluster.hosts[0];
    host.restart().await;
    host.network().detach(&member.task.to_string()).await.unwrap();
    table.peers.get_mut(&node(0)).unwrap().singles = [70].into();
    host.apply(&table).await.unwrap();
    assert_eq!(host.dump(&table).await, before);
}
