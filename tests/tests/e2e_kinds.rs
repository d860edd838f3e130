//! Kinds of networks end to end: on a link of the nodes, on each node for itself, and what every node has.

use anyhow::{Result, ensure};
use std::net::IpAddr;
use tests::cluster::{SOON, TestCluster};

const GATEWAY: &str = "192.0.2.1";
const LAN: [&str; 15] = [
    "network",
    "create",
    "-d",
    "macvlan",
    "-o",
    "parent=lan0",
    "--ipv6",
    "--subnet",
    "192.0.2.0/24",
    "--gateway",
    GATEWAY,
    "--ip-range",
    "192.0.2.128/28",
    "--subnet",
    "2001:db8:7::/64",
];

fn start(workers: u8) -> Result<TestCluster> {
    let cluster = TestCluster::start(1, workers)?;
    cluster.load_busybox()?;
    cluster.load_example("1")?;
    Ok(cluster)
}

fn create(cluster: &TestCluster, name: &str, args: &[&str]) -> Result<String> {
    cluster.shoal(&[&["service", "create", "-q", "--name", name], args].concat())
}

#[test]
fn tasks_of_two_nodes_and_a_machine_outside_meet_on_a_link_of_the_nodes() -> Result<()> {
    let cluster = start(2)?;
    let lan = cluster.lan(&["w1", "w2"], &["192.0.2.1/24", "2001:db8:7::1/64"])?;
    cluster.shoal(&[&LAN[..], &["lan"]].concat())?;
    let listed = cluster.shoal(&["network", "ls", "--filter", "driver=macvlan", "--format", "{{.Name}}"])?;
    ensure!(listed.trim() == "lan", "{listed}");
    // The third node has no such link. If it is tried at all, it says so, and the task goes elsewhere.
    create(
        &cluster,
        "web",
        &["--replicas", "2", "--replicas-max-per-node", "1", "--network", "lan", "example:1"],
    )?;
    let nodes: Vec<String> = cluster.running("web")?.into_iter().map(|(_, node, _)| node).collect();
    ensure!(nodes.len() == 2 && !nodes.contains(&"m1".to_owned()), "{nodes:?}");
    create(&cluster, "here", &["--network", "lan", "--constraint", "node.hostname==w1", "test:1"])?;
    let from = cluster.container("here")?;

    let addresses = from.resolve("web")?;
    ensure!(addresses.len() == 4 && addresses == from.resolve("tasks.web")?, "{addresses:?}");
    for address in &addresses {
        let address: IpAddr = address.parse()?;
        if let IpAddr::V4(address) = address {
            ensure!((128..144).contains(&address.octets()[3]), "{address} is out of the range");
        }
        let url = if address.is_ipv4() {
            format!("http://{address}:8080/")
        } else {
            format!("http://[{address}]:8080/")
        };
        ensure!(from.http(&url)?.starts_with("shoal example 1"), "{url}");
        let answer = lan.sh(&format!("curl --globoff --silent --fail --max-time 5 {url}"))?;
        ensure!(answer.starts_with("shoal example 1"), "{url}: {answer}");
    }
    for outside in [GATEWAY, "2001:db8:7::1"] {
        from.sh(&format!("busybox ping -c 1 -W 5 {outside}"))?;
    }
    let way_out = from.sh("ip route show default")?;
    ensure!(way_out.contains(&format!("via {GATEWAY} dev eth0")), "{way_out}");

    cluster.shoal(&["service", "rm", "web", "here"])?;
    cluster.wait_until("the network can be removed", SOON, || {
        Ok(cluster.shoal(&["network", "rm", "lan"]).is_ok())
    })?;
    cluster.finish()
}

#[test]
fn a_node_without_the_link_says_so() -> Result<()> {
    let cluster = start(1)?;
    cluster.shoal(&[&LAN[..], &["lan"]].concat())?;
    create(&cluster, "web", &["-d", "--network", "lan", "--constraint", "node.hostname==w1", "test:1"])?;
    cluster.wait_until("the task is rejected with the reason", SOON, || {
        let tasks = cluster.shoal(&["service", "ps", "--no-trunc", "web"])?;
        Ok(tasks.contains("Rejected") && tasks.contains("this node has no link lan0: make it"))
    })?;
    // Once it is there the next try succeeds.
    let _lan = cluster.lan(&["w1"], &["192.0.2.1/24"])?;
    cluster.wait_until("a later task runs", SOON, || Ok(cluster.running("web")?.len() == 1))?;
    cluster.finish()
}

#[test]
fn a_network_of_each_node_for_itself_has_names_that_end_at_the_node() -> Result<()> {
    let cluster = start(1)?;
    cluster.shoal(&["network", "create", "-d", "bridge", "local"])?;
    create(&cluster, "web", &["--network", "local", "--constraint", "node.hostname==w1", "example:1"])?;
    create(&cluster, "here", &["--mode", "global", "--network", "local", "test:1"])?;
    for container in cluster.containers("here")? {
        let is_beside = container.sh("true").is_ok() && container.http("http://web:8080/").is_ok();
        let node = cluster.running("here")?.into_iter().find(|(.., task)| *task == container.task);
        ensure!(node.is_some_and(|(_, node, _)| (node == "w1") == is_beside), "{container:?}: {is_beside}");
    }
    let listed =
        cluster.shoal(&["network", "ls", "--filter", "name=local", "--format", "{{.Driver}} {{.Scope}}"])?;
    ensure!(listed.trim() == "bridge local", "{listed}");
    cluster.finish()
}

#[test]
fn networks_that_every_node_has_are_used_and_not_made() -> Result<()> {
    let cluster = start(0)?;
    for network in ["host", "none", "bridge"] {
        create(&cluster, network, &["--network", network, "test:1"])?;
        let refused = cluster.refused(&["network", "create", network])?;
        ensure!(refused.contains("stands for a network of each node's own"), "{refused}");
        for verb in ["inspect", "rm"] {
            let refused = cluster.refused(&["network", verb, network])?;
            ensure!(refused.contains("of each node's own, which is neither shown nor changed"), "{refused}");
        }
    }
    for (args, says) in [
        (&["-d", "host"][..], "service create --network host"),
        (&["-d", "ipvlan"], "use macvlan"),
        (&["-d", "macvlan"], "parent=eth1"),
        (&["-d", "macvlan", "-o", "parent=eth1"], "has the addresses of its link"),
        (
            &["-d", "macvlan", "-o", "parent=eth1", "-o", "macvlan_mode=x"],
            "bridge, private, vepa or passthru",
        ),
        (&["-d", "overlay", "-o", "parent=eth1"], "no option `parent`"),
        (&["-d", "bridge", "--ingress"], "doesn't span nodes"),
        (&["-d", "macvlan", "-o", "parent=eth1", "--attachable"], "--attachable: a container that runs"),
        (&["--subnet", "172.30.0.0/16"], "gives its containers their addresses"),
    ] {
        let refused = cluster.refused(&[&["network", "create"], args, &["front"]].concat())?;
        ensure!(refused.contains(says), "{args:?}: {refused}");
    }
    cluster.finish()
}
