//! Address pools, the network of published ports and removals of networks, end to end.

use anyhow::{Result, ensure};
use tests::cluster::{SOON, TestCluster};

/// The first subnet of a network.
fn subnet(cluster: &TestCluster, node: &str, network: &str) -> Result<String> {
    let format = "{{(index .IPAM.Config 0).Subnet}}";
    Ok(cluster.shoal_on(node, &["network", "inspect", "-f", format, network])?.trim().to_owned())
}

#[test]
fn networks_have_their_subnets_from_the_pools_that_were_given() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    ensure!(subnet(&cluster, "m1", "ingress")? == "10.0.0.0/24");
    let pools =
        ["--default-addr-pool", "10.123.0.0/16,fd00:123::/48", "--default-addr-pool-mask-length", "26"];
    cluster.shoal(&[&["swarm", "update"], &pools[..]].concat())?;
    cluster.shoal(&["network", "create", "--ipv6", "front"])?;
    ensure!(subnet(&cluster, "m1", "front")? == "10.123.0.0/26");
    let front = cluster.shoal(&["network", "inspect", "front"])?;
    ensure!(front.contains("fd00:123::/64") && front.contains("\"DynamicIPsAvailable\": 61"), "{front}");
    let info = cluster.shoal(&["info"])?;
    ensure!(info.contains(" Default Address Pool: 10.123.0.0/16 fd00:123::/48\n SubnetSize: 26\n"), "{info}");

    // A cluster of the worker's own has them from the start.
    cluster.shoal_on("w1", &["swarm", "leave"])?;
    let bad = ["swarm", "init", "--default-addr-pool", "10.0.0.0/8,10.5.0.0/16,127.0.0.0/8"];
    let refused =
        cluster.refused_on("w1", &[&bad[..], &["--default-addr-pool-mask-length", "31"]].concat())?;
    for says in [
        "10.5.0.0/16 overlaps 10.0.0.0/8",
        "127.0.0.0/8 overlaps 127.0.0.0/8, which has a meaning of its own",
        "--default-addr-pool-mask-length: 31 is out of range: use 10 to 29",
    ] {
        ensure!(refused.contains(says), "{refused}");
    }
    cluster.shoal_on("w1", &[&["swarm", "init"], &pools[..]].concat())?;
    ensure!(subnet(&cluster, "w1", "ingress")? == "10.123.0.0/26");
    cluster.finish()
}

#[test]
fn a_node_whose_address_a_network_has_is_not_let_in() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.shoal_on("w1", &["swarm", "leave"])?;
    cluster.shoal(&["network", "create", "--subnet", "10.66.0.0/24", "front"])?;
    let token = cluster.shoal(&["swarm", "join-token", "-q", "worker"])?;
    let addr = format!("{}:2377", cluster.node("m1").addr());
    let join =
        |data_path: &'static str| ["swarm", "join", "--data-path-addr", data_path, "--token", token.trim()];
    let refused = cluster.refused_on("w1", &[&join("10.66.0.7")[..], &[&addr]].concat())?;
    let says = "this node's address 10.66.0.7 lies in subnet 10.66.0.0/24 of network `front`";
    ensure!(refused.contains(says) && refused.contains("--data-path-addr"), "{refused}");
    cluster.shoal_on("w1", &[&join("10.67.0.7")[..], &[&addr]].concat())?;

    let refused = cluster.refused(&["network", "create", "--subnet", "10.67.0.0/24", "back"])?;
    ensure!(refused.contains("contains 10.67.0.7, by which node w1 is reached"), "{refused}");
    cluster.finish()
}

#[test]
fn the_network_of_published_ports_can_be_replaced_while_nothing_is_published() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_example("1")?;
    let publish = [
        "service",
        "create",
        "-q",
        "--name",
        "web",
        "--publish",
        "8080:8080",
        "--constraint",
        "node.role==worker",
    ];
    let web = |cluster: &TestCluster| cluster.run("m1", &[&publish[..], &["example:1"]].concat());
    ensure!(web(&cluster)?.status.success());
    let refused = cluster.refused(&["network", "rm", "ingress"])?;
    ensure!(refused.contains("network `ingress` is in use by service `web`"), "{refused}");
    let second = cluster.refused(&["network", "create", "--ingress", "mesh"])?;
    ensure!(second.contains("network `ingress` carries the published ports already"), "{second}");

    cluster.shoal(&["service", "rm", "web"])?;
    cluster.wait_until("the network can be removed", SOON, || {
        Ok(cluster.shoal(&["network", "rm", "ingress"]).is_ok())
    })?;
    let said = String::from_utf8(web(&cluster)?.stderr)?;
    ensure!(said.contains("no network carries published ports") && said.contains("--ingress"), "{said}");

    let create = ["network", "create", "--ingress", "--subnet", "10.99.0.0/24", "-o", "mtu=1300", "mesh"];
    cluster.shoal(&create)?;
    ensure!(web(&cluster)?.status.success());
    cluster.wait_until("every node answers", SOON, || {
        let answers =
            |node| Ok::<_, anyhow::Error>(cluster.http("w1", node, 8080)?.starts_with("shoal example 1"));
        Ok(answers("m1")? && answers("w1")?)
    })?;
    let attach = ["service", "create", "-q", "--network", "mesh", "example:1"];
    let refused = cluster.refused(&attach)?;
    ensure!(refused.contains("carries the published ports and can't be attached to"), "{refused}");
    cluster.finish()
}

#[test]
fn a_network_with_small_packets_carries_them() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    cluster.load_example("1")?;
    cluster.shoal(&["network", "create", "-o", "mtu=600", "small"])?;
    let refused = cluster.refused(&["network", "create", "--ipv6", "-o", "mtu=600", "small6"])?;
    ensure!(refused.contains("600 is too small for IPv6: use 1280"), "{refused}");
    let on = |node: &str| format!("node.hostname=={node}");
    let create = ["service", "create", "-q", "--network", "small", "--constraint"];
    cluster.shoal(&[&create[..], &[&on("w1"), "--name", "web", "example:1"]].concat())?;
    cluster.shoal(&[&create[..], &[&on("m1"), "--name", "here", "test:1"]].concat())?;
    let here = cluster.container("here")?;
    ensure!(here.http("http://web:8080/")?.starts_with("shoal example 1"));
    let links = here.sh("ip -o link show")?;
    ensure!(links.contains("mtu 600"), "{links}");
    cluster.finish()
}
