//! A node of its own for each test, with an image made of busybox; everything goes when it is dropped.

use nix::unistd::Pid;
use proto::model::{ContainerSpec, Limits, Signal, TaskId, service::LogConfig};
use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use worker_core::oci_spec::{
    Architecture, GeneratedFiles, ImageConfig, NetworkNamespace, ResolvedMount, SpecInput, build,
    capabilities_from_mask,
};
use worker_runtime::{
    ContainerStart, ExitRecord, Outcome, Running, Runtime, RuntimeConfig, StartError, identify,
    logs::{self, LogEntry, LogOptions},
};

/// A condition that has not come true by then never will.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Node {
    pub runtime: Runtime,
    pub config: RuntimeConfig,
    pub image: PathBuf,
    folder: TempDir,
}

/// What a test wants to run; it changes what it is about.
pub struct Request {
    pub task: TaskId,
    pub container: ContainerSpec,
    pub limits: Limits,
    pub log: LogConfig,
    pub mounts: Vec<ResolvedMount>,
}

impl Request {
    pub fn command(words: &[&str]) -> Self {
        let args = words.iter().map(|word| word.to_string()).collect();
        Self {
            task: TaskId::from_bits(u128::from(random()) << 64 | u128::from(random())),
            container: ContainerSpec { image: "busybox".into(), args, ..Default::default() },
            limits: Limits::default(),
            log: LogConfig::default(),
            mounts: Vec::new(),
        }
    }

    pub fn script(script: &str) -> Self {
        Self::command(&["sh", "-c", script])
    }
}

impl Node {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        make_image(&image);
        let config = RuntimeConfig {
            state_dir: folder.path().join("state"),
            node_short: format!("{:012x}", random() >> 16),
            shim_program: env!("CARGO_BIN_EXE_worker-runtime-shim").into(),
        };
        Self { runtime: Runtime::open(config.clone()).unwrap(), config, image, folder }
    }

    /// The image's layers, the lowest first.
    pub fn layers(&self) -> Vec<PathBuf> {
        vec![self.image.join("base"), self.image.join("top")]
    }

    pub fn start(&self, request: &Request) -> Result<Running, StartError> {
        let layers = self.layers();
        let identity =
            identify(&layers, request.container.user.as_deref(), &request.container.groups).unwrap();
        let image = ImageConfig { cmd: vec!["sh".into()], ..Default::default() };
        let input = SpecInput {
            task: request.task,
            container: &request.container,
            limits: &request.limits,
            image: &image,
            identity: &identity,
            mounts: &request.mounts,
            network: &NetworkNamespace::Isolated,
            cgroup_path: &self.runtime.cgroup_path(request.task),
            node_cgroups: self.runtime.node_cgroups(),
            files: &GeneratedFiles::default(),
            available_capabilities: &capabilities_from_mask(u64::MAX),
            architecture: Architecture::NATIVE,
        };
        self.runtime.start(&ContainerStart {
            task: request.task,
            spec: build(&input).unwrap(),
            lower_dirs: layers,
            log: request.log.clone(),
            stop_signal: request.container.stop_signal.unwrap_or(Signal::TERM),
        })
    }

    /// Runs something to its end and says its exit code and what it wrote, without final line feed.
    pub fn run(&self, request: &Request) -> (i32, String) {
        let running = self.start(request).unwrap();
        let record = wait(&running);
        assert_eq!(record.problems, Vec::<String>::new());
        let Outcome::Exited { code, .. } = record.outcome else { panic!("{record:?}") };
        (code, text(&self.read(request.task, LogOptions::default())))
    }

    /// Why something could not be started.
    pub fn refusal(&self, request: &Request) -> String {
        match self.start(request) {
            Err(error @ StartError::Refused { .. }) => error.to_string(),
            other => panic!("{other:?}"),
        }
    }

    pub fn read(&self, task: TaskId, options: LogOptions) -> Vec<LogEntry> {
        logs::read(&self.runtime.dir(task), options).unwrap().map(Result::unwrap).collect()
    }

    /// Waits until a container has written a line.
    pub fn wait_for_line(&self, task: TaskId, line: &str) {
        until(&format!("line `{line}`"), || {
            self.read(task, LogOptions::default()).iter().any(|entry| entry.text.trim_end() == line)
        });
    }

    /// Waits until a task has no other traces than these. A shim ends a moment after it has told so.
    pub fn wait_until_only(&self, kinds: &[&str], task: TaskId) {
        let others = || {
            let mut traces = self.traces(Some(task));
            traces.retain(|trace| !kinds.iter().any(|kind| trace.starts_with(kind)));
            traces
        };
        until_or(|| others().is_empty(), || format!("{:?} is left", others()));
    }

    /// Everything in the kernel and on disk that still belongs to a task or to the whole node.
    pub fn traces(&self, task: Option<TaskId>) -> Vec<String> {
        let folder = match task {
            Some(task) => self.runtime.dir(task).path().to_owned(),
            None => self.config.state_dir.join("containers"),
        };
        let shown = folder.to_str().unwrap();
        let mut traces = Vec::new();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        traces.extend(mounts.lines().filter(|line| line.contains(shown)).map(|line| format!("mount {line}")));
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let command = fs::read_to_string(process.path().join("cmdline")).unwrap_or_default();
            if command.contains(shown) {
                traces.push(format!("process {} {}", process.path().display(), command.replace('\0', " ")));
            }
        }
        let cgroup = match task {
            Some(task) => self.runtime.cgroup_path(task),
            None => format!("/shoal-{}", self.config.node_short),
        };
        let roots = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
        for root in roots.chain([PathBuf::from("/sys/fs/cgroup")]) {
            let path = root.join(cgroup.trim_start_matches('/'));
            if path.exists() {
                traces.push(format!("cgroup {}", path.display()));
            }
        }
        match task {
            Some(_) if folder.exists() => traces.push(format!("folder {shown}")),
            None => {
                traces.extend(self.runtime.list().unwrap().iter().map(|task| format!("container {task}")))
            }
            Some(_) => {}
        }
        traces
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let removed = self.runtime.list().map(|tasks| {
            tasks.into_iter().filter_map(|task| self.runtime.remove(task).err()).collect::<Vec<_>>()
        });
        let cgroups = self.runtime.remove_node_cgroups();
        if !thread::panicking() {
            assert!(matches!(removed.as_deref(), Ok([])), "{removed:?}");
            cgroups.unwrap();
            let traces = || self.traces(None);
            until_or(|| traces().is_empty(), || format!("{:?} is left in {:?}", traces(), self.folder));
        }
    }
}

