//! Isolation end to end: what a container does not reach, and the ways that are opened for it.

use anyhow::{Result, ensure};
use std::{
    io::{Read, Write},
    net::TcpListener,
    thread,
};
use tests::cluster::{Container, SOON, TestCluster};

const PORT: u16 = 7000;

fn start(managers: u8, workers: u8) -> Result<TestCluster> {
    let cluster = TestCluster::start(managers, workers)?;
    cluster.load_busybox()?;
    cluster.load_example("1")?;
    Ok(cluster)
}

/// Has a node answer to HTTP with its name at every address of its own.
fn serve(cluster: &TestCluster, node: &'static str) -> Result<()> {
    let bind = move || TcpListener::bind(("::", PORT));
    let listener = cluster.on(cluster.node(node).exec_in_netns(bind))??;
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Whoever does not ask gets no answer either.
            let _ = stream.read(&mut [0; 1024]);
            let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{node}");
        }
    });
    Ok(())
}

/// The addresses of a node with the port, IPv4 first.
fn urls(cluster: &TestCluster, node: &str) -> [String; 2] {
    let node = cluster.node(node);
    [format!("http://{}:{PORT}/", node.addr()), format!("http://[{}]:{PORT}/", node.addr_v6())]
}

fn run(cluster: &TestCluster, name: &str, args: &[&str]) -> Result<Container> {
    let on_w1 = ["service", "create", "-q", "--name", name, "--constraint", "node.hostname==w1"];
    cluster.shoal(&[&on_w1[..], args].concat())?;
    cluster.container(name)
}

/// Whether a container reaches a server that answers those who do at once.
fn reaches(container: &Container, url: &str) -> bool {
    container.sh(&format!("curl --globoff --silent --fail --max-time 1 '{url}'")).is_ok()
}

/// All of a container's addresses but the loopback's, as they are written in a URL.
fn addresses(container: &Container) -> Result<Vec<String>> {
    let listed = container.sh("ip -o address show scope global")?;
    let words = listed.lines().filter_map(|line| line.split_whitespace().nth(3)?.split('/').next());
    Ok(words.map(|it| if it.contains(':') { format!("[{it}]") } else { it.to_owned() }).collect())
}

#[test]
fn a_container_reaches_its_node_only_if_its_service_asks_for_it() -> Result<()> {
    let cluster = start(1, 1)?;
    cluster.shoal(&["network", "create", "--ipv6", "front"])?;
    serve(&cluster, "w1")?;
    let host = ["--host", "host.docker.internal:host-gateway", "test:1"];
    let plain = run(&cluster, "plain", &["test:1"])?;
    let named = run(&cluster, "named", &["--network", "front", "test:1"])?;
    let allowed = run(&cluster, "allowed", &host)?;
    let allowed_too = run(&cluster, "allowed-too", &[&["--network", "front"][..], &host].concat())?;

    let by_name = format!("http://host.docker.internal:{PORT}/");
    for container in [&allowed, &allowed_too] {
        for family in ["-4", "-6"] {
            let answer = container.sh(&format!("curl {family} --silent --fail --max-time 5 {by_name}"))?;
            ensure!(answer == "w1", "{answer}");
        }
    }
    let gateways = allowed.resolve("host.docker.internal")?;
    ensure!(gateways.len() == 2, "{gateways:?}");
    let gateways = gateways.iter().map(|it| if it.contains(':') { format!("[{it}]") } else { it.clone() });
    let gateways: Vec<String> = gateways.map(|it| format!("http://{it}:{PORT}/")).collect();
    for container in [&plain, &named] {
        for url in urls(&cluster, "w1").iter().chain(&gateways) {
            ensure!(!reaches(container, url), "{url} is reached");
        }
    }
    for url in urls(&cluster, "w1") {
        ensure!(!reaches(&allowed, &url), "{url} is reached");
    }

    cluster.shoal(&["service", "update", "-q", "--host-rm", "host.docker.internal", "allowed"])?;
    let updated = cluster.container("allowed")?;
    ensure!(updated.resolve("host.docker.internal").is_err());
    ensure!(gateways.iter().all(|url| !reaches(&updated, url)), "the node is still reached");
    cluster.finish()
}

