//! What may be left of networks at the end, on the nodes and on this machine: nothing.

use super::{LOOK, SOON, TestCluster};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::{fs, io::ErrorKind, path::Path, process::Command, thread::sleep, time::Instant};

/// The network of published ports, which is always there unless a person removed it.
const INGRESS: &str = "ingress";

/// The namespace of a node's own network.
const SANDBOX: &str = "sandbox";

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

    /// Ends a test: switches on what it left off, removes every service and network, and checks that the nodes keep nothing
    /// of them, whether they are still members or not: no namespace, link, route, rule or lease.
    pub fn finish(self) -> Result<()> {
        for node in self.names() {
            self.on(self.node(&node).start())?;
        }
        let via = self.manager()?;
        let list = |noun: &str| self.shoal_on(&via, &[noun, "ls", "--format", "{{.Name}}"]);
        self.wait_until("the services are removed", SOON, || {
            let left = list("service")?;
            // One that is being removed is still listed.
            let remove = |service| self.run(&via, &["service", "rm", service]);
            left.lines().try_for_each(|service| remove(service).map(drop))?;
            Ok(left.is_empty())
        })?;
        self.wait_until("the networks can be removed", SOON, || {
            let left = list("network")?;
            let mut own = left.lines().filter(|name| *name != INGRESS);
            Ok(own.try_for_each(|name| self.shoal_on(&via, &["network", "rm", name]).map(drop)).is_ok())
        })?;
        self.wait_until("no lease of the ingress network is left", SOON, || self.has_no_lease(&via))?;
        for node in self.names() {
            self.wait_until(&format!("nothing of a network is left on {node}"), SOON, || {
                let left = self.left_on(&node)?;
                ensure!(left.is_empty(), "left on {node}: {left:?}");
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// A manager that answers.
    fn manager(&self) -> Result<String> {
        let answers = |node: &String| self.shoal_on(node, &["service", "ls"]).is_ok();
        let find = || self.names().into_iter().find(answers);
        self.wait_until("a manager answers", SOON, || Ok(find().is_some()))?;
        find().context("no manager answers any more")
    }

    fn has_no_lease(&self, via: &str) -> Result<bool> {
        if !self
            .shoal_on(via, &["network", "ls", "--format", "{{.Name}}"])?
            .lines()
            .any(|name| name == INGRESS)
        {
            return Ok(true);
        }
        let network: Value = serde_json::from_str(&self.shoal_on(via, &["network", "inspect", INGRESS])?)?;
        let subnets = network[0]["Status"]["IPAM"]["Subnets"].as_object().context("no subnets")?;
        Ok(subnets.values().all(|subnet| subnet["IPsInUse"].as_u64() == Some(0)))
    }

    /// What a node has besides its own network without a container.
    fn left_on(&self, node: &str) -> Result<Vec<String>> {
        let namespaces = self.namespaces(node)?;
        let is_own = |name: &String| name == SANDBOX;
        let mut left: Vec<String> = namespaces.iter().filter(|name| !is_own(name)).cloned().collect();
        let links = words(&self.sh_on(node, "host", "ip -br link show")?);
        let is_made = |link: &String| link.contains('.') || link.starts_with("sh") && link.ends_with('m');
        left.extend(links.into_iter().filter(is_made));
        let tables = self.sh_on(node, "host", "nft list tables")?;
        left.extend(tables.lines().filter(|table| table.ends_with("-mesh")).map(str::to_owned));
        left.extend(self.rules_left(node, "host")?);
        if namespaces.iter().any(is_own) {
            let links = words(&self.sh_on(node, SANDBOX, "ip -br link show")?);
            // The kernel's own begin with letters of their own.
            left.extend(links.into_iter().filter(|link| link.starts_with('c') || link.starts_with("vx")));
            let routes = self.sh_on(node, SANDBOX, "ip -4 route show; ip -6 route show")?;
            left.extend(routes.lines().filter(|line| line.contains(" dev c")).map(str::to_owned));
            left.extend(self.rules_left(node, SANDBOX)?);
        }
        Ok(left)
    }

    /// The policy rules of a namespace beside the kernel's own, and the elements of its nft sets.
    fn rules_left(&self, node: &str, namespace: &str) -> Result<Vec<String>> {
        let rules = self.sh_on(node, namespace, "ip rule show; ip -6 rule show")?;
        let is_made = |rule: &&str| !["0:", "32766:", "32767:"].iter().any(|own| rule.starts_with(own));
        let elements = self.sh_on(node, namespace, "nft list ruleset | grep -A 3 'elements = ' || true")?;
        Ok(rules.lines().filter(is_made).chain(elements.lines()).map(str::to_owned).collect())
    }

    /// The files that a node's namespaces are bound to; none after it has left the cluster.
    pub(super) fn namespaces(&self, node: &str) -> Result<Vec<String>> {
        let folder = self.node(node).socket().with_file_name("netns");
        match fs::read_dir(&folder) {
            Ok(files) => files.map(|file| Ok(file?.file_name().to_string_lossy().into_owned())).collect(),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error).with_context(|| format!("cannot list {}", folder.display())),
        }
    }
}

/// The names in a list of links.
fn words(links: &str) -> Vec<String> {
    links.lines().filter_map(|line| line.split(['@', ' ']).next()).map(str::to_owned).collect()
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
