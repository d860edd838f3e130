//! The folder of a container: what lies where.
//!
//! ```text
//! <state>/containers/<task id>/
//!     config.json   the OCI spec            shim.json   layers, log limits, stop signal
//!     upper/ work/  what the container changed (overlayfs)
//!     rootfs/       where its root is mounted, visible to the shim only
//!     logs/         its output              oci/        libcontainer's own state
//!     shim.sock     commands to the shim    shim.pid    the shim's process, and when it began
//!     shim.log      what went wrong in the shim
//!     exit.json     how it ended; written once, as the last thing
//! ```

use proto::model::TaskId;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// The folder of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDir(PathBuf);

impl ContainerDir {
    /// Names the folder of a task's container.
    pub fn new(containers: &Path, task: TaskId) -> Self {
        Self(containers.join(task.to_string()))
    }

    /// Takes a path for a container's folder.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes the folder and those in it, readable by nobody else. It must not be there yet.
    pub fn create(&self) -> io::Result<()> {
        let private = |path: &Path| fs::DirBuilder::new().mode(0o700).create(path);
        private(&self.0)?;
        for folder in [self.work(), self.rootfs(), self.logs(), self.runtime_state()] {
            private(&folder)?;
        }
        // The root of the upper layer lends its permissions to the container's `/`.
        fs::create_dir(self.upper())?;
        fs::set_permissions(self.upper(), fs::Permissions::from_mode(0o755))
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The OCI spec.
    pub fn config(&self) -> PathBuf {
        self.0.join("config.json")
    }

    /// What the shim needs beside the spec.
    pub fn shim_config(&self) -> PathBuf {
        self.0.join("shim.json")
    }

    /// What the container changed.
    pub fn upper(&self) -> PathBuf {
        self.0.join("upper")
    }

    /// Scratch space of overlayfs.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// Where the root is mounted.
    pub fn rootfs(&self) -> PathBuf {
        self.0.join(worker_core::oci_spec::ROOTFS)
    }

    /// The output.
    pub fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    /// libcontainer's own state.
    pub fn runtime_state(&self) -> PathBuf {
        self.0.join("oci")
    }

    /// Commands to the shim.
    pub fn socket(&self) -> PathBuf {
        self.0.join(SOCKET)
    }

    /// The shim's process.
    pub fn pid_file(&self) -> PathBuf {
        self.0.join("shim.pid")
    }

    /// What went wrong in the shim.
    pub fn shim_log(&self) -> PathBuf {
        self.0.join("shim.log")
    }

    /// How the container ended.
    pub fn exit_record(&self) -> PathBuf {
        self.0.join("exit.json")
    }
}

/// The socket's name in the folder.
pub(crate) const SOCKET: &str = "shim.sock";
