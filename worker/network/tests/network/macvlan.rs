//! Networks on a link of the host: containers beside the host on its LAN.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use proto::model::{Ipv4Pool, Ipv6Pool, Macvlan, MacvlanMode, NetworkId, NetworkInfo, NetworkKind, TaskId};
use worker_network::{Interface, MacvlanError, Namespace, Network};

use crate::frames::{self, ARP, ICMPV6, IPV4, IPV6, Mac, TCP, UDP, arp, come_through, discovery, frame};
use crate::sockets::{DEADLINE, connect, listen, receive, seen_over_tcp, seen_over_udp};
use crate::world::{HOST_IPV4, HOST_IPV6, MTU, PEER_IPV4, PEER_IPV6, World, ip, read_sysctl, run};

/// The network that the host and its peer are in, as containers are to be.
fn lan(index: u128, parent: &str, mode: MacvlanMode) -> NetworkInfo {
    let subnet = "192.0.2.0/24".parse().unwrap();
    NetworkInfo {
        id: NetworkId::from_bits(index),
        name: format!("lan{index}").parse().unwrap(),
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: PEER_IPV4.to_string().parse().unwrap(), range: subnet },
        ipv6: Some(Ipv6Pool {
            subnet: "2001:db8:1::/64".parse().unwrap(),
            gateway: PEER_IPV6.to_string().parse().unwrap(),
        }),
        mtu: None,
        internal: false,
        ingress: false,
        kind: NetworkKind::Macvlan(Macvlan { parent: parent.parse().unwrap(), mode }),
    }
}

fn task(number: u32) -> TaskId {
    TaskId::from_bits(u128::from(number) << 80)
}

