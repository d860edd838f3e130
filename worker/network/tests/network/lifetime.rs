//! What is left behind: nothing.

use std::net::SocketAddr;
use std::path::Path;

use worker_network::{Network, NetworkError, Outcome, Protocol, preflight};

use crate::sockets::{assert_refused, listen, seen_over_tcp};
use crate::world::{HOST_IPV4, HOST_IPV6, World, inside, ip, port, read_sysctl, run};

#[tokio::test(flavor = "multi_thread")]
async fn detaching_leaves_nothing_of_a_task() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let before = run(network.sandbox(), "nft list ruleset").await;
    let before_host = run(network.host(), "nft list ruleset").await;
    let web = network.attach("web").await.unwrap();
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    for _ in 0..2 {
        network.detach("web").await.unwrap();
        assert!(!web.netns.exists());
        assert_eq!(network.attachment("web"), None);
        let links = ip(network.sandbox(), "-o link show").await;
        assert!(!links.contains("cweb"), "{links}");
        assert_eq!(run(network.sandbox(), "nft list ruleset").await, before);
        assert_eq!(run(network.host(), "nft list ruleset").await, before_host);
        assert_refused(&world.peer, SocketAddr::new(HOST_IPV4, 8080)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_can_be_attached_again_after_it_was_detached() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let first = network.attach("web").await.unwrap();
    network.detach("web").await.unwrap();
    let second = network.attach("web").await.unwrap();
    assert_ne!(first.ipv4(), second.ipv4(), "a released address rests");
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    let tcp = listen(&inside(&second), 80).await;
    seen_over_tcp(&world.peer, SocketAddr::new(HOST_IPV4, 8080), &tcp).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_containers_are_attached_at_the_same_time() {
    let world = World::new().await;
    let network = world.open("node1").await;
    let tasks: Vec<String> = (0..16).map(|number| format!("task{number}")).collect();
    let attached = futures::future::join_all(tasks.iter().map(|task| network.attach(task))).await;
    let mut addresses: Vec<_> = attached.into_iter().map(|attachment| attachment.unwrap().ipv4()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), 16);
    let detached = futures::future::join_all(tasks.iter().map(|task| network.detach(task))).await;
    assert!(detached.iter().all(Result::is_ok));
}

#[tokio::test(flavor = "multi_thread")]
async fn destroying_after_a_crash_leaves_nothing_in_the_host() {
    let world = World::new().await;
    let routes_before = ip(&world.host, "route show table all").await;
    let network = world.open("node1").await;
    let web = network.attach("web").await.unwrap();
    network.publish("web", &[port(Protocol::Tcp, 8080, 80)]).await.unwrap();
    drop(network);
    for _ in 0..2 {
        Network::destroy(&world.config("node1")).await.unwrap();
        assert_eq!(run(&world.host, "nft list ruleset").await, "");
        let links = ip(&world.host, "-o link show").await;
        assert_eq!(links.lines().count(), 2, "lo and wan0 only: {links}");
        assert_eq!(ip(&world.host, "route show table all").await, routes_before);
        assert!(!web.netns.exists());
        assert!(!world.config("node1").run_dir.join("netns").exists());
        assert_eq!(read_sysctl(&world.host, "ipv4/ip_forward").await, "0");
        assert_eq!(read_sysctl(&world.host, "ipv6/conf/all/forwarding").await, "0");
        assert_refused(&world.peer, SocketAddr::new(HOST_IPV6, 8080)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_nft_program_is_named() {
    let world = World::new().await;
    let mut config = world.config("node1");
    config.nft = "/nowhere/nft".into();
    let error = Network::open(config.clone(), Vec::new()).await.unwrap_err();
    assert!(matches!(error, NetworkError::Nft(_)), "{error:?}");
    assert_eq!(error.to_string(), "cannot run /nowhere/nft: install the package nftables");
    let checks = preflight(&config.nft).await;
    let nft = checks.iter().find(|check| check.name == "nft").unwrap();
    assert!(nft.is_missing());
}

#[tokio::test(flavor = "multi_thread")]
async fn preflight_finds_everything_these_tests_need() {
    let checks = preflight(Path::new("nft")).await;
    let missing: Vec<_> = checks.iter().filter(|check| check.is_missing()).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let nft = checks.iter().find(|check| check.name == "nft").unwrap();
    assert!(matches!(&nft.outcome, Outcome::Works(version) if version.starts_with("nftables v")), "{nft:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_without_nat_is_named_with_the_option_to_enable() {
    let world = World::new().await;
    let mut config = world.config("node1");
    config.nft =
        world.script("nft", "! grep -q 'type nat' || { echo 'No such file or directory' >&2; exit 1; }");
    let error = Network::open(config, Vec::new()).await.unwrap_err();
    assert!(matches!(error, NetworkError::KernelLacks { .. }), "{error:?}");
    assert!(error.to_string().contains("nf_tables nat is missing; enable CONFIG_NF_NAT"), "{error}");
}
