//! What may be left of networks at the end, on the nodes and on this machine: nothing.

use super::{LOOK, SOON, TestCluster};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{fs, path::Path, process::Command, thread::sleep, time::Instant};

impl TestCluster {
    /// What a shell command prints in one of a node's namespaces: `host` is the node's, others are files of its run folder.
    pub fn sh_on(&self, node: &str, namespace: &str, command: &str) -> Result<String> {
        let node = self.node(node);
        let file = match namespace {
            "host" => node.namespace(),
            file => node.socket().with_file_name("netns").join(file),
        };
        // A mount namespace with a /sys of its own: /sys/class/net shows the namespace it was mounted in.
        let script = format!("mount -t sysfs sysfs /sys && {{ {command}; }}");
        let net = format!("--net={}", file.display());
        let output =
            Command::new("nsenter").args([&net, "--", "unshare", "--mount", "sh", "-c", &script]).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{command}` in {}: {said}", file.display());
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Removes every service and network, and checks that the nodes keep nothing of them: no namespace, link, route,
    /// rule or lease. The cluster must be whole.
    pub fn finish(self) -> Result<()> {
        for service in self.shoal(&["service", "ls", "--format", "{{.Name}}"])?.lines() {
            self.shoal(&["service", "rm", service])?;
        }
        let networks = self.shoal(&["network", "ls", "--format", "{{.Name}}"])?;
        let own: Vec<&str> = networks.lines().filter(|name| *name != "ingress").collect();
        self.wait_until("the networks can be removed", SOON, || {
            let left = self.shoal(&["network", "ls", "--format", "{{.Name}}"])?;
            let mut left = own.iter().filter(|name| left.lines().any(|line| line == **name));
            Ok(left.try_for_each(|name| self.shoal(&["network", "rm", name]).map(drop)).is_ok())
        })?;
        self.wait_until("no lease of the ingress network is left", SOON, || {
            let ingress = self.shoal(&["network", "inspect", "ingress"])?;
            let network: Value = serde_json::from_str(&ingress)?;
            let subnets = network[0]["Status"]["IPAM"]["Subnets"].as_object().context("no subnets")?;
            Ok(subnets.values().all(|subnet| subnet["IPsInUse"].as_u64() == Some(0)))
        })?;
        for node in self.names() {
            self.wait_until(&format!("nothing of a network is left on {node}"), SOON, || {
                let left = self.left_on(&node)?;
                ensure!(left.is_empty(), "left on {node}: {left:?}");
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// What a node has besides its own network without a container.
    fn left_on(&self, node: &str) -> Result<Vec<String>> {
        let folder = self.node(node).socket().with_file_name("netns");
        let entries = fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
        let names = names.collect::<Result<Vec<_>>>()?;
        let mut left: Vec<String> = names.into_iter().filter(|name| name != "sandbox").collect();
        let words = |text: String| -> Vec<String> {
            text.lines().filter_map(|line| line.split(['@', ' ']).next()).map(str::to_owned).collect()
        };
        let in_sandbox = words(self.sh_on(node, "sandbox", "ip -br link show")?);
        // The kernel's own begin with letters of their own.
        left.extend(in_sandbox.into_iter().filter(|link| link.starts_with('c') || link.starts_with("vx")));
        let routes = self.sh_on(node, "sandbox", "ip -4 route show scope link")?;
        left.extend(routes.lines().filter(|line| line.contains(" dev c")).map(str::to_owned));
        let links = words(self.sh_on(node, "host", "ip -br link show")?);
        left.extend(links.into_iter().filter(|link| link.starts_with("sh") && link.ends_with('m')));
        let tables = self.sh_on(node, "host", "nft list tables")?;
        left.extend(tables.lines().filter(|table| table.ends_with("-mesh")).map(str::to_owned));
        Ok(left)
    }
}

/// Waits until this machine has nothing of a cluster any more that had its folders here: no mount, which namespaces that
/// are bound to files are too, and no process.
pub(super) fn await_gone(folder: &Path) -> Result<()> {
    let begin = Instant::now();
    loop {
        let left = left_below(folder)?;
        if left.is_empty() {
            return Ok(());
        }
        ensure!(begin.elapsed() < SOON, "the cluster left behind: {left:#?}");
        sleep(LOOK);
    }
}

fn left_below(folder: &Path) -> Result<Vec<String>> {
    let folder = folder.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    let mut left: Vec<String> = mounts
        .lines()
        .filter(|mount| mount.contains(&folder))
        .map(|mount| format!("mount {mount}"))
        .collect();
    for process in fs::read_dir("/proc")?.flatten() {
        // Processes end while they are looked at.
        let Ok(command) = fs::read(process.path().join("cmdline")) else { continue };
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&folder) {
            left.push(format!("process {}: {command}", process.file_name().to_string_lossy()));
        }
    }
    Ok(left)
}
