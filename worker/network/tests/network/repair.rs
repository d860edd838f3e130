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

/// What a namespace that forwards holds.
const LISTS: [&str; 10] = [
    "ip -o link show",
    "ip -br address show",
    "ip -4 route show table all",
    "ip -6 route show table all",
    "ip -4 rule show",
    "ip -6 rule show",
    "ip neighbour show nud permanent",
    "bridge fdb show",
    "sysctl -ar net.ipv[46].conf.(all|default|sh.*|up0|vx0|c.*).(forwarding|rp_filter|disable_ipv6)$",
    "nft list ruleset",
];

/// What namespaces hold, without what differs each time a link is made.
async fn dump(namespaces: &[&Namespace]) -> String {
    let mut dump = String::new();
    for namespace in namespaces {
        for command in LISTS {
            let text = run(namespace, command).await;
            let mut lines: Vec<_> =
                text.lines().map(without_numbers).filter(|line| !line.is_empty()).collect();
            lines.sort_unstable();
            dump.push_str(&format!("== {command}\n{}\n", lines.join("\n")));
        }
    }
    dump
}

/// A line without hardware addresses of single links, their numbers, and what comes with each link.
fn without_numbers(line: &str) -> String {
    if ["ff00::/8", "fe80::", "33:33:", "01:00:5e:", "dev theirs0"].iter().any(|part| line.contains(part)) {
        return String::new();
    }
    let is_random =
        |word: &str| word.len() == 17 && word.matches(':').count() == 5 && !word.starts_with("02:73");
    let is_index = |word: &str| word.strip_suffix(':').is_some_and(|word| word.parse::<u32>().is_ok());
    let words = line.split_whitespace().filter(|word| !is_random(word) && !is_index(word));
    words.map(|word| word.split("@if").next().unwrap_or(word)).collect::<Vec<_>>().join(" ")
}

