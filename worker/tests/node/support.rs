//! A node of its own for each test: folders, a namespace that plays the host, an image store with
//! busybox, and a manager. Everything goes when it is dropped.

use crate::{image, manager::Manager};
use manager_store::disk::DiskError;
use proto::model::{
    ContainerSpec, DesiredState, EndpointMode, Mount, MountKind, NodeId, PublishedPort, RolloutConfig,
    ServiceId, ServiceMode, ServiceSpec, SlotKey, Task, TaskId, TaskNetwork, TaskSpec, TaskState, TaskStatus,
    Timestamp,
};
use std::{
    collections::BTreeMap,
    fs,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    sync::oneshot,
    task::JoinHandle,
    time::{Instant, sleep},
};
use worker::{Facilities, Handle, Worker, WorkerConfig, WorkerError, describe};
use worker_images::ImageStore;
use worker_network::{Namespace, Network, NetworkConfig};
use worker_runtime::{Runtime, RuntimeConfig};

/// A condition that has not come true by then never will.
pub const DEADLINE: Duration = Duration::from_secs(60);

pub struct Node {
    pub manager: Manager,
    pub host: Namespace,
    folder: TempDir,
    config: WorkerConfig,
    images: ImageStore,
}

/// A worker that runs; dropping it is like killing the daemon.
pub struct Daemon {
    pub handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<Result<(), WorkerError>>,
}

impl Node {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let host_path = folder.path().join("host-netns");
        let host = Namespace::create(&host_path).await.unwrap();
        let node = NodeId::from_bits(random());
        let mut network = NetworkConfig::new(node.to_string(), folder.path().join("run"));
        network.host_netns = Some(host_path);
        let config = WorkerConfig {
            data_dir: folder.path().join("data"),
            description: describe(BTreeMap::new(), None),
            insecure_registries: Vec::new(),
            shim_program: env!("CARGO_BIN_EXE_worker-shim").into(),
            network,
        };
        let images = ImageStore::open(&folder.path().join("images")).await.unwrap();
        images.load(Cursor::new(image::archive())).await.unwrap();
        Self { manager: Manager::start().await, host, folder, config, images }
    }

    /// Starts the node's worker.
    pub async fn open(&self) -> Daemon {
        let deadline = Instant::now() + DEADLINE;
        let worker = loop {
            let facilities = Facilities {
                images: self.images.clone(),
                connector: Arc::new(self.manager.clone()),
                jitter: Box::new(|| 0),
            };
            match Worker::open(self.config.clone(), facilities).await {
                Ok(worker) => break worker,
                // What is aborted is dropped a little later.
                Err(WorkerError::Disk(DiskError::InUse { .. })) if Instant::now() < deadline => {
                    sleep(Duration::from_millis(10)).await;
                }
                Err(error) => panic!("{error:?}"),
            }
        };
        let handle = worker.handle();
        let (stop, stopped) = oneshot::channel();
        let stopping = async {
            let _ = stopped.await;
        };
        let running = tokio::spawn(worker.run(stopping));
        Daemon { handle, stop: Some(stop), running }
    }

    /// Starts the worker and waits until it has a session.
    pub async fn up(&self) -> Daemon {
        let before = self.manager.registrations();
        let daemon = self.open().await;
        until("a session", || self.manager.registrations() > before && self.manager.is_up()).await;
        daemon
    }

    /// A path in the test's folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Makes a gate that is closed.
    pub fn gate(&self) -> Gate {
        let folder = self.path("gate");
        fs::create_dir(&folder).unwrap();
        Gate(folder)
    }

    pub fn data(&self) -> &Path {
        &self.config.data_dir
    }

    /// Waits until a task is over and says how it ended.
    pub async fn end_of(&self, task: &Task) -> TaskStatus {
        let manager = &self.manager;
        until("the task's end", || manager.status(task.id).is_some_and(|status| status.state.is_terminal()))
            .await;
        manager.status(task.id).unwrap()
    }

    /// Waits until a task runs and says its process.
    pub async fn pid_of(&self, task: &Task) -> u32 {
        until("the task to run", || self.manager.has_heard(task.id, TaskState::Running)).await;
        let status = self.manager.status(task.id).unwrap();
        assert_eq!(status.state, TaskState::Running, "{status:?}");
        status.pid.unwrap()
    }
}

