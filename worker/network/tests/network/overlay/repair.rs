//! What other programs take from the sandbox of a network that spans hosts, and from the host's side of the ingress network.

use std::collections::BTreeMap;

use worker_network::{Container, Interface, Namespace, Network};

use crate::overlay::cluster::{Cluster, Host, VIP, sockets, table};
use crate::overlay::mesh::{at, ingress, publish, server};
use crate::overlay::restart::worker_link;
use crate::repair::{damage, kept, until_same};
use crate::sockets::{listen, seen_over_tcp};
use crate::world::{adopted, ip, run};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_a_sandbox_is_back_soon() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[client, server], &[server]).await;
    let host = &cluster.hosts[0];
    let sandbox = host.sandbox(&table).await;
    let link = worker_link(client.task);
    run(&sandbox, "ip link add theirs0 type bridge").await;
    kept(host.network(), async {
        for command in [
            "ip link set vx0 mtu 700",
            "ip link set vx0 master theirs0",
            "ip link set vx0 arp off",
            "ip link set vx0 down && ip link set vx0 name vx9 && ip link set vx9 up",
            &format!("ip link set {link} mtu 700"),
            &format!("ip link set {link} master theirs0"),
            &format!("ip link delete {link} && ip link add {link} type bridge && ip link set {link} up"),
            "bridge fdb replace 02:73:00:00:00:03 dev vx0 dst 192.0.2.2 port 9999 self",
            "ip rule flush",
            "ip -6 rule flush",
            "ip rule add from all lookup 77",
            "ip route add blackhole 10.0.1.33/32",
            "ip route add 10.0.1.33/32 dev lo proto 99",
            "ip route append 10.0.1.32/28 via 10.0.1.4 dev vx0 onlink",
            "ip route add unreachable 10.0.1.32/28 metric 4000",
            "ip -6 route add blackhole fd00:1::21/128",
            "sysctl -qw net.ipv4.ip_forward=0",
            "sysctl -qw net.ipv6.conf.all.forwarding=0",
            "sysctl -qw net.ipv4.conf.vx0.rp_filter=1",
            &format!("nft add table inet {} {{ flags dormant; }}", tables(host)),
            "ip route delete 10.0.1.32/28",
            "ip -6 route delete fd00:1::20/124",
            "ip route replace 10.0.1.32/28 via 10.0.1.4 dev vx0 onlink",
            "ip route add 10.0.1.96/28 via 10.0.1.3 dev vx0 onlink",
            "ip neighbour delete 10.0.1.3 dev vx0",
            "ip neighbour replace 10.0.1.4 dev vx0 lladdr 02:00:00:00:00:01 nud permanent",
            "bridge fdb delete 02:73:00:00:00:03 dev vx0 self",
            "ip address delete 10.0.1.2/32 dev lo",
            "ip link set vx0 down",
            "ip link delete vx0",
            &format!("ip link delete {}", worker_link(client.task)),
            &format!("nft delete element inet {} vips4 {{ 10.0.1.{VIP} }}", tables(host)),
            &format!("nft flush chain inet {} border", tables(host)),
            "nft flush ruleset",
            "ip link add cstranger type veth peer name other",
        ] {
            damage(&[&sandbox], &sandbox, command).await;
        }
    })
    .await;
    let tcp = listen(&server.namespace, 80).await;
    for to in server.sockets(&table, 80).into_iter().chain(sockets(&table, VIP, 80)) {
        seen_over_tcp(&client.namespace, to, &tcp).await;
    }
    let inspection = host.network().overlays().inspect(table.info.id).await.unwrap().unwrap();
    assert_eq!(inspection.differences, [""; 0]);
    assert!(inspection.repairs.count > 0, "{inspection:?}");
}

