//! What other programs take from the sandbox of a network that spans hosts, and from the host's side of the ingress network.

use std::collections::BTreeMap;

use proto::model::NetworkTable;
use worker_network::{Container, Interface, Namespace, Network};

use crate::overlay::cluster::{Cluster, Host, VIP, sockets, table};
use crate::overlay::mesh::{at, ingress, publish, server};
use crate::overlay::restart::worker_link;
use crate::repair::{kept, until_same, without_numbers};
use crate::sockets::{listen, seen_over_tcp};
use crate::world::{adopted, ip, run};

/// What a sandbox holds, without what differs each time a link is made.
async fn dump(host: &Host, table: &NetworkTable) -> String {
    let sandbox = host.sandbox(table).await;
    let mut dump = String::new();
    for command in [
        "ip -br link show",
        "ip -br address show",
        "ip -4 route show table all",
        "ip -6 route show table all",
        "ip neighbour show nud permanent",
        "bridge fdb show",
        "nft list ruleset",
    ] {
        let text = run(&sandbox, command).await;
        let mut lines: Vec<_> = text.lines().map(without_numbers).collect();
        lines.sort_unstable();
        dump.push_str(&format!("== {command}\n{}\n", lines.join("\n")));
    }
    dump
}

async fn damage(host: &Host, table: &NetworkTable, place: &Namespace, command: &str) {
    let before = dump(host, table).await;
    run(place, command).await;
    until_same(command, &before, || dump(host, table)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_a_sandbox_is_back_soon() {
    let cluster = Cluster::new().await;
    let mut table = table(1);
    cluster.apply(&table).await;
    let [client, server, _] = &cluster.members(&table).await;
    cluster.serve(&mut table, &[client, server], &[server]).await;
    let host = &cluster.hosts[0];
    let sandbox = host.sandbox(&table).await;
    kept(host.network(), async {
        for command in [
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
            damage(host, &table, &sandbox, command).await;
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
            let overlays = host.network().overlays();
            let repairs = async || overlays.inspect(table.info.id).await.unwrap().unwrap().repairs.count;
            let before = repairs().await;
            run(place, &command).await;
            until_same(&command, "true", async || (repairs().await > before).to_string()).await;
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