impl Daemon {
    /// Kills the daemon: nothing more of it is carried out.
    pub async fn kill(mut self) {
        self.running.abort();
        let _ = (&mut self.running).await;
    }

    /// Stops it as planned.
    pub async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        (&mut self.running).await.unwrap().unwrap();
    }

    /// Waits until it has ended by itself.
    pub async fn ended(mut self) {
        (&mut self.running).await.unwrap().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let runtime = RuntimeConfig {
            state_dir: self.config.data_dir.clone(),
            node_short: self.config.network.node_id[..8].to_owned(),
            shim_program: self.config.shim_program.clone(),
        };
        let (network, host) = (self.config.network.clone(), self.host.path().to_owned());
        // Not on the test's own runtime, which is about to end.
        let cleaned = thread::spawn(move || {
            let runtime = Runtime::open(runtime).unwrap();
            for task in runtime.list().unwrap() {
                runtime.remove(task).unwrap();
            }
            runtime.remove_node_cgroups().unwrap();
            let waiter = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            waiter.block_on(Network::destroy(&network)).unwrap();
            Namespace::remove(&host).unwrap();
        });
        let cleaned = cleaned.join();
        if !thread::panicking() {
            cleaned.unwrap();
        }
    }
}

/// A folder that a container can see, in which a test says when the container is to go on.
pub struct Gate(PathBuf);

impl Gate {
    /// Shown at `/gate`; a container waits with [`Gate::WAIT`].
    pub fn mount(&self) -> Mount {
        let source = self.0.to_str().unwrap().to_owned();
        Mount { target: "/gate".into(), read_only: true, kind: MountKind::Bind { source } }
    }

    /// Waits in a script until the gate is open.
    pub const WAIT: &str = "until [ -e /gate/open ]; do sleep 0.05; done";

    pub fn open(&self) {
        fs::write(self.0.join("open"), "").unwrap();
    }
}

/// Polls a condition until it holds.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come");
        sleep(Duration::from_millis(10)).await;
    }
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).unwrap();
    u128::from_le_bytes(bytes)
}

/// Makes a task that runs a script of busybox's shell; tests change what they are about.
pub struct TaskBuilder {
    container: ContainerSpec,
    ports: Vec<PublishedPort>,
}

pub fn script(text: &str) -> TaskBuilder {
    let args = ["sh", "-c", text].map(String::from).to_vec();
    let container = ContainerSpec {
        image: image::NAME.into(),
        args,
        // A shell that is process 1 ignores SIGTERM unless it traps it.
        stop_signal: Some("KILL".parse().unwrap()),
        ..ContainerSpec::default()
    };
    TaskBuilder { container, ports: Vec::new() }
}

impl TaskBuilder {
    pub fn image(mut self, image: &str) -> Self {
        self.container.image = image.into();
        self
    }

    pub fn mount(mut self, mount: Mount) -> Self {
        self.container.mounts.push(mount);
        self
    }

    pub fn port(mut self, port: PublishedPort) -> Self {
        self.ports.push(port);
        self
    }

    pub fn build(self) -> Task {
        let network = TaskNetwork::Node;
        let spec = ServiceSpec {
            name: "web".parse().unwrap(),
            labels: BTreeMap::new(),
            mode: ServiceMode::Replicated { replicas: 1 },
            task: TaskSpec { container: self.container, network, ..TaskSpec::default() },
            ports: self.ports,
            update: RolloutConfig::default(),
            rollback: RolloutConfig::default(),
            endpoint_mode: EndpointMode::default(),
            job: Default::default(),
        };
        Task {
            id: TaskId::from_bits(random()),
            version: 1,
            created_at: Timestamp(0),
            service: ServiceId::from_bits(random()),
            slot: SlotKey::Replica(1),
            spec: Arc::new(spec),
            task_version: 1,
            node: Some(NodeId::from_bits(random())),
            desired: DesiredState::Running,
            start_after: None,
            status: TaskStatus { state: TaskState::Assigned, ..TaskStatus::new(Timestamp(0)) },
            addresses: Vec::new(),
            connections: Vec::new(),
        }
    }
}
