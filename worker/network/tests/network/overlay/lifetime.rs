//! What comes and what goes.

use worker_network::{Interface, Namespace, Network};

use crate::overlay::cluster::{Cluster, node, table, task};
use crate::sockets::{connect, listen, seen_over_tcp};
use crate::world::{ip, run};

#[tokio::test(flavor = "multi_thread")]
async fn applying_the_same_table_twice_changes_nothing() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let member = &cluster.member(&table, 0, 16).await;
    let host = &cluster.hosts[0];
    crate::overlay::cluster::put_service(&mut table, &[member], &[member]);
    assert!(host.apply(&table).await.unwrap());
    let before = host.dump(&table).await;
    assert!(!host.apply(&table).await.unwrap());
    assert_eq!(host.dump(&table).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_node_leaves_no_route_neighbour_or_forwarding_entry() {
    let cluster = Cluster::new().await;
    let all = table(1);
    let mut less = all.clone();
    less.peers.remove_mut(&node(2));
    let host = &cluster.hosts[0];
    host.apply(&less).await.unwrap();
    let before = host.dump(&less).await;
    host.apply(&all).await.unwrap();
    let with = host.dump(&all).await;
    assert!(
        with.contains("10.0.1.48/28 via 10.0.1.4 dev vx0") && with.contains("02:73:00:00:00:04"),
        "{with}"
    );
    host.apply(&less).await.unwrap();
    assert_eq!(host.dump(&less).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_changes_its_address_or_its_number_is_found_again() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = cluster.members(&table).await;
    let tcp = listen(&server.namespace, 80).await;
    ip(&cluster.hosts[1].namespace, "address add 192.0.2.99/24 dev lan0").await;
    table.peers.get_mut(&node(1)).unwrap().data_path = "192.0.2.99".parse().unwrap();
    table.peers.get_mut(&node(0)).unwrap().lease.number = 9;
    cluster.apply(&table).await;
    for to in server.sockets(&table, 80) {
        seen_over_tcp(&client.namespace, to, &tcp).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_leaves_or_is_detached_leaves_nothing() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let host = &cluster.hosts[0];
    let before = host.dump(&table).await;
    for detach in [false, true] {
        let member = cluster.member(&table, 0, 16).await;
        assert_ne!(host.dump(&table).await, before);
        if detach {
            host.network().detach(&member.task.to_string()).await.unwrap();
        } else {
            host.network().overlays().leave(member.task, table.info.id).await.unwrap();
            assert_eq!(ip(&member.namespace, "-o link show").await.lines().count(), 1, "the loopback only");
        }
        assert_eq!(host.dump(&table).await, before);
        assert!(host.network().overlays().containers(table.info.id).await.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_network_leaves_nothing_and_can_come_back() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = cluster.members(&table).await;
    let overlays = cluster.hosts[0].network().overlays();
    for _ in 0..2 {
        overlays.remove(table.info.id).await.unwrap();
        assert!(overlays.sandbox(table.info.id).await.is_none() && overlays.list().is_empty());
        assert_eq!(ip(&client.namespace, "-o link show").await.lines().count(), 1, "the loopback only");
    }
    assert!(cluster.hosts[0].apply(&table).await.unwrap());
    let again = cluster.member(&table, 0, client.number).await;
    let tcp = listen(&server.namespace, 80).await;
    seen_over_tcp(&again.namespace, server.sockets(&table, 80)[0], &tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn destroying_after_a_crash_leaves_nothing_and_frees_the_networks_number() {
    let mut cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let member = cluster.member(&table, 0, 16).await;
    let host = &mut cluster.hosts[0];
    let sandbox = host.sandbox(&table).await;
    drop(host.network.take());
    for _ in 0..2 {
        Network::destroy(&host.config).await.unwrap();
        assert!(!host.config.run_dir.join("netns").exists());
        assert_eq!(run(&host.namespace, "nft list ruleset").await, "");
        assert_eq!(ip(&host.namespace, "-o link show").await.lines().count(), 2, "lo and lan0 only");
        assert!(!ip(&sandbox, "-o link show").await.contains("vx0"));
    }
    drop((member, sandbox));
    host.network = Some(Network::open(host.config.clone(), Vec::new()).await.unwrap().network);
    assert!(host.apply(&table).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_join_is_taken_back() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let host = &cluster.hosts[0];
    let before = host.dump(&table).await;
    let task = crate::overlay::cluster::task(&table, 16);
    let interface = worker_network::Interface(0);
    let error = host.network().overlays().join(task, table.info.id, 16, interface).await.unwrap_err();
    assert!(error.to_string().contains("cannot set up network"), "{error}");
    assert_eq!(host.dump(&table).await, before);
    let attachment = host.network().none(&task.to_string()).await.unwrap();
    host.network().overlays().join(task, table.info.id, 16, interface).await.unwrap();
    let inside = Namespace::open(&attachment.netns).unwrap();
    connect(&inside, "10.0.1.1:80".parse().unwrap()).await.expect_err("the router serves nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_namespace_vanished_does_not_keep_the_network_from_changing() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let kept = cluster.member(&table, 0, 17).await;
    let host = &cluster.hosts[0];
    // Of a container that the node's own network does not know, so that nobody holds its namespace.
    let lost = task(&table, 16);
    let file = host.config.run_dir.join("netns").join(&lost.to_string()[..12]);
    Namespace::create(&file).await.unwrap();
    host.network().overlays().join(lost, table.info.id, 16, Interface(0)).await.unwrap();
    assert!(Namespace::remove(&file).unwrap());
    let mut less = table.clone();
    less.peers.remove_mut(&node(2));
    assert!(host.apply(&less).await.unwrap());
    let members = host.network().overlays().containers(table.info.id).await;
    assert_eq!(members.into_keys().collect::<Vec<_>>(), [kept.task]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_namespace_was_unbound_keeps_its_interface_when_the_network_changes() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let (member, peer) = (cluster.member(&table, 0, 16).await, cluster.member(&table, 1, 32).await);
    let host = &cluster.hosts[0];
    let file = host.network().attachment(&member.task.to_string()).unwrap().netns;
    assert!(Namespace::remove(&file).unwrap());
    let mut less = table.clone();
    less.peers.remove_mut(&node(2));
    assert!(host.apply(&less).await.unwrap());
    assert!(Namespace::is_bound(&file).unwrap());
    let tcp = listen(&peer.namespace, 80).await;
    for to in peer.sockets(&table, 80) {
        seen_over_tcp(&member.namespace, to, &tcp).await;
    }
}