/// Starts a container whose only network this is, and returns its namespace and addresses.
async fn member(network: &Network, info: &NetworkInfo, number: u32) -> (Namespace, Vec<IpAddr>) {
    let attachment = network.none_but(&task(number).to_string(), true).await.unwrap();
    let joined = network.macvlans().join(task(number), info, number, Interface(0), true).await.unwrap();
    (Namespace::open(&attachment.netns).unwrap(), joined.into_iter().map(|held| held.address).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_are_on_the_hosts_link_with_addresses_of_their_own() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0", MacvlanMode::Bridge);
    network.macvlans().apply(&info).await.unwrap();
    let (one, own) = member(&network, &info, 20).await;
    let (two, others) = member(&network, &info, 21).await;
    assert_eq!(own, ["192.0.2.20", "2001:db8:1::14"].map(|text| text.parse::<IpAddr>().unwrap()));
    let (outside, inside) = (listen(&world.peer, 7000).await, listen(&two, 80).await);
    let udp = receive(&world.peer, 7000).await;
    for ((peer, own), other) in [PEER_IPV4, PEER_IPV6].into_iter().zip(&own).zip(&others) {
        assert_eq!(seen_over_tcp(&one, SocketAddr::new(peer, 7000), &outside).await, *own);
        assert_eq!(seen_over_udp(&one, SocketAddr::new(peer, 7000), &udp).await, *own);
        assert_eq!(seen_over_tcp(&one, SocketAddr::new(*other, 80), &inside).await, *own);
        seen_over_tcp(&world.peer, SocketAddr::new(*other, 80), &inside).await;
    }
    let link = ip(&one, "-o link show eth0").await;
    assert!(link.contains(&format!("mtu {MTU} ")) && link.contains("02:73:c0:00:02:14"), "{link}");
    for family in ["-4", "-6"] {
        let way_out = ip(&one, &format!("{family} route show default")).await;
        assert!(way_out.contains("dev eth0"), "{way_out}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_itself_is_not_reached_on_its_own_link() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0", MacvlanMode::Bridge);
    let (one, _) = member(&network, &info, 20).await;
    let service = listen(&world.host, 7000).await;
    for host in [HOST_IPV4, HOST_IPV6] {
        assert!(connect(&one, SocketAddr::new(host, 7000)).await.is_err(), "{host}");
    }
    assert!(service.accept().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_link_keeps_containers_of_a_host_apart() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0", MacvlanMode::Private);
    let (one, _) = member(&network, &info, 20).await;
    let (two, others) = member(&network, &info, 21).await;
    let (outside, _inside) = (listen(&world.peer, 7000).await, listen(&two, 80).await);
    seen_over_tcp(&one, SocketAddr::new(PEER_IPV4, 7000), &outside).await;
    assert!(connect(&one, SocketAddr::new(others[0], 80)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_only_one_may_have_is_refused_to_the_second_until_the_first_has_left() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0", MacvlanMode::Passthru);
    let (_one, _) = member(&network, &info, 20).await;
    let second = task(21);
    network.none(&second.to_string()).await.unwrap();
    let refused = network.macvlans().join(second, &info, 21, Interface(0), true).await.unwrap_err();
    assert!(matches!(refused, MacvlanError::ParentBusy { .. }), "{refused}");
    assert!(refused.to_string().contains("one container only"), "{refused}");
    // What told of the network, as the node does before anything joins.
    network.macvlans().apply(&info).await.unwrap();
    network.detach(&task(20).to_string()).await.unwrap();
    network.macvlans().join(second, &info, 21, Interface(0), true).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn only_its_own_address_and_no_tunnels_packet_comes_from_a_container() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0", MacvlanMode::Bridge);
    let (one, own) = member(&network, &info, 20).await;
    ip(&one, "address add 192.0.2.77/24 dev eth0").await;
    ip(&one, "address add 2001:db8:1::77/64 dev eth0 nodad").await;
    let heard = receive(&world.peer, 7000).await;
    for (peer, own, forged) in [(PEER_IPV4, own[0], "192.0.2.77"), (PEER_IPV6, own[1], "2001:db8:1::77")] {
        let socket = async |address: IpAddr| {
            let at = SocketAddr::new(address, 0);
            one.run(move || UdpSocket::bind(at)).await.unwrap().unwrap()
        };
        let (truth, lie) = (socket(own).await, socket(forged.parse().unwrap()).await);
        // What is dropped on its way out may be told to the program.
        let _ = lie.send_to(b"lie", SocketAddr::new(peer, 7000));
        let _ = truth.send_to(b"frame", SocketAddr::new(peer, 4789));
        truth.send_to(b"truth", SocketAddr::new(peer, 7000)).unwrap();
        let (_, from) = heard.recv_from(&mut [0; 8]).unwrap();
        assert_eq!(from.ip().to_canonical(), own);
    }
    let tunnels = receive(&world.peer, 4789).await;
    let socket = one.run(|| UdpSocket::bind("0.0.0.0:0")).await.unwrap().unwrap();
    let _ = socket.send_to(b"frame", SocketAddr::new(PEER_IPV4, 4789));
    socket.send_to(b"truth", SocketAddr::new(PEER_IPV4, 7000)).unwrap();
    heard.recv_from(&mut [0; 8]).unwrap();
    tunnels.set_nonblocking(true).unwrap();
    assert!(tunnels.recv_from(&mut [0; 8]).is_err());
    // Nobody is told that the address is here either.
    let asked = run(&world.peer, "ip neighbour show").await;
    assert!(!asked.contains("192.0.2.77 dev eth0 lladdr"), "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_that_the_hosts_link_does_not_take_are_not_promised() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let too_large = u16::try_from(MTU).unwrap() + 1;
    let info = NetworkInfo { mtu: Some(too_large), ..lan(1, "wan0", MacvlanMode::Bridge) };
    network.none_but(&task(20).to_string(), true).await.unwrap();
    let join =
        async |info: &NetworkInfo| network.macvlans().join(task(20), info, 20, Interface(0), true).await;
    let refused = join(&info).await.unwrap_err().to_string();
    assert!(
        refused.contains("packets of 1401 bytes, and this node's link wan0 takes 1400 only"),
        "{refused}"
    );
    join(&NetworkInfo { mtu: Some(1300), ..info.clone() }).await.unwrap();
    let namespace =
        Namespace::open(&world.config("node1").run_dir.join("netns").join(&task(20).to_string()[..12]));
    let link = ip(&namespace.unwrap(), "-o link show eth0").await;
    assert!(link.contains("mtu 1300 "), "{link}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_the_host_lacks_or_has_switched_off_is_named_with_what_to_do() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let said = async |parent: &str| {
        network.macvlans().apply(&lan(1, parent, MacvlanMode::Bridge)).await.unwrap_err().to_string()
    };
    assert!(said("lan7").await.starts_with("this node has no link lan7: make it, or"));
    assert!(said("lan7.5").await.starts_with("this node has no link lan7: "));
    let found = async |parent: &str| {
        network.macvlans().inspect(&lan(1, parent, MacvlanMode::Bridge)).await.unwrap().differences
    };
    assert_eq!(found("lan7").await, ["the link lan7 is missing"]);
    assert_eq!(found("wan0").await, [""; 0]);
    ip(&world.host, "link set wan0 down").await;
    assert_eq!(found("wan0").await, ["the link wan0 is switched off"]);
    assert!(said("wan0").await.contains("`ip link set wan0 up`"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_containers_own_does_not_leave_it_by_a_raw_socket_either() {
    const OWN: Mac = [0x02, 0x73, 192, 0, 2, 20];
    const OTHER: Mac = [0x02, 0x73, 192, 0, 2, 9];
    let (own, link_local, other) = ("2001:db8:1::14", "fe80::73:c0ff:fe00:214", "fe80::73:c0ff:fe00:209");
    let world = World::new().await;
    let network = world.open("node1").await;
    let (one, _) = member(&network, &lan(1, "wan0", MacvlanMode::Bridge), 20).await;
    let ipv4 = |from: &str, ports: [u16; 2]| {
        frame(OWN, IPV4, &frames::ipv4(from, UDP, &frames::udp(ports[0], ports[1])))
    };
    let ipv6 = |from: &str, next: u8, payload: &[u8]| frame(OWN, IPV6, &frames::ipv6(from, next, payload));
    let icmpv6 = |from: &str, kind: u8, target: &str| ipv6(from, ICMPV6, &discovery(kind, target));
    let udp = |from: &str, ports: [u16; 2]| ipv6(from, UDP, &frames::udp(ports[0], ports[1]));
    let packet = frames::ipv4("192.0.2.20", UDP, &frames::udp(9, 9));
    // A header that begins in the second fragment, after the options of the first.
    let hidden = [&[60, 0, 0, 1, 0, 0, 0, 7][..], &[ICMPV6, 0, 1, 4, 0, 0, 0, 0]].concat();
    let forged = [
        ("another hardware address", frame(OTHER, IPV4, &packet)),
        ("another address by arp", frame(OWN, ARP, &arp(OWN, "192.0.2.9"))),
        ("another hardware address within arp", frame(OWN, ARP, &arp(OTHER, "192.0.2.20"))),
        ("another ipv4 source", ipv4("192.0.2.9", [9, 9])),
        ("a dhcp server's answer", ipv4("192.0.2.20", [67, 68])),
        ("a tunnel's packet", ipv4("192.0.2.20", [9, 4789])),
        ("a tunnel's packet over ipv6", udp(own, [9, 4789])),
        ("another ipv6 source", udp("2001:db8:1::9", [9, 9])),
        ("another link-local source", udp(other, [9, 9])),
        ("a dhcpv6 server's answer", udp(link_local, [547, 546])),
        ("a router's advertisement", icmpv6(link_local, 134, "::")),
        ("a redirection", icmpv6(link_local, 137, "2001:db8:1::9")),
        ("an advertisement of another link-local address", icmpv6(link_local, 136, other)),
        ("an advertisement of another address", icmpv6(own, 136, "2001:db8:1::9")),
        ("a claim of another address", icmpv6("::", 135, other)),
        ("no source", udp("::", [9, 9])),
        ("a header out of sight", ipv6(link_local, 44, &hidden)),
        ("a vlan's tag", frame(OWN, 0x8100, &[&[0, 5, 8, 0][..], &packet].concat())),
        ("a switch's frame", frame(OWN, 0x88cc, &[0; 46])),
        ("a bridge's frame", frame(OWN, 50, &[0x42; 46])),
    ];
    let true_ones = [
        ("arp", frame(OWN, ARP, &arp(OWN, "192.0.2.20"))),
        ("ipv4", frame(OWN, IPV4, &packet)),
        ("ipv6", udp(own, [9, 9])),
        ("tcp over ipv6", ipv6(own, TCP, &[0; 20])),
        ("link-local", udp(link_local, [9, 9])),
        ("an advertisement of its link-local address", icmpv6(link_local, 136, link_local)),
        ("an advertisement of its address", icmpv6(own, 136, own)),
        ("a claim of its address", icmpv6("::", 135, own)),
        ("a question for another", icmpv6(own, 135, "2001:db8:1::9")),
        ("an echo", icmpv6(own, 128, "::")),
        ("a later fragment", ipv6(own, 44, &[ICMPV6, 0, 0, 8, 0, 0, 0, 7])),
    ];
    let (from, mut to) = (frames::link(&one, "eth0").await, frames::link(&world.peer, "eth0").await);
    let (names, all): (Vec<_>, Vec<_>) = forged.into_iter().chain(true_ones.clone()).unzip();
    let came: Vec<_> = come_through(&all, &from, &mut to).into_iter().map(|index| names[index]).collect();
    assert_eq!(came, true_ones.map(|(name, _)| name));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ipv6_address_that_somebody_on_the_link_has_is_given_up() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0", MacvlanMode::Bridge);
    ip(&world.peer, "address add 2001:db8:1::14/64 dev eth0 nodad").await;
    let (one, _) = member(&network, &info, 20).await;
    let end = std::time::Instant::now() + DEADLINE;
    while !ip(&one, "-6 address show dev eth0").await.contains("dadfailed") {
        assert!(std::time::Instant::now() < end, "{}", ip(&one, "-6 address show dev eth0").await);
        tokio::task::yield_now().await;
    }
}

/// A link as a daemon leaves it that ends between adding a VLAN and saying whose it is; its far end is the peer's.
async fn half_made_vlan(world: &World) {
    let to = world.peer.path().display();
    let group = worker_core::macvlan::VLAN_GROUP;
    let add = format!("link add wan0.5 group {group} type veth peer name vlan5 netns {to}");
    ip(&world.host, &add).await;
    ip(&world.peer, "link set vlan5 up").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_half_made_vlan_is_completed_and_goes_with_its_network() {
    let world = World::new().await;
    half_made_vlan(&world).await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0.5", MacvlanMode::Bridge);
    network.macvlans().apply(&info).await.unwrap();
    let (container, own) = member(&network, &info, 20).await;
    ip(&world.peer, "address flush dev eth0").await;
    ip(&world.peer, "address add 192.0.2.9/24 dev vlan5").await;
    let tcp = listen(&world.peer, 7000).await;
    assert_eq!(seen_over_tcp(&container, SocketAddr::new(PEER_IPV4, 7000), &tcp).await, own[0]);
    drop(network);
    let network = world.open("node1").await;
    assert_eq!(network.macvlans().list(), [info.id]);
    network.macvlans().remove(info.id).await.unwrap();
    assert!(!ip(&world.host, "-o link show").await.contains("wan0.5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_itself_is_not_on_the_vlan_of_its_containers() {
    let world = World::new().await;
    half_made_vlan(&world).await;
    let network = world.open("node1").await;
    network.macvlans().apply(&lan(1, "wan0.5", MacvlanMode::Bridge)).await.unwrap();
    let addresses = ip(&world.host, "-o address show dev wan0.5").await;
    assert_eq!(addresses, "");
    for (key, value) in [
        ("ipv6/conf/wan0.5/disable_ipv6", "1"),
        ("ipv6/conf/wan0.5/accept_ra", "0"),
        ("ipv6/conf/default/accept_ra", "1"),
    ] {
        assert_eq!(read_sysctl(&world.host, key).await, value, "{key}");
    }
    // Nor does it listen to who knows its hardware address all the same.
    let service = receive(&world.host, 7000).await;
    ip(&world.peer, "address flush dev eth0").await;
    ip(&world.peer, "address add 192.0.2.7/24 dev vlan5").await;
    let asked = connect_or_not(&world, HOST_IPV4).await;
    assert!(!asked.contains("lladdr"), "{asked}");
    let link = ip(&world.host, "-o link show wan0.5").await;
    let mac = link.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    ip(&world.peer, &format!("neighbour replace {HOST_IPV4} lladdr {mac} dev vlan5 nud permanent")).await;
    let lie = world.peer.run(|| UdpSocket::bind("192.0.2.7:0")).await.unwrap().unwrap();
    lie.send_to(b"lie", SocketAddr::new(HOST_IPV4, 7000)).unwrap();
    ip(&world.peer, "address flush dev vlan5").await;
    ip(&world.peer, &format!("address add {PEER_IPV4}/24 dev eth0")).await;
    let truth = world.peer.run(|| UdpSocket::bind("0.0.0.0:0")).await.unwrap().unwrap();
    truth.send_to(b"truth", SocketAddr::new(HOST_IPV4, 7000)).unwrap();
    let (_, from) = service.recv_from(&mut [0; 8]).unwrap();
    assert_eq!(from.ip().to_canonical(), PEER_IPV4);
}

/// Tries to reach an address from the peer, and returns what that one then knows of its neighbours.
async fn connect_or_not(world: &World, to: IpAddr) -> String {
    let _ = connect(&world.peer, SocketAddr::new(to, 7001)).await;
    ip(&world.peer, &format!("neighbour show {to} dev vlan5")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vlan_is_made_when_asked_for_and_goes_with_its_network() {
    let world = World::new().await;
    let network = world.open("node1").await;
    // The first is on its way out while the second is told of.
    let (one, two) = (lan(1, "wan0.5", MacvlanMode::Bridge), lan(2, "wan0.5", MacvlanMode::Bridge));
    if let Err(error) = network.macvlans().apply(&one).await {
        // Not every kernel has them; the network says what it takes then.
        let lacks = std::error::Error::source(&error).unwrap().to_string();
        assert!(lacks.contains("CONFIG_VLAN_8021Q"), "{error}: {lacks}");
        assert!(ip(&world.host, "-o link show").await.lines().all(|link| !link.contains("wan0.5")));
        return;
    }
    network.macvlans().apply(&two).await.unwrap();
    let (container, own) = member(&network, &two, 20).await;
    // The peer's end of the VLAN.
    ip(&world.peer, "link add link eth0 name eth0.5 type vlan id 5").await;
    ip(&world.peer, "address flush dev eth0").await;
    ip(&world.peer, "address add 192.0.2.9/24 dev eth0.5").await;
    ip(&world.peer, "link set eth0.5 up").await;
    let tcp = listen(&world.peer, 7000).await;
    assert_eq!(seen_over_tcp(&container, SocketAddr::new(PEER_IPV4, 7000), &tcp).await, own[0]);
    drop(network);
    let network = world.open("node1").await;
    assert_eq!(network.macvlans().list(), [two.id]);
    network.macvlans().remove(one.id).await.unwrap();
    assert!(ip(&world.host, "-o link show").await.contains("wan0.5"));
    network.macvlans().remove(two.id).await.unwrap();
    assert!(!ip(&world.host, "-o link show").await.contains("wan0.5"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_free_as_soon_as_its_container_is_detached() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let info = lan(1, "wan0", MacvlanMode::Bridge);
    network.macvlans().apply(&info).await.unwrap();
    let (one, own) = member(&network, &info, 20).await;
    let _tcp = listen(&one, 80).await;
    network.detach(&task(20).to_string()).await.unwrap();
    // Its namespace lives on as long as somebody is in it.
    assert!(!ip(&one, "-o link show").await.contains("eth0"));
    assert!(connect(&world.peer, SocketAddr::new(own[0], 80)).await.is_err());
}
