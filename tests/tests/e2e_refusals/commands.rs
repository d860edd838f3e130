//! Commands with options that are wrong.

use super::{made, misused, refused};
use anyhow::{Result, ensure};
use tests::cluster::TestCluster;

#[test]
fn every_wrong_option_of_a_command_is_told_and_nothing_is_made() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let before = made(&cluster)?;
    let create = [
        "service",
        "create",
        "--name=-web-",
        "--mode",
        "globl",
        "--replicas",
        "many",
        "--limit-memory",
        "64x",
        "--limit-cpu",
        "half",
        "--update-delay",
        "5",
        "--mount",
        "type=bind,target=/b",
        "--publish",
        "70000:80",
        "--constraint",
        "node.role=manager",
        "--restart-condition",
        "always",
        "--stop-signal",
        "SIGNOPE",
        "--workdir",
        "app",
        "Nginx",
    ];
    let all = [
        "13 options are wrong",
        "--name: `-web-` is not a valid name: use letters",
        "--mode: `globl` is not one of the choices: use replicated, global",
        "--replicas: `many` is not a count",
        "--limit-memory: `64x` is not a size: write a number with",
        "--limit-cpu: `half` is not a number of processors",
        "--update-delay: `5` is not a duration: write numbers with units",
        "add source=/PATH",
        "from 1 to 65535",
        "write KEY==VALUE, such as node.labels.disk==ssd, or another of ==, !=, in, notin, =~, < and >",
        "--restart-condition: `always` is not one of the choices",
        "--stop-signal: `SIGNOPE` is not a signal",
        "IMAGE: image name `Nginx` is not valid: use lower-case letters",
        // The managers' own rule, told together with the rest.
        "--workdir: `app` must be an absolute path",
    ];
    misused(&cluster, &create, &all)?;
    misused(
        &cluster,
        &["service", "scale", "web", "db=some", "app=-1"],
        &["web: write SERVICE=REPLICAS", "`some`", "`-1`"],
    )?;
    misused(
        &cluster,
        &["service", "update", "--env-add", "=x", "--replicas", "-1", "--image", "UPPER", "web"],
        &["3 options are wrong", "--env-add", "--replicas", "--image"],
    )?;
    misused(
        &cluster,
        &[
            "swarm",
            "update",
            "--task-history-limit",
            "few",
            "--cert-expiry",
            "5m",
            "--snapshot-interval",
            "0",
        ],
        &["3 options are wrong", "`few` is not a count", "must be at least 3600s", "must be at least 1"],
    )?;
    misused(
        &cluster,
        &["node", "update", "--availability", "gone", "--role", "king", "m1"],
        &["use active, pause, drain", "use worker, manager"],
    )?;
    misused(
        &cluster,
        &["service", "logs", "--tail", "x", "--since", "y", "web"],
        &["--tail: `x`", "--since: `y`"],
    )?;
    ensure!(made(&cluster)? == before, "something was made");
    cluster.finish()
}

#[test]
fn ports_that_can_not_be_published_are_refused_with_the_way_out() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    let global = ["service", "create", "-q", "--name", "proxy", "--mode", "global", "--publish"];
    cluster.shoal(&[&global[..], &["published=9000,target=80,mode=host", "test:1"]].concat())?;
    let before = made(&cluster)?;

    let create =
        |options: &[&'static str]| [&["service", "create", "--name", "web"], options, &["test:1"]].concat();
    refused(
        &cluster,
        &create(&["--publish", "target=80,mode=host"]),
        &["give a published port", "published=PORT,target=80"],
    )?;
    refused(&cluster, &create(&["--publish", "eth0:80:80"]), &["`eth0` is not an address", "10.0.0.0/24"])?;
    refused(
        &cluster,
        &create(&["--publish", "9000:80"]),
        &["port 9000/tcp of every node is taken by service `proxy`", "choose another port"],
    )?;
    refused(
        &cluster,
        &create(&["--publish", "2377:80"]),
        &["port 2377/tcp can't be published on every node", "a manager is reached there"],
    )?;
    let twice =
        ["--publish", "published=80,target=80,mode=host", "--publish", "published=80,target=81,mode=host"];
    refused(&cluster, &create(&twice), &["port 80/tcp is published twice"])?;
    refused(
        &cluster,
        &create(&["--publish", "published=9000,target=80,mode=host"]),
        &["9000", "published on every node by global service `proxy`", "choose another port"],
    )?;
    refused(
        &cluster,
        &create(&["--network", "none", "--publish", "published=80,target=80,mode=host"]),
        &["there is nothing to publish", "leave one of them out"],
    )?;
    ensure!(made(&cluster)? == before, "something was made");
    cluster.finish()
}

#[test]
fn a_misspelt_command_or_option_is_told_what_was_meant() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.shoal(&["service", "create", "-d", "--replicas", "0", "test:1"])?;
    misused(&cluster, &["service", "create", "--replica", "3", "test:1"], &["'--replica'", "'--replicas'"])?;
    misused(&cluster, &["servic", "ls"], &["'servic'", "'service'"])?;
    misused(&cluster, &["service", "create"], &["IMAGE", "Usage: shoal service create"])?;
    misused(&cluster, &["service", "ls", "--filter", "colour=red"], &["`colour`", "id, label, mode, name"])?;
    misused(&cluster, &["service", "ls", "--format", "{{.Colour}}"], &["`Colour`", "ID, Image, Mode, Name"])?;
    misused(&cluster, &["swarm", "join-token", "boss"], &["boss", "worker, manager"])?;
    cluster.finish()
}
