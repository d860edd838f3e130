//! The containers of a node.

use crate::{
    cgroup::{CgroupError, Hierarchies},
    container_dir::ContainerDir,
    exec::{self, ExecError, Executed},
    exit_record::{ExitRecord, RecordError},
    protocol::ShimConfig,
    recovery::{PATIENCE, Recovery, State},
    running::{Running, RunningError},
    spawn::{self, StartError},
};
use oci_spec::runtime::Spec;
use proto::model::{self, TaskId, service::LogConfig};
use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::Duration,
};
use tracing::{debug, warn};
use worker_core::oci_spec::NodeCgroups;

/// Where a node's containers live and who supervises them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeConfig {
    /// The daemon's folder; containers are kept in `containers` below it.
    pub state_dir: PathBuf,
    /// The node's id, shortened: several nodes may run on one machine.
    pub node_short: String,
    /// The program whose hidden command `shim` calls [`crate::shim::main`]; `/proc/self/exe` for the
    /// daemon's own.
    pub shim_program: PathBuf,
}

/// What a container is started from.
#[derive(Debug, Clone)]
pub struct ContainerStart {
    /// The task; also the container's id.
    pub task: TaskId,
    /// What to run; its cgroup must be [`Runtime::cgroup_path`].
    pub spec: Spec,
    /// Folders of the image's layers, the lowest first.
    pub lower_dirs: Vec<PathBuf>,
    /// How much output is kept.
    pub log: LogConfig,
    /// What [`Running::stop`] sends.
    pub stop_signal: model::Signal,
}

/// What became of a task's container.
#[derive(Debug)]
pub enum Found {
    /// It runs.
    Running(Running),
    /// It ended, or was never started.
    Exited(ExitRecord),
    /// Its supervisor was gone. What was left of it has been killed, and a record written.
    Lost(ExitRecord),
}

