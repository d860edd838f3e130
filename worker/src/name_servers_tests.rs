//! Name servers that can't be opened at first, and names that change. Needs root.

use super::*;
use proto::model::{Id, Ipv4Pool, NetworkInfo, NetworkService, NetworkUpdate};
use std::{net::UdpSocket, os::fd::AsRawFd, process::Command};
use worker_core::tables::Told;

/// A container that is in the network that [`front`] tells of.
async fn container() -> (Namespace, Client) {
    let namespace = Namespace::temporary().await.unwrap();
    let up = || Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(namespace.run(up).await.unwrap().success());
    // Its own path is that of whoever asks.
    let netns = format!("/proc/self/fd/{}", namespace.as_fd().as_raw_fd()).into();
    let (task, networks) = (TaskId::from_bits(1), vec![Id::from_bits(1)]);
    (namespace, Client { task, netns, networks, has_way_out: false, servers: Vec::new(), running: None })
}

/// The network `front` with `web` at this number.
fn front(number: u32) -> Told {
    let subnet = "10.5.0.0/24".parse().unwrap();
    let info = NetworkInfo {
        id: Id::from_bits(1),
        name: "front".parse().unwrap(),
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: "10.5.0.1".parse().unwrap(), range: subnet },
        ipv6: None,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    };
    let web = NetworkService {
        id: Id::from_bits(1),
        name: "web".parse().unwrap(),
        aliases: Default::default(),
        vip: Some(number),
        ports: Vec::new(),
        endpoints: Default::default(),
        by_hand: Default::default(),
    };
    let update = NetworkUpdate {
        full: true,
        info,
        put_peers: Vec::new(),
        remove_peers: Vec::new(),
        put_services: vec![web],
        remove_services: Vec::new(),
    };
    Told { full: true, updates: vec![update], remove: Vec::new() }
}

/// The last byte of the address that `web` has for a container, if it is told one soon.
async fn web_in(namespace: &Namespace) -> Option<u8> {
    let ask = || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        socket.connect("127.0.0.11:53").unwrap();
        let query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03web\0\0\x01\0\x01";
        socket.send(query).ok()?;
        let mut answer = [0; 512];
        let length = socket.recv(&mut answer).ok()?;
        (length > query.len()).then(|| answer[length - 1])
    };
    namespace.run(ask).await.unwrap()
}

async fn until_web_is(namespace: &Namespace, expected: u8) {
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while web_in(namespace).await != Some(expected) {
        assert!(std::time::Instant::now() < deadline, "`web` does not become {expected}");
    }
}

#[tokio::test]
async fn a_server_that_could_not_be_opened_is_opened_later_unless_its_container_has_ended() {
    let dir = tempfile::tempdir().unwrap();
    let nft = dir.path().join("nft");
    let servers = NameServers::new(&nft, &dir.path().join("resolv.conf"));
    let networks = Networks::default();
    networks.take(front(7)).unwrap();
    let (namespace, client) = container().await;
    let (ended, other) = container().await;
    let other = Client { task: TaskId::from_bits(2), ..other };
    servers.reopen(client, &networks).await;
    servers.reopen(other.clone(), &networks).await;
    assert_eq!((web_in(&namespace).await, servers.lock().waiting.len()), (None, 2));
    servers.close(other.task).await;
    // The program is installed.
    std::fs::write(&nft, "#!/bin/sh\nexec nft \"$@\"\n").unwrap();
    Command::new("chmod").arg("+x").arg(&nft).status().unwrap();
    tokio::select! {
        () = until_web_is(&namespace, 7) => {}
        () = servers.retry(&networks) => unreachable!("it goes on for ever"),
    }
    assert_eq!(web_in(&ended).await, None);
    assert!(servers.lock().waiting.is_empty());
    servers.close(TaskId::from_bits(1)).await;
}

#[tokio::test]
async fn names_that_change_are_handed_on() {
    let dir = tempfile::tempdir().unwrap();
    let servers = NameServers::new(Path::new("nft"), &dir.path().join("resolv.conf"));
    let networks = Networks::default();
    let (namespace, client) = container().await;
    servers.open(client.clone(), &networks).await.unwrap();
    assert_eq!(web_in(&namespace).await, None, "it was not told yet");
    for number in [7, 8] {
        networks.take(front(number)).unwrap();
        tokio::select! {
            () = until_web_is(&namespace, number as u8) => {}
            () = servers.follow(&networks) => unreachable!("it goes on for ever"),
        }
    }
    servers.close(client.task).await;
}
