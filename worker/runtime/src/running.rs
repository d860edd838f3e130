//! A container that was started and, as far as is known, runs.

use crate::{
    container_dir::{ContainerDir, SOCKET},
    descriptors,
    exit_record::{ExitRecord, RecordError},
    protocol::{Command, Event, line},
    recovery::{Recovery, State},
    runtime::RuntimeError,
};
use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};
use proto::model::Signal;
use std::{
    io,
    os::{
        fd::{AsRawFd, BorrowedFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::PathBuf,
    time::Duration,
};
use tokio::io::AsyncBufReadExt;

/// How long a shim may take to answer. It may be starting its container, or the disk may be slow.
const ANSWER: Duration = Duration::from_secs(30);
/// How long to wait before a shim that let the connection go is asked again.
const AGAIN: Duration = Duration::from_millis(200);

/// Says what could not be done with a running container.
#[derive(Debug, thiserror::Error)]
pub enum RunningError {
    /// The shim is not there; most likely the container has ended.
    #[error("can't reach the supervisor of container `{path}`; it has ended, or is about to")]
    Connect {
        /// The container's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The shim did not answer.
    #[error("the supervisor of container `{path}` does not answer")]
    Answer {
        /// The container's folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The shim could not do it.
    #[error("the supervisor of container `{path}` refuses: {reason}")]
    Refused {
        /// The container's folder.
        path: PathBuf,
        /// Why, in its words.
        reason: String,
    },
    /// The record can't be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// A running container, found by its folder: it holds no resource, and any number of these may name
/// the same container.
#[derive(Debug, Clone)]
pub struct Running {
    dir: ContainerDir,
    pid: u32,
    recovery: Recovery,
}

impl Running {
    pub(crate) fn new(dir: ContainerDir, pid: u32, recovery: Recovery) -> Self {
        Self { dir, pid, recovery }
    }

    /// Its main process, as the host sees it.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Its folder.
    pub fn dir(&self) -> &ContainerDir {
        &self.dir
    }

    /// Sends a signal to the main process.
    pub fn signal(&self, signal: Signal) -> Result<(), RunningError> {
        self.command(&Command::Signal { signal })
    }

    /// Asks the main process to end, by the stop signal it was started with.
    pub fn stop(&self) -> Result<(), RunningError> {
        self.command(&Command::Stop)
    }

    /// Ends the main process, and everything else in the container with it.
    pub fn kill(&self) -> Result<(), RunningError> {
        self.signal(Signal::KILL)
    }

    /// Waits until the container has ended and is cleaned up. May be dropped and called again.
    ///
    /// If its supervisor died, what is left of the container is killed, which may take seconds, and a
    /// record is written.
    pub async fn wait(&self) -> Result<ExitRecord, RuntimeError> {
        loop {
            if let Some(record) = self.told_the_end().await {
                return Ok(record);
            }
            let (recovery, dir) = (self.recovery.clone(), self.dir.clone());
            let found = tokio::task::spawn_blocking(move || recovery.find(&dir)).await;
            // The task is never cancelled, so it can only have panicked.
            match found.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))? {
                State::Ended(record) | State::Lost(record) => return Ok(record),
                // The shim lives, but let this connection go.
                State::Running(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// The record as the shim tells it; `None` if it ended without, or before anyone was connected.
    async fn told_the_end(&self) -> Option<ExitRecord> {
        let (folder, path) = socket_path(&self.dir).ok()?;
        let stream = tokio::net::UnixStream::connect(path).await.ok()?;
        drop(folder);
        let mut lines = tokio::io::BufReader::new(stream).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            if let Ok(Event::Ended(record)) = serde_json::from_str(&line) {
                return Some(record);
            }
        }
        None
    }

    /// Has the supervisor keep at most 4 descriptors open as long as the container runs, in place of those it held
    /// before, so that they outlive the daemon.
    pub fn hold(&self, descriptors: &[BorrowedFd<'_>]) -> Result<(), RunningError> {
        self.exchange(&Command::Hold, descriptors).map(drop)
    }

    /// Returns what the supervisor holds, which it goes on to. One that an older version started refuses.
    pub fn held(&self) -> Result<Vec<OwnedFd>, RunningError> {
        self.exchange(&Command::Held, &[])
    }

    fn command(&self, command: &Command) -> Result<(), RunningError> {
        self.exchange(command, &[]).map(drop)
    }

    fn exchange(&self, command: &Command, along: &[BorrowedFd<'_>]) -> Result<Vec<OwnedFd>, RunningError> {
        match exchange(&self.dir, command, along)? {
            (Event::Refused { reason }, _) => {
                Err(RunningError::Refused { path: self.dir.path().into(), reason })
            }
            (Event::Ended(_), _) => Err(RunningError::Connect {
                path: self.dir.path().into(),
                source: io::Error::new(io::ErrorKind::NotConnected, "the container has ended"),
            }),
            (Event::Started { .. } | Event::Signalled | Event::Holding { .. }, given) => Ok(given),
        }
    }
}

/// Asks a shim something and waits for its answer.
pub(crate) fn ask(dir: &ContainerDir, command: &Command) -> Result<Event, RunningError> {
    exchange(dir, command, &[]).map(|(event, _)| event)
}

/// Asks a shim something, giving it descriptors, and waits for its answer and what comes along.
fn exchange(
    dir: &ContainerDir,
    command: &Command,
    along: &[BorrowedFd<'_>],
) -> Result<(Event, Vec<OwnedFd>), RunningError> {
    let connect = || {
        let (_folder, path) = socket_path(dir)?;
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(ANSWER))?;
        Ok(stream)
    };
    let stream = connect().map_err(|source| RunningError::Connect { path: dir.path().into(), source })?;
    let exchanged = || {
        descriptors::send(&stream, &line(command), along)?;
        let (mut answer, mut given, mut chunk) = (Vec::new(), Vec::new(), [0; 4096]);
        loop {
            let length = descriptors::receive(&stream, &mut chunk, &mut given)?;
            answer.extend_from_slice(&chunk[..length]);
            // The end of the container may be told behind the answer.
            if let Some(line) = answer.split_inclusive(|&byte| byte == b'\n').next()
                && line.ends_with(b"\n")
            {
                return Ok((serde_json::from_slice(line)?, given));
            }
            if length == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    };
    exchanged().map_err(|source| RunningError::Answer { path: dir.path().into(), source })
}

/// A way to the socket that is never too long for an address. The folder must stay open while
/// connecting.
fn socket_path(dir: &ContainerDir) -> io::Result<(OwnedFd, PathBuf)> {
    let folder = open(dir.path(), OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    let path = PathBuf::from(format!("/proc/self/fd/{}", folder.as_raw_fd())).join(SOCKET);
    Ok((folder, path))
}