#[test]
fn networks_of_one_node_are_apart_whatever_address_is_guessed() -> Result<()> {
    let cluster = start(1, 1)?;
    for network in ["front", "back"] {
        cluster.shoal(&["network", "create", "--ipv6", network])?;
    }
    let front = run(&cluster, "front", &["--network", "front", "example:1"])?;
    let back = run(&cluster, "back", &["--network", "back", "example:1"])?;
    let both = run(&cluster, "both", &["--network", "front", "--network", "back", "test:1"])?;
    let found = addresses(&back)?;
    ensure!(found.len() == 4, "the node's network and its own, two families: {found:?}");
    for address in &found {
        ensure!(!reaches(&front, &format!("http://{address}:8080/")), "{address} is reached");
    }
    let forwards = both.sh("cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding")?;
    ensure!(forwards == "0\n0", "a container is a router: {forwards}");
    ensure!(both.http("http://back:8080/")?.starts_with("shoal example 1"));
    ensure!(both.http("http://front:8080/")?.starts_with("shoal example 1"));
    cluster.finish()
}

#[test]
fn an_internal_network_has_no_way_out_and_another_one_beside_it_has_its_own() -> Result<()> {
    let cluster = start(1, 1)?;
    cluster.shoal(&["network", "create", "--ipv6", "--internal", "lab"])?;
    cluster.shoal(&["network", "create", "--ipv6", "front"])?;
    serve(&cluster, "m1")?;
    serve(&cluster, "w1")?;
    let inner = run(&cluster, "inner", &["--network", "lab", "example:1"])?;
    let two = run(&cluster, "two", &["--network", "lab", "--network", "front", "test:1"])?;
    let front = run(&cluster, "front", &["--network", "front", "example:1"])?;

    ensure!(inner.sh("ip route show default; ip -6 route show default")?.is_empty());
    let mut outside: Vec<String> = urls(&cluster, "m1").into_iter().chain(urls(&cluster, "w1")).collect();
    outside.extend(addresses(&front)?.into_iter().map(|address| format!("http://{address}:8080/")));
    // Root in a container without CAP_NET_ADMIN has no routes to make; somebody else's root has.
    for gateway in addresses(&two)? {
        let family = if gateway.contains(':') { "-6" } else { "-4" };
        let gateway = gateway.trim_matches(['[', ']']);
        let led = inner.sh(&format!("ip {family} route replace default via {gateway} dev eth0 onlink"));
        for url in outside.iter().filter(|url| url.contains('[') == (family == "-6")) {
            ensure!(!reaches(&inner, url), "{url} is reached by {gateway} ({led:?})");
        }
    }
    ensure!(inner.sh("getent ahosts example.org").is_err(), "a foreign name is asked for");
    ensure!(inner.resolve("front").is_err(), "a name of another network is known");
    for url in urls(&cluster, "m1") {
        ensure!(two.http(&url)? == "m1");
    }
    ensure!(two.http("http://inner:8080/")?.starts_with("shoal example 1"));

    let refused =
        cluster.refused(&["service", "create", "--network", "lab", "--host", "h:host-gateway", "test:1"])?;
    ensure!(refused.contains("neither internal nor"), "{refused}");
    cluster.finish()
}

#[test]
fn ports_published_on_every_node_are_reached_by_containers_too() -> Result<()> {
    let cluster = start(1, 1)?;
    let web = run(&cluster, "web", &["--publish", "8080:8080", "example:1"])?;
    let other = run(&cluster, "other", &["test:1"])?;
    for (from, container) in [("web", &web), ("other", &other)] {
        for node in ["w1", "m1"] {
            let node = cluster.node(node);
            for url in [format!("http://{}:8080/", node.addr()), format!("http://[{}]:8080/", node.addr_v6())]
            {
                let answers = || Ok(container.http(&url).is_ok());
                cluster.wait_until(&format!("{from} reaches {url}"), SOON, answers)?;
            }
        }
    }
    cluster.finish()
}
