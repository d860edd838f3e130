//! Starts a shim and waits for what becomes of its container.

use crate::{
    container_dir::ContainerDir,
    exit_record::{ExitRecord, Outcome},
    protocol::{Event, ShimConfig},
};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use oci_spec::runtime::Spec;
use std::{
    fs::{self, File},
    io::{self, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// How long a start may take. Longer means that the disk or the kernel hangs.
const PATIENCE: Duration = Duration::from_secs(120);
/// The hidden command of the program that is the shim.
pub(crate) const SUBCOMMAND: &str = "shim";
/// No answer of a shim is longer.
const ANSWER_MAX: u64 = 64 << 10;

/// Says why a container could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is one already. A task is started once.
    #[error("container `{path}` exists already; a task is started only once")]
    Exists {
        /// Its folder.
        path: PathBuf,
    },
    /// The spec puts it elsewhere than the runtime looks for it.
    #[error("the spec names cgroup `{named}` but must name `{expected}`")]
    Cgroup {
        /// What the spec says.
        named: PathBuf,
        /// What the runtime says.
        expected: PathBuf,
    },
    /// Its folder can't be made.
    #[error("can't make the folder of container `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The shim can't be run.
    #[error("can't run `{program} {SUBCOMMAND}` to supervise the container")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The shim ended without an answer.
    #[error("the container's supervisor ended at once: {last_words}")]
    Silent {
        /// What it wrote last.
        last_words: String,
    },
    /// The shim takes too long.
    #[error("the container did not start within {} s; the node's disk or kernel hangs", PATIENCE.as_secs())]
    Slow,
    /// The container can't be started, for a reason the user can do something about.
    #[error("{reason}")]
    Refused {
        /// Why, in words for the user.
        reason: String,
    },
}

/// Writes what the shim needs into the container's folder, which must not be there yet.
pub(crate) fn lay_out(dir: &ContainerDir, spec: &Spec, config: &ShimConfig) -> Result<(), StartError> {
    dir.create().map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => StartError::Exists { path: dir.path().into() },
        _ => StartError::Folder { path: dir.path().into(), source },
    })?;
    let write = || {
        fs::write(dir.config(), serde_json::to_vec(spec)?)?;
        fs::write(dir.shim_config(), serde_json::to_vec(config)?)
    };
    write().map_err(|source| StartError::Folder { path: dir.path().into(), source })
}

/// Runs the shim and says the container's main process. Waits until it was started, or was not.
pub(crate) fn run_shim(program: &Path, dir: &ContainerDir) -> Result<u32, StartError> {
    let fail = |source| StartError::Spawn { program: program.into(), source };
    let log = File::options().append(true).create(true).open(dir.shim_log()).map_err(fail)?;
    let mut child = Command::new(program)
        .arg(SUBCOMMAND)
        .arg(dir.path())
        // Nothing of the daemon's environment concerns a container; LISTEN_FDS would even hand on the
        // daemon's sockets.
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(fail)?;
    let stdout = child.stdout.take().expect("standard output was asked to be a pipe");
    // The shim's first process ends at once, its child goes on.
    child.wait().map_err(fail)?;
    match read_answer(stdout).map_err(fail)? {
        None => Err(StartError::Slow),
        Some(answer) => match serde_json::from_slice(&answer) {
            Ok(Event::Started { pid }) => Ok(pid),
            Ok(Event::Ended(ExitRecord { outcome: Outcome::NotStarted { reason }, .. })) => {
                Err(StartError::Refused { reason })
            }
            Ok(_) | Err(_) => Err(StartError::Silent { last_words: last_words(dir) }),
        },
    }
}

/// Reads until the other side closes; `None` if that takes too long.
fn read_answer(mut stdout: ChildStdout) -> io::Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        match poll(&mut [PollFd::new(stdout.as_fd(), PollFlags::POLLIN)], timeout) {
            Ok(0) if left.is_zero() => return Ok(None),
            Ok(0) | Err(nix::Error::EINTR) => continue,
            Ok(_) => {}
            Err(errno) => return Err(errno.into()),
        }
        let mut chunk = [0; 4096];
        match stdout.read(&mut chunk)? {
            0 => return Ok(Some(answer)),
            length if (answer.len() + length) as u64 <= ANSWER_MAX => {
                answer.extend_from_slice(&chunk[..length])
            }
            _ => return Err(io::Error::new(io::ErrorKind::InvalidData, "the shim's answer is too long")),
        }
    }
}

/// What a shim wrote last, if anything.
pub(crate) fn last_words(dir: &ContainerDir) -> String {
    let log = fs::read(dir.shim_log()).unwrap_or_default();
    let text = String::from_utf8_lossy(&log);
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().chars().take(500).collect()
}