/// Says what could not be done with a node's containers.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The folder for containers.
    #[error("can't use folder `{path}` for containers")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A container's folder can't be removed.
    #[error("can't remove the folder of container `{path}`")]
    Remove {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Cgroups.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The shim lives but says nothing.
    #[error(transparent)]
    Shim(#[from] RunningError),
}

/// The containers of one node. Every call may wait for the disk, and some for processes to end.
pub struct Runtime {
    config: RuntimeConfig,
    cgroups: Hierarchies,
    /// Read while a container is started: the node's own cgroup must not be removed meanwhile.
    starting: RwLock<()>,
}

impl Runtime {
    /// Opens the folder of a node's containers, and makes it if it is not there.
    pub fn open(mut config: RuntimeConfig) -> Result<Self, RuntimeError> {
        let folder = |path: PathBuf| |source| RuntimeError::Folder { path, source };
        // A shim changes its working directory.
        let state_dir = std::path::absolute(&config.state_dir).map_err(folder(config.state_dir.clone()))?;
        let containers = state_dir.join("containers");
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&containers);
        made.map_err(folder(containers))?;
        config.state_dir = state_dir;
        Ok(Self { config, cgroups: Hierarchies::detect()?, starting: RwLock::new(()) })
    }

    /// The cgroup a task's container must be given.
    pub fn cgroup_path(&self, task: TaskId) -> String {
        format!("{}/{task}", self.node_cgroup())
    }

    /// What the node's cgroups can do.
    pub fn node_cgroups(&self) -> NodeCgroups {
        NodeCgroups { version: self.cgroups.version(), limits_swap: self.cgroups.limit_swap() }
    }

    /// The folder of a task's container, whether it is there or not.
    pub fn dir(&self, task: TaskId) -> ContainerDir {
        ContainerDir::new(&self.containers(), task)
    }

    /// Starts a container under a shim of its own. If that fails, nothing of it is left.
    pub fn start(&self, start: &ContainerStart) -> Result<Running, StartError> {
        let dir = self.dir(start.task);
        let expected = PathBuf::from(self.cgroup_path(start.task));
        let named =
            start.spec.linux().as_ref().and_then(|linux| linux.cgroups_path().clone()).unwrap_or_default();
        if named != expected {
            return Err(StartError::Cgroup { named, expected });
        }
        let config = ShimConfig {
            id: start.task.to_string(),
            lower_dirs: start.lower_dirs.clone(),
            log: start.log.clone(),
            stop_signal: start.stop_signal,
        };
        let started = {
            let _starting = self.starting.read().unwrap_or_else(PoisonError::into_inner);
            match spawn::lay_out(&dir, &start.spec, &config) {
                // Somebody else's container is left alone.
                Err(error @ StartError::Exists { .. }) => return Err(error),
                Err(error) => Err(error),
                Ok(()) => spawn::run_shim(&self.config.shim_program, &dir),
            }
        };
        match started {
            Ok(pid) => {
                debug!(task = %start.task, pid, "container started");
                Ok(Running::new(dir, pid, self.recovery(start.task)))
            }
            Err(error) => {
                if let Err(left) = self.remove(start.task) {
                    warn!(task = %start.task, error = %left, "a container that did not start can't be removed");
                }
                Err(error)
            }
        }
    }

    /// Runs one more program in a task's container, which runs, with the rights and the environment of
    /// its own. It is ended when its time is over.
    pub async fn exec(
        &self,
        task: TaskId,
        args: Vec<String>,
        timeout: Duration,
    ) -> Result<Executed, ExecError> {
        exec::exec(&self.config.shim_program, &self.dir(task), args, timeout).await
    }

    /// Finds out what became of a task's container, as after a restart of the daemon; `None` if there
    /// is none. Waits for a start that is under way.
    pub fn find(&self, task: TaskId) -> Result<Option<Found>, RuntimeError> {
        let dir = self.dir(task);
        if !dir.path().exists() {
            return Ok(None);
        }
        let recovery = self.recovery(task);
        Ok(Some(match recovery.find(&dir)? {
            State::Running(pid) => Found::Running(Running::new(dir, pid, recovery)),
            State::Ended(record) => Found::Exited(record),
            State::Lost(record) => Found::Lost(record),
        }))
    }

    /// Names the tasks that have a container here, running or not.
    pub fn list(&self) -> Result<Vec<TaskId>, RuntimeError> {
        let path = self.containers();
        let list = || {
            let mut tasks = Vec::new();
            for entry in fs::read_dir(&path)? {
                tasks.extend(entry?.file_name().to_str().and_then(|name| name.parse::<TaskId>().ok()));
            }
            Ok(tasks)
        };
        list().map_err(|source| RuntimeError::Folder { path: path.clone(), source })
    }

    /// Removes a task's container, killing it first if it runs. Fine if there is none.
    pub fn remove(&self, task: TaskId) -> Result<(), RuntimeError> {
        let dir = self.dir(task);
        self.recovery(task).end(&dir)?;
        match fs::remove_dir_all(dir.path()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(RuntimeError::Remove { path: dir.path().into(), source });
            }
            _ => {}
        }
        // While another is being started its cgroup may be about to appear here.
        if let Ok(_nobody_starts) = self.starting.try_write() {
            self.cgroups.remove_if_empty(Path::new(&self.node_cgroup()))?;
        }
        Ok(())
    }

    /// Kills whatever still runs in any cgroup of the node and removes them all, as when the node
    /// leaves its cluster.
    pub fn remove_node_cgroups(&self) -> Result<(), RuntimeError> {
        let _nobody_starts = self.starting.write().unwrap_or_else(PoisonError::into_inner);
        let cgroup = PathBuf::from(self.node_cgroup());
        self.cgroups.kill(&cgroup, PATIENCE, || {})?;
        Ok(self.cgroups.remove(&cgroup, PATIENCE)?)
    }

    fn node_cgroup(&self) -> String {
        format!("/shoal-{}", self.config.node_short)
    }

    fn containers(&self) -> PathBuf {
        self.config.state_dir.join("containers")
    }

    fn recovery(&self, task: TaskId) -> Recovery {
        Recovery { cgroups: self.cgroups.clone(), cgroup: self.cgroup_path(task).into() }
    }
}