/// The process that supervises a container.
pub fn shim(running: &Running) -> Pid {
    let text = fs::read_to_string(running.dir().pid_file()).unwrap();
    Pid::from_raw(text.split(' ').next().unwrap().parse().unwrap())
}

pub fn wait(running: &Running) -> ExitRecord {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited = runtime.block_on(async { tokio::time::timeout(DEADLINE, running.wait()).await });
    waited.expect("the container ends").unwrap()
}

/// Polls a condition until it holds.
pub fn until(what: &str, holds: impl FnMut() -> bool) {
    until_or(holds, || format!("{what} did not come"));
}

fn until_or(mut holds: impl FnMut() -> bool, complaint: impl Fn() -> String) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{}", complaint());
        thread::sleep(Duration::from_millis(10));
    }
}

pub fn text(entries: &[LogEntry]) -> String {
    let all: String = entries.iter().map(|entry| entry.text.as_str()).collect();
    all.trim_end().to_owned()
}

/// Different in every process and call.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

/// Two layers: busybox and a user file; above it the real user files and some programs that don't run.
fn make_image(image: &Path) {
    let [base, top] = [image.join("base"), image.join("top")];
    for folder in ["bin", "etc", "tmp"] {
        fs::create_dir_all(base.join(folder)).unwrap();
    }
    fs::copy("/bin/busybox", base.join("bin/busybox")).expect("install the package busybox-static");
    let applets = Command::new("/bin/busybox").arg("--list").output().unwrap();
    for applet in String::from_utf8(applets.stdout).unwrap().lines().filter(|applet| *applet != "busybox") {
        symlink("busybox", base.join("bin").join(applet)).unwrap();
    }
    fs::write(base.join("etc/passwd"), "").unwrap();
    for folder in ["bin", "etc"] {
        fs::create_dir_all(top.join(folder)).unwrap();
    }
    fs::write(top.join("etc/passwd"), "root:x:0:0::/root:/bin/sh\nweb:x:101:102::/srv:/bin/sh\n").unwrap();
    fs::write(top.join("etc/group"), "root:x:0:\nweb:x:102:\nlogs:x:50:web\n").unwrap();
    fs::write(top.join("bin/plain"), "not executable").unwrap();
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1];
    elf.resize(64, 0);
    (elf[16], elf[18]) = (2, 243);
    for (name, content) in
        [("riscv", &elf[..]), ("python-script", b"#!/usr/bin/python3\n"), ("no-hashbang", b"echo\n")]
    {
        let path = top.join("bin").join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
}