/// Runs commands, separated by `&&`, and waits until namespaces hold what they held.
pub async fn damage(namespaces: &[&Namespace], place: &Namespace, commands: &str) {
    let before = dump(namespaces).await;
    for command in commands.split(" && ") {
        run(place, command).await;
    }
    until_same(commands, &before, || dump(namespaces)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_from_the_nodes_own_network_is_back_soon() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let attachment = network.attach("web").await.unwrap();
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let web = inside(&attachment);
    let own = attachment.ipv4().unwrap();
    let both = [network.host(), network.sandbox()];
    for place in both {
        run(place, "ip link add theirs0 type bridge").await;
    }
    kept(&network, async {
        for command in [
            "ip link set shnode1u group 0",
            "ip link set shnode1u mtu 600",
            "ip link set shnode1u arp off",
            "ip link set shnode1u master theirs0",
            "sysctl -qw net.ipv4.ip_forward=0",
            "sysctl -qw net.ipv6.conf.all.forwarding=0",
            "nft add table inet shoal-node1 { flags dormant; }",
            "ip link delete shnode1u",
            "ip link set shnode1u down",
            "ip address flush dev shnode1u scope global",
            "nft delete table inet shoal-node1",
            "nft delete element inet shoal-node1 published { tcp . 8080 }",
            "nft flush chain inet shoal-node1 hand_over",
        ] {
            damage(&both, &world.host, command).await;
        }
        for command in [
            "ip link set cweb group 0",
            "ip link set cweb mtu 700",
            "ip link set up0 mtu 700",
            "ip link set cweb master theirs0",
            "ip link delete cweb && ip link add cweb type bridge && ip link set cweb up",
            "ip link set cweb down && ip link set cweb name other0 && ip link set other0 up",
            "ip rule flush",
            "ip -6 rule flush",
            "ip rule add from 172.30.0.0/16 lookup 77",
            "ip -6 rule add fwmark 1 lookup 77",
            "ip route add unreachable default metric 4000",
            "ip -6 route add unreachable default metric 4000",
            "ip route add blackhole 172.30.0.9/32",
            "ip route add 10.9.9.0/24 dev up0 proto 99",
            "ip -6 route add 2001:db8:9::/64 dev up0",
            "ip address add 172.30.0.99/32 dev lo",
            "sysctl -qw net.ipv4.ip_forward=0",
            "sysctl -qw net.ipv4.conf.all.rp_filter=1",
            "sysctl -qw net.ipv4.conf.cweb.forwarding=0",
            "sysctl -qw net.ipv6.conf.cweb.forwarding=0",
            "nft add table inet shoal-node1 { flags dormant; }",
            "ip link delete cweb",
            "ip link set cweb down",
            "ip link delete up0",
            "ip route delete default",
            "ip -6 route delete default",
            &format!("ip route delete {own}/32"),
            "ip address delete 172.30.0.1/32 dev lo",
            "nft flush ruleset",
        ] {
            damage(&both, network.sandbox(), command).await;
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
        damage(&[network.host(), network.sandbox()], network.sandbox(), "ip route delete default").await;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_look_tells_of_settings_that_nobody_is_told_of() {
    let world = World::new().await;
    let network = world.open("node1").await;
    for (place, command, said) in [
        (
            network.host(),
            "sysctl -qw net.ipv4.conf.shnode1u.route_localnet=0",
            "the setting net/ipv4/conf/shnode1u/route_localnet is 0 instead of 1",
        ),
        (
            network.sandbox(),
            "sysctl -qw net.ipv4.conf.default.accept_redirects=1",
            "the setting net/ipv4/conf/default/accept_redirects is 1 instead of 0",
        ),
    ] {
        run(place, command).await;
        let told = network.inspect().await.unwrap().differences;
        assert!(told.contains(&said.to_owned()), "{told:?}");
    }
    let repaired = async || network.inspect().await.unwrap().differences.join("; ");
    kept(&network, until_same("settings", "", repaired)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_changed_right_before_a_port_is_published_is_undone() {
    let world = World::new().await;
    let network = world.open("node1").await;
    network.attach("web").await.unwrap();
    let table = async |namespace| run(namespace, "nft list table inet shoal-node1").await;
    let port = [port(Protocol::Tcp, 8080, 80)];
    network.publish("web", &port).await.unwrap();
    let places = [network.host(), network.sandbox()];
    let before = [table(places[0]).await, table(places[1]).await];
    network.publish("web", &[]).await.unwrap();
    run(places[0], "nft flush chain inet shoal-node1 hand_over").await;
    run(places[1], "nft flush table inet shoal-node1").await;
    network.publish("web", &port).await.unwrap();
    assert_eq!([table(places[0]).await, table(places[1]).await], before);
    let inspection = network.inspect().await.unwrap();
    assert_eq!(inspection.differences, [""; 0]);
    assert_eq!(inspection.repairs.count, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_fails_is_tried_again_less_and_less_often_and_noted_once_it_is_done() {
    let world = World::new().await;
    let (tries, broken) = (world.file("tries", ""), world.file("broken", ""));
    let body = format!(
        "if [ -e {0} ]; then grep -q shoal-node1 && echo >> {1}; exit 1; fi\nexec nft \"$@\"",
        broken.display(),
        tries.display()
    );
    std::fs::remove_file(&broken).unwrap();
    let mut config = world.config("node1");
    config.nft = world.script("nft", &body);
    let network = Network::open(config, Vec::new()).await.unwrap().network;
    std::fs::write(&broken, "").unwrap();
    let count = async || std::fs::read(&tries).unwrap().len().min(2).to_string();
    let begun = Instant::now();
    kept(&network, async {
        // The first try puts the link back, which raises alarms, and fails with the rules.
        run(network.host(), "nft delete table inet shoal-node1").await;
        run(network.host(), "ip link set shnode1u down").await;
        until_same("two tries", "2", count).await;
        assert!(begun.elapsed().as_secs() >= 2, "{:?}", begun.elapsed());
        assert_eq!(network.inspect().await.unwrap().repairs.count, 0);
        std::fs::remove_file(&broken).unwrap();
        let repairs = async || network.inspect().await.unwrap().repairs.count.to_string();
        until_same("the repair", "1", repairs).await;
    })
    .await;
    assert_eq!(network.inspect().await.unwrap().differences, [""; 0]);
}