/// The name of a host's tables.
fn tables(host: &Host) -> String {
    format!("shoal-{}", &host.config.node_id[..8])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_tells_what_is_missing_and_changes_nothing() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let (host, sandbox) = (&cluster.hosts[0], cluster.hosts[0].sandbox(&table).await);
    for command in ["ip route delete 10.0.1.32/28", "nft flush ruleset"] {
        run(&sandbox, command).await;
    }
    for _ in 0..2 {
        let inspection = host.network().overlays().inspect(table.info.id).await.unwrap().unwrap();
        let lost = format!("the nft table inet {} is missing", tables(host));
        assert_eq!(inspection.differences, ["the route to 10.0.1.32/28 is missing", &lost]);
        assert_eq!(inspection.repairs.count, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_lost_the_way_of_its_answers_gets_it_back() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(8).await, server(&cluster, &table, 0, 16).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let tcp = listen(&server.namespace, 80).await;
    let host = &cluster.hosts[0];
    let told = async || {
        let inspection = host.network().overlays().inspect(table.info.id).await.unwrap().unwrap();
        inspection.differences.join("; ")
    };
    assert_eq!(told().await, "");
    for command in [
        "nft flush ruleset",
        "ip rule delete lookup 100",
        "ip route flush table 100",
        "ip route replace default via 172.30.0.1 dev eth0 onlink",
    ] {
        run(&server.namespace, command).await;
        assert!(told().await.contains("the container of task"), "{command}: {}", told().await);
        // What is begun with is an audit.
        kept(host.network(), until_same(command, "", told)).await;
    }
    seen_over_tcp(&client, at(0, false, 8080), &tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_right_before_the_managers_change_something_is_found_and_put_back() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[client, server], &[server]).await;
    let host = &cluster.hosts[0];
    let sandbox = host.sandbox(&table).await;
    let rules = async || run(&sandbox, "nft list ruleset").await;
    let before = rules().await;
    run(&sandbox, &format!("nft flush chain inet {} border", tables(host))).await;
    cluster.serve(&mut table, &[client, server], &[client, server]).await;
    cluster.serve(&mut table, &[client, server], &[server]).await;
    let inspect = async || host.network().overlays().inspect(table.info.id).await.unwrap().unwrap();
    assert!(inspect().await.differences.join("; ").contains("the chain border"));
    let told = async || inspect().await.differences.join("; ");
    kept(host.network(), until_same("the flush", "", told)).await;
    assert_eq!(rules().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_link_that_takes_smaller_packets_makes_those_of_networks_smaller() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let host = &cluster.hosts[0];
    ip(&host.namespace, "link set lan0 mtu 1400").await;
    let inspection = host.network().overlays().inspect(table.info.id).await.unwrap().unwrap();
    assert_eq!(inspection.differences, ["the tunnel vx0 is not as it was made"]);
    let sandbox = host.sandbox(&table).await;
    let is_smaller = async || ip(&sandbox, "link show vx0").await.contains("mtu 1350").to_string();
    kept(host.network(), async {
        until_same("the first", "true", is_smaller).await;
        // The network is not of those that have a part on the host: it is looked at for its MTU alone.
        ip(&host.namespace, "link set lan0 mtu 1500").await;
        let is_larger = async || ip(&sandbox, "link show vx0").await.contains("mtu 1450").to_string();
        until_same("the second", "true", is_larger).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_file_cannot_be_bound_keeps_its_interface() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let [client, ..] = &cluster.members(&table).await;
    let host = &cluster.hosts[0];
    let file = client.namespace.path();
    Namespace::remove(file).unwrap();
    // Nothing can be bound to a folder.
    std::fs::create_dir(file).unwrap();
    host.apply(&table).await.unwrap();
    assert!(ip(&host.sandbox(&table).await, "-br link show").await.contains(&worker_link(client.task)));
    std::fs::remove_dir(file).unwrap();
    let bound = async || Namespace::is_bound(file).unwrap().to_string();
    kept(host.network(), until_same("the folder", "true", bound)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_cannot_be_put_back_keeps_no_other_from_it() {
    let cluster = Cluster::new().await;
    let (first, second) = (table(1), table(2));
    for table in [&first, &second] {
        cluster.apply(table).await;
    }
    let host = &cluster.hosts[0];
    let files = [host.sandbox(&first).await.path().to_owned(), host.sandbox(&second).await.path().to_owned()];
    for file in &files {
        Namespace::remove(file).unwrap();
    }
    std::fs::create_dir(&files[0]).unwrap();
    let bound = async || Namespace::is_bound(&files[1]).unwrap().to_string();
    kept(host.network(), until_same("the second", "true", bound)).await;
    std::fs::remove_dir(&files[0]).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_lost_its_file_gets_it_back() {
    let cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let host = &cluster.hosts[0];
    let file = host.sandbox(&table).await.path().to_owned();
    Namespace::remove(&file).unwrap();
    let inspection = host.network().overlays().inspect(table.info.id).await.unwrap().unwrap();
    assert_eq!(inspection.differences, ["the sandbox's namespace is not bound to its file"]);
    let bound = async || Namespace::is_bound(&file).unwrap().to_string();
    kept(host.network(), until_same("unbinding", "true", bound)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_the_ingress_networks_host_side_is_back_soon() {
    let cluster = Cluster::new().await;
    let mut table = ingress();
    cluster.apply(&table).await;
    let (client, server) = (cluster.outsider(8).await, server(&cluster, &table, 1, 32).await);
    publish(&cluster, &mut table, &[&server], &[&server]).await;
    let tcp = listen(&server.namespace, 80).await;
    let host = &cluster.hosts[0];
    let sandbox = host.sandbox(&table).await;
    let short = &host.config.node_id[..8];
    kept(host.network(), async {
        for (place, command) in [
            (&host.namespace, format!("ip link set sh{short}m group 0")),
            (&host.namespace, format!("ip link set sh{short}m mtu 700")),
            (&host.namespace, format!("nft add table inet shoal-{short}-mesh {{ flags dormant; }}")),
            (&sandbox, "ip link set up0 mtu 700".to_owned()),
            (&sandbox, "ip route add unreachable default metric 4000".to_owned()),
            (&sandbox, "ip rule flush".to_owned()),
            (&sandbox, "ip -6 rule flush".to_owned()),
            (&host.namespace, format!("ip link delete sh{short}m")),
            (&host.namespace, format!("nft delete table inet shoal-{short}-mesh")),
            (
                &host.namespace,
                format!("nft delete element inet shoal-{short}-mesh published {{ tcp . 8080 }}"),
            ),
            (&sandbox, "ip link delete vx0".to_owned()),
            (&sandbox, "ip rule delete fwmark 0x40000000/0x40000000 lookup 100".to_owned()),
            (&sandbox, "ip route flush table 100".to_owned()),
            (&sandbox, format!("nft delete table netdev shoal-{short}")),
        ] {
            damage(&[&host.namespace, &sandbox], place, &command).await;
            seen_over_tcp(&client, at(0, false, 8080), &tcp).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_makes_links_again_that_were_lost_with_all_that_told_of_them() {
    let mut cluster = Cluster::new().await;
    let table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = &cluster.members(&table).await;
    let sandbox = cluster.hosts[0].sandbox(&table).await;
    let (link, file) = (worker_link(client.task), sandbox.path().to_owned());
    for is_sandbox_lost in [false, true] {
        let host = &mut cluster.hosts[0];
        let attachment = host.network().attachment(&client.task.to_string()).unwrap();
        drop(host.network.take());
        match is_sandbox_lost {
            // As a daemon leaves it that ends between taking a link away and making it anew.
            false => drop(ip(&sandbox, &format!("link delete {link}")).await),
            // Still alive, as its handle is held here: the container's end of the link is there and leads nowhere.
            true => {
                ip(&sandbox, "link delete vx0").await;
                Namespace::remove(&file).unwrap();
            }
        }
        let container = Container { number: client.number, interface: Interface(0) };
        let joined = BTreeMap::from([(table.info.id, container)]);
        let held = worker_network::Adopted { joined, ..adopted(attachment, Vec::new()) };
        host.network = Some(Network::open(host.config.clone(), vec![held]).await.unwrap().network);
        host.apply(&table).await.unwrap();
        let tcp = listen(&server.namespace, 80).await;
        for to in server.sockets(&table, 80) {
            seen_over_tcp(&client.namespace, to, &tcp).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_cannot_be_taken_over_costs_its_network_only() {
    let mut cluster = Cluster::new().await;
    let (first, second) = (table(1), table(2));
    for table in [&first, &second] {
        cluster.apply(table).await;
    }
    let host = &mut cluster.hosts[0];
    let file = host.sandbox(&first).await.path().to_owned();
    drop(host.network.take());
    Namespace::remove(&file).unwrap();
    // A namespace of another kind, as if somebody had bound something else there.
    std::fs::write(&file, "").unwrap();
    let other = nix::mount::MsFlags::MS_BIND;
    nix::mount::mount(Some("/proc/self/ns/uts"), &file, None::<&str>, other, None::<&str>).unwrap();
    host.network = Some(Network::open(host.config.clone(), Vec::new()).await.unwrap().network);
    host.apply(&second).await.unwrap();
    let error = host.apply(&first).await.unwrap_err();
    assert!(error.to_string().starts_with("cannot set up network"), "{error}");
    nix::mount::umount2(&file, nix::mount::MntFlags::MNT_DETACH).unwrap();
    host.apply(&first).await.unwrap();
}
