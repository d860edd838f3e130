//! What a service says of its containers reaches the kernel and the files there, and can be changed.

use anyhow::{Result, ensure};
use tests::cluster::{SOON, TestCluster};

/// Prints what a process finds, once.
const TELL: &str = "echo nofile $(ulimit -Sn) $(ulimit -Hn); echo core $(ulimit -c); \
    echo queue $(cat /proc/sys/net/core/somaxconn); echo message $(cat /proc/sys/kernel/msgmax); \
    echo score $(cat /proc/self/oom_score_adj); cat /etc/resolv.conf; echo told; sleep 1000000";

#[test]
fn limits_settings_and_name_servers_are_those_that_were_asked_for() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    cluster.shoal(&["network", "create", "front"])?;
    // The newest task of the slot alone: lines of several tasks have no order among them.
    let told = |task: &str| -> Result<Vec<String>> {
        let told = || cluster.shoal(&["service", "logs", "--raw", task]);
        cluster.wait_until("the task has told what it finds", SOON, || {
            Ok(told()?.lines().any(|line| line == "told"))
        })?;
        Ok(told()?.lines().map(str::to_owned).collect())
    };
    let create = |name: &str, options: &[&str]| -> Result<()> {
        let head = ["service", "create", "-q", "--name", name, "--stop-signal", "SIGKILL"];
        cluster.shoal(&[&head, options, &["test:1", "sh", "-c", TELL]].concat())?;
        Ok(())
    };

    let options = "--ulimit nofile=123:456 --ulimit core=0 --sysctl net.core.somaxconn=77 --sysctl kernel.msgmax=9000 \
        --oom-score-adj 300 --dns 192.0.2.53 --dns-search example.org --dns-search lan --dns-option ndots:3";
    create("all", &options.split_whitespace().collect::<Vec<_>>())?;
    let expected = "nofile 123 456\ncore 0\nqueue 77\nmessage 9000\nscore 300\nnameserver 192.0.2.53\n\
        search example.org lan\noptions ndots:3\ntold";
    let first = told("all.1")?;
    ensure!(first.join("\n") == expected, "{first:?}");

    let shown = cluster.shoal(&["service", "inspect", "all"])?;
    for part in [
        "\"DNSConfig\"",
        "\"192.0.2.53\"",
        "\"net.core.somaxconn\": \"77\"",
        "\"Name\": \"nofile\"",
        "\"Hard\": 456",
        "\"OomScoreAdj\": 300",
    ] {
        ensure!(shown.contains(part), "no {part} in {shown}");
    }

    let edits = "--ulimit-rm core --ulimit-add nofile=200 --sysctl-rm kernel.msgmax --sysctl-add net.core.somaxconn=78 \
        --oom-score-adj 400 --dns-rm 192.0.2.53 --dns-add 192.0.2.54 --dns-search-rm lan --dns-option-rm ndots:3 \
        --dns-option-add rotate --network-add front";
    let update = [&["service", "update", "-q"][..], &edits.split_whitespace().collect::<Vec<_>>(), &["all"]];
    cluster.shoal(&update.concat())?;
    let told = told("all.1")?;
    let nodes_own = |line: &&String| line.starts_with("core ") || line.starts_with("message ");
    let second: Vec<_> = told.iter().filter(|line| !nodes_own(line)).map(String::as_str).collect();
    // In a network of the cluster the container's own server is asked, which asks the one that is named.
    let expected = "nofile 200 200\nqueue 78\nscore 400\nnameserver 127.0.0.11\nsearch example.org\noptions rotate\n\
        options ndots:0\ntold";
    ensure!(second.join("\n") == expected, "{told:?}");
    cluster.finish()
}

#[test]
fn what_the_kernel_would_not_take_is_refused_before_anything_is_made() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    for (options, says) in [
        ("--ulimit files=1", "there is no limit `files`: use one of core, cpu"),
        ("--ulimit nofile=9:1", "the soft limit can't be above the hard one"),
        ("--ulimit nofile=1 --ulimit nofile=x", "write NAME=SOFT[:HARD]"),
        ("--sysctl vm.swappiness=1", "`vm.swappiness` is the node's, not a container's"),
        ("--sysctl net.core.somaxconn", "write NAME=VALUE"),
        ("--sysctl net.core.somaxconn=9 --network host", "would be the node's own with --network host"),
        ("--oom-score-adj 1001", "write a whole number from -1000 to 1000"),
        ("--dns ns1.example.org", "is not an address"),
        ("--dns 127.0.0.11", "a container's own name server"),
        ("--dns-search a..b", "is not a domain"),
        ("--dns-search . --dns-search lan", "stands for no domain at all"),
    ] {
        let words: Vec<_> = options.split_whitespace().collect();
        let refused = cluster.refused(&[&["service", "create"], &words[..], &["test:1"]].concat())?;
        ensure!(refused.contains(says), "{options}: {refused}");
    }
    ensure!(cluster.shoal(&["service", "ls", "-q"])?.is_empty(), "nothing was made");
    cluster.finish()
}

#[test]
fn each_task_has_its_own_name_and_volume_from_one_service() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let tell = "echo x >/data/$(hostname); echo $(hostname) $WHO $(ls /data); sleep 1000000";
    let options = "service create -q --name web --replicas 2 --replicas-max-per-node 1 --label team=front \
        --hostname {{.Node.Hostname}}-{{.Task.Slot}} --env WHO={{.Service.Name}}/{{.Service.Labels.team}}/{{.Task.Slot}} \
        --mount source=data-{{.Task.Slot}},target=/data test:1 sh -c";
    let create: Vec<_> = options.split_whitespace().chain([tell]).collect();
    cluster.shoal(&create)?;
    for (task, node, _) in cluster.running("web")? {
        let slot = task.strip_prefix("web.").unwrap_or(&task);
        let own = format!("{node}-{slot} web/front/{slot} {node}-{slot}");
        cluster.wait_until(&format!("a task says {own}"), SOON, || {
            Ok(cluster.shoal(&["service", "logs", "--raw", "web"])?.lines().any(|line| line == own))
        })?;
    }
    let refused = cluster.refused(&["service", "create", "--hostname", "{{.Node.Name}}", "test:1"])?;
    ensure!(refused.contains("`.Node.Name` is not known: use .Service.ID"), "{refused}");
    cluster.finish()
}
