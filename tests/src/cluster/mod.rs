//! A real cluster of the test's own: every node a daemon in a network namespace, driven by the real
//! command line, removed whatever happens.

mod container;
mod datagrams;
mod http;
mod lan;
mod leftovers;
mod load;
mod program;
mod reach;
mod waiter;

pub use container::Container;
pub use datagrams::{Asker, Echo};
pub use http::get;
pub use lan::Lan;
pub use load::{Load, Manner, Tally};
pub use program::program;
pub use reach::{answerers, namespace_of};
pub use waiter::Waiter;

use crate::images;
use anyhow::{Context, Result, anyhow, bail, ensure};
use dev_cluster::{Cluster, DownOptions, Node, Roots, UpOptions};
use proto::wire::{DesiredState, InfoRequest, ListTasksRequest, TaskState};
use serde_json::json;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// How long a condition may take that needs no fault to be noticed first; generous, because machines
/// are shared and slow at times.
pub const SOON: Duration = Duration::from_secs(60);
/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// A cluster that lives as long as its test.
pub struct TestCluster {
    cluster: Cluster,
    roots: Roots,
    runtime: Runtime,
    /// Holds the cluster's folders and the test's files.
    dir: tempfile::TempDir,
}

impl TestCluster {
    /// Starts a cluster and waits until every node is ready.
    pub fn start(managers: u8, workers: u8) -> Result<Self> {
        Self::start_with(managers, workers, &[])
    }

