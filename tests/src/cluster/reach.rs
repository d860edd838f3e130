//! Who answers at which address, and whether any address is there twice.

use super::{TestCluster, Waiter};
use anyhow::{Context, Result, ensure};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// How many requests find every task of a service of at most three.
const ALL: usize = 12;

/// The network namespace of a process.
pub fn namespace_of(pid: i32) -> PathBuf {
    format!("/proc/{pid}/ns/net").into()
}

impl TestCluster {
    /// Checks that a service of the example is answered for by each of its tasks, and by nobody else: through every node, by
    /// both families, if it publishes a port for all tasks, and by its virtual addresses from every container of a service
    /// of clients.
    pub fn check_reach(&self, via: &str, service: &str, port: Option<u16>, clients: &str) -> Result<()> {
        let running = self.running_via(via, service)?;
        let tasks: BTreeSet<String> = running.into_iter().map(|(_, _, id)| id[1..13].to_owned()).collect();
        let mut places = Vec::new();
        for (port, node) in
            port.into_iter().flat_map(|port| self.names().into_iter().map(move |node| (port, node)))
        {
            let node = self.node(&node);
            let other = self.names().into_iter().find(|name| name != node.name()).context("another node")?;
            let from = self.node(&other).namespace();
            places.push((from.clone(), SocketAddr::from((node.addr(), port))));
            places.push((from, SocketAddr::from((node.addr_v6(), port))));
        }
        for client in self.containers_via(via, clients)? {
            let vips = client.resolve(service)?;
            ensure!(vips.len() == 2, "a virtual address of each family: {vips:?}");
            for vip in vips {
                places.push((namespace_of(client.pid), SocketAddr::new(vip.parse()?, 8080)));
            }
        }
        for (from, to) in places {
            let found = answerers(&from, to, &tasks)?;
            ensure!(found == tasks, "{to} of {service}, from {}: {found:?} of {tasks:?}", from.display());
        }
        Ok(())
    }

    /// Checks that no two containers have an address of a cluster's network in common, whether the managers know of them or
    /// not.
    pub fn check_addresses(&self) -> Result<()> {
        let mut holders: BTreeMap<String, String> = BTreeMap::new();
        for node in self.names() {
            let is_container = |name: &String| name != "sandbox" && !name.starts_with("net-");
            for container in self.namespaces(&node)?.into_iter().filter(is_container) {
                // The first link leads to the node's own network, which each node has for itself.
                let shown = self.sh_on(&node, &container, "ip -oneline address show scope global")?;
                let others = shown.lines().filter(|line| !line.contains(" eth0 "));
                for address in others.filter_map(|line| line.split_whitespace().nth(3)) {
                    let holder = format!("{container} on {node}");
                    if let Some(other) = holders.insert(address.to_owned(), holder.clone()) {
                        anyhow::bail!("{holder} and {other} have {address}");
                    }
                }
            }
        }
        Ok(())
    }
}

/// Which of some tasks answer requests; an answer of another one is an error.
pub fn answerers(from: &Path, to: SocketAddr, tasks: &BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for _ in 0..ALL {
        let answer = Waiter::connect(from, to)?.answer;
        let task = tasks.iter().find(|task| answer.contains(*task));
        found.insert(task.with_context(|| format!("a stranger answers at {to}: {answer}"))?.clone());
    }
    Ok(found)
}
