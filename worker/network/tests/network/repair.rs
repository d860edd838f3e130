//! What other programs take away or change behind a daemon's back, and what is theirs.

use std::future::{Future, pending};
use std::net::SocketAddr;
use std::time::Instant;

use worker_network::{Namespace, Network, Protocol};

use crate::sockets::{DEADLINE, listen, seen_over_tcp};
use crate::world::{HOST_IPV4, PEER_IPV4, World, adopted, inside, ip, port, run};

/// Does something while a daemon looks after its network.
pub async fn kept<T>(network: &Network, work: impl Future<Output = T>) -> T {
    tokio::select! {
        done = work => done,
        () = network.keep(pending()) => panic!("nobody stopped it"),
    }
}

/// Waits until something has become what it was.
pub async fn until_same<F: Future<Output = String>>(what: &str, before: &str, now: impl Fn() -> F) {
    let end = Instant::now() + DEADLINE;
    loop {
        let found = now().await;
        if found == before {
            return;
        }
        assert!(Instant::now() < end, "after {what}:\n{found}\ninstead of\n{before}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// What two namespaces hold, without what differs each time a link is made.
async fn dump(network: &Network) -> String {
    let mut dump = String::new();
    for namespace in [network.host(), network.sandbox()] {
        for command in [
            "ip -br link show",
            "ip -br address show",
            "ip -4 route show table all",
            "ip -6 route show table all",
            "nft list ruleset",
        ] {
            let text = run(namespace, command).await;
            let mut lines: Vec<_> = text.lines().map(without_numbers).collect();
            lines.sort_unstable();
            dump.push_str(&format!("== {command}\n{}\n", lines.join("\n")));
        }
    }
    dump
}

/// A line without hardware addresses of single links, their numbers, and what comes with each link.
pub fn without_numbers(line: &str) -> String {
    if ["ff00::/8", "fe80::", "33:33:", "01:00:5e:"].iter().any(|part| line.contains(part)) {
        return String::new();
    }
    let is_random =
        |word: &str| word.len() == 17 && word.matches(':').count() == 5 && !word.starts_with("02:73");
    let words = line.split_whitespace().filter(|word| !is_random(word));
    words.map(|word| word.split("@if").next().unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

async fn damage(network: &Network, place: &Namespace, command: &str) {
    let before = dump(network).await;
    run(place, command).await;
    until_same(command, &before, || dump(network)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_the_nodes_own_network_is_back_soon() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let attachment = network.attach("web").await.unwrap();
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let web = inside(&attachment);
    let own = attachment.ipv4().unwrap();
    kept(&network, async {
        for command in [
            "ip link delete shnode1u",
            "ip link set shnode1u down",
            "ip address flush dev shnode1u scope global",
            "nft delete table inet shoal-node1",
            "nft delete element inet shoal-node1 published { tcp . 8080 }",
            "nft flush chain inet shoal-node1 hand_over",
        ] {
            damage(&network, &world.host, command).await;
        }
        for command in [
            "ip link delete cweb",
            "ip link set cweb down",
            "ip link delete up0",
            "ip route delete default",
            "ip -6 route delete default",
            &format!("ip route delete {own}/32"),
            "ip address delete 172.30.0.1/32 dev lo",
            "nft flush ruleset",
        ] {
            damage(&network, network.sandbox(), command).await;
        }
    })
    .await;
    let (tcp, outside) = (listen(&web, 80).await, listen(&world.peer, 7000).await);
    assert_eq!(seen_over_tcp(&world.peer, SocketAddr::new(HOST_IPV4, 8080), &tcp).await, PEER_IPV4);
    assert_eq!(seen_over_tcp(&web, SocketAddr::new(PEER_IPV4, 7000), &outside).await, HOST_IPV4);
    let inspection = network.inspect().await.unwrap();
    assert_eq!(inspection.differences, [""; 0]);
    assert!(inspection.repairs.count > 0 && inspection.repairs.last.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_ours_is_left_alone_and_no_reason_to_change_ours() {
    let world = World::new().await;
    let network = world.open("node1").await;
    network.attach("web").await.unwrap();
    let handles = async || run(&world.host, "nft -a list table inet shoal-node1").await;
    let before = handles().await;
    kept(&network, async {
        for command in [
            "nft add table inet theirs",
            "nft add set inet theirs ports { type inet_service; }",
            "nft add element inet theirs ports { 80 }",
            "ip link add theirs0 type veth peer name theirs1",
            "ip route add 10.99.0.0/16 dev wan0",
            "ip rule add fwmark 7 lookup 77",
        ] {
            run(&world.host, command).await;
        }
        for command in [
            "ip link add theirs0 type veth peer name theirs1",
            "ip link set theirs0 up",
            "ip address add 10.98.0.1/24 dev theirs0",
            "nft add table inet theirs",
        ] {
            run(network.sandbox(), command).await;
        }
        // What is lost after them is repaired after they were seen.
        let path = dump(&network).await;
        run(network.sandbox(), "ip route delete default").await;
        until_same("the loss of a route", &path, || dump(&network)).await;
    })
    .await;
    assert_eq!(handles().await, before, "the handles would be others, had the table been loaded anew");
    for (namespace, command, found) in [
        (&world.host, "nft list ruleset", "table inet theirs"),
        (&world.host, "ip -br link show", "theirs0"),
        (&world.host, "ip route show", "10.99.0.0/16 dev wan0"),
        (&world.host, "ip rule show", "lookup 77"),
        (network.sandbox(), "ip -br address show", "10.98.0.1/24"),
        (network.sandbox(), "nft list ruleset", "table inet theirs"),
    ] {
        let text = run(namespace, command).await;
        assert!(text.contains(found), "{command}: {text}");
    }
    assert_eq!(network.inspect().await.unwrap().repairs.count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_that_lost_their_files_get_them_back() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let attachment = network.attach("web").await.unwrap();
    let files = [network.sandbox().path().to_owned(), attachment.netns.clone()];
    kept(&network, async {
        for file in &files {
            Namespace::remove(file).unwrap();
        }
        let bound = async || format!("{:?}", files.each_ref().map(|file| Namespace::is_bound(file).unwrap()));
        until_same("unbinding", "[true, true]", bound).await;
    })
    .await;
    let outside = listen(&world.peer, 7000).await;
    let web = inside(&attachment);
    assert_eq!(seen_over_tcp(&web, SocketAddr::new(PEER_IPV4, 7000), &outside).await, HOST_IPV4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_whose_namespace_lost_its_file_while_no_daemon_ran_is_known_by_its_process() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let attachment = network.attach("web").await.unwrap();
    let web = inside(&attachment);
    let mut process =
        web.run(|| std::process::Command::new("sleep").arg("1000").spawn().unwrap()).await.unwrap();
    drop(network);
    Namespace::remove(&attachment.netns).unwrap();
    let held = adopted(attachment.clone(), Vec::new());
    let pid = Some(process.id());
    let opened = world.reopen("node1", vec![worker_network::Adopted { pid, ..held }]).await;
    process.kill().unwrap();
    process.wait().unwrap();
    assert_eq!(opened.lost, [""; 0]);
    assert!(ip(&inside(&attachment), "-br link show").await.contains("eth0"));
}