    /// Starts a cluster whose daemons have further arguments.
    pub fn start_with(managers: u8, workers: u8, daemon_args: &[&str]) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short, since a socket's path has at most 107 characters.
        let dir = tempfile::Builder::new().prefix("shoal-t").tempdir()?;
        let name = format!("t{:x}{number}", std::process::id());
        let roots = Roots::new(dir.path().join("run"), dir.path().join("data"));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let options = UpOptions {
            managers: Some(managers),
            workers: Some(workers),
            roots: roots.clone(),
            host_link: false,
            daemon_args: daemon_args.iter().map(ToString::to_string).collect(),
            patience: SOON,
            ..UpOptions::new(&name, program()?)
        };
        let guard = Guard { name: name.clone(), roots: roots.clone(), armed: true };
        let up = runtime.block_on(dev_cluster::up(options, &|line| eprintln!("up: {line}")));
        let up = up.map_err(|error| anyhow!("{} {}", chain(&error), logs(&roots)))?;
        guard.disarm();
        Ok(Self { cluster: up.cluster, roots, runtime, dir })
    }

    /// A folder of the test's own.
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// A node by name: `m1`, `w1`, ...
    pub fn node(&self, name: &str) -> &Node {
        self.cluster.node(name).unwrap_or_else(|| panic!("the cluster has no node {name}"))
    }

    /// The names of all nodes.
    pub fn names(&self) -> Vec<String> {
        self.cluster.nodes().iter().map(|node| node.name().to_owned()).collect()
    }

    /// Does something with a node that takes a runtime.
    pub fn on<T>(&self, work: impl Future<Output = Result<T, dev_cluster::Error>>) -> Result<T> {
        self.runtime.block_on(work).map_err(|error| anyhow!(chain(&error)))
    }

    /// Makes calls that no command makes.
    pub fn call<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.runtime.block_on(work)
    }

    /// Runs `shoal` against the first manager; its standard output if it succeeds.
    pub fn shoal(&self, args: &[&str]) -> Result<String> {
        self.shoal_on("m1", args)
    }

    /// Runs `shoal` against a node; its standard output if it succeeds.
    pub fn shoal_on(&self, node: &str, args: &[&str]) -> Result<String> {
        let output = self.run(node, args)?;
        ensure!(
            output.status.success(),
            "shoal {} failed: {}{}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr),
            logs(&self.roots)
        );
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs `shoal` against the first manager; its standard error if it fails, as it should.
    pub fn refused(&self, args: &[&str]) -> Result<String> {
        self.refused_on("m1", args)
    }

    /// Runs `shoal` against a node; its standard error if it fails, as it should.
    pub fn refused_on(&self, node: &str, args: &[&str]) -> Result<String> {
        let output = self.run(node, args)?;
        let said = String::from_utf8(output.stderr)?;
        ensure!(!output.status.success(), "shoal {} should have failed; it said: {said}", args.join(" "));
        Ok(said)
    }

    /// Runs `shoal` against a node.
    pub fn run(&self, node: &str, args: &[&str]) -> Result<Output> {
        self.command(node, args)?.output().context("shoal can't be run")
    }

    /// Starts `shoal` against a node and leaves it running.
    pub fn spawn(&self, node: &str, args: &[&str]) -> Result<Child> {
        Ok(self.command(node, args)?.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?)
    }

    fn command(&self, node: &str, args: &[&str]) -> Result<Command> {
        let mut command = Command::new(program()?);
        command
            .args(args)
            .env("SHOAL_HOST", format!("unix://{}", self.node(node).socket().display()))
            .env("NO_COLOR", "1");
        Ok(command)
    }

    /// Loads the busybox image as `test:1` into the store that all nodes share.
    pub fn load_busybox(&self) -> Result<()> {
        let path = self.dir().join("busybox.tar");
        images::busybox(&path, "test:1", json!({ "Cmd": ["sleep", "1000000"], "StopSignal": "SIGKILL" }))?;
        self.load(&path)
    }

    /// Loads the example's image in one version.
    pub fn load_example(&self, version: &str) -> Result<()> {
        self.load(&images::example(version)?)
    }

    /// Loads an archive.
    pub fn load(&self, path: &std::path::Path) -> Result<()> {
        self.shoal(&["image", "load", "-q", "-i", &path.display().to_string()])?;
        Ok(())
    }

    /// What a node answers to an HTTP request at one of its ports, asked from another node's network.
    pub fn http(&self, from: &str, node: &str, port: u16) -> Result<String> {
        let addr = (self.node(node).addr(), port).into();
        self.on(self.node(from).exec_in_netns(move || get(addr)))?
    }

    /// The tasks of a service that run, as `(slot name, node, task id)`.
    pub fn running(&self, service: &str) -> Result<Vec<(String, String, String)>> {
        self.running_via("m1", service)
    }

    /// The same, asked through another manager.
    pub fn running_via(&self, manager: &str, service: &str) -> Result<Vec<(String, String, String)>> {
        let format = "{{.Name}} {{.Node}} {{.ID}} {{.CurrentState}}";
        let args =
            ["service", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", format, service];
        let listed = self.shoal_on(manager, &args)?;
        let tasks = listed.lines().filter_map(|line| {
            let mut words = line.split_whitespace();
            let task = (words.next()?.to_owned(), words.next()?.to_owned(), words.next()?.to_owned());
            (words.next()? == "Running").then_some(task)
        });
        Ok(tasks.collect())
    }

    /// The main processes of a service's running tasks, by task, asked through a manager.
    pub fn processes(&self, manager: &str, service: &str) -> Result<BTreeMap<String, i32>> {
        let node = self.node(manager);
        let request = ListTasksRequest { services: vec![service.to_owned()], nodes: Vec::new() };
        let client = self.on(node.client())?;
        let listed = self.runtime.block_on(async { client.control().list_tasks(request).await })?;
        let running = listed.into_inner().tasks.into_iter().filter_map(|task| {
            let status = task.status?;
            let runs =
                status.state() == TaskState::Running && task.desired == i32::from(DesiredState::Running);
            Some((task.id, i32::try_from(status.pid?).ok()?)).filter(|_| runs)
        });
        Ok(running.collect())
    }

    /// How many containers a node's daemon says it runs.
    pub fn containers_running(&self, node: &str) -> Result<u32> {
        let client = self.on(self.node(node).client())?;
        let info = self.runtime.block_on(async { client.node().info(InfoRequest {}).await })?;
        Ok(info.into_inner().containers_running)
    }

    /// Waits until something holds; errors while it is looked at count as "not yet".
    pub fn wait_until(&self, what: &str, longest: Duration, holds: impl Fn() -> Result<bool>) -> Result<()> {
        let begin = Instant::now();
        loop {
            let last = holds();
            if let Ok(true) = last {
                return Ok(());
            }
            if begin.elapsed() > longest {
                let why = last.err().map(|error| format!(" ({error:#})")).unwrap_or_default();
                bail!("not within {longest:?}: {what}{why}{}", logs(&self.roots));
            }
            std::thread::sleep(LOOK);
        }
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        let name = self.cluster.name().to_owned();
        drop(Guard { name, roots: self.roots.clone(), armed: true });
        let gone = leftovers::await_gone(self.dir.path());
        // A test that fails already says something more important.
        if !std::thread::panicking()
            && let Err(error) = gone
        {
            panic!("{error:#}");
        }
    }
}

/// Takes a cluster down when dropped, also one that never came up whole.
struct Guard {
    name: String,
    roots: Roots,
    armed: bool,
}

impl Guard {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let options = DownOptions { roots: self.roots.clone(), ..DownOptions::new(&self.name) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let down = runtime.map(|runtime| runtime.block_on(dev_cluster::down(options, &|_| {})));
        match down {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => eprintln!("the test's cluster could not be removed: {}", chain(&error)),
            Err(error) => eprintln!("the test's cluster could not be removed: {error}"),
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}

/// The end of every daemon's log, for the message of a test that fails.
fn logs(roots: &Roots) -> String {
    let Ok(nodes) = std::fs::read_dir(roots.run()) else { return String::new() };
    let mut all = String::new();
    for node in nodes.filter_map(Result::ok) {
        if let Ok(log) = std::fs::read_to_string(node.path().join("daemon.log")) {
            let lines: Vec<&str> = log.lines().collect();
            let end = lines[lines.len().saturating_sub(15)..].join("\n");
            all.push_str(&format!("\n--- {}:\n{end}", node.file_name().to_string_lossy()));
        }
    }
    all
}
