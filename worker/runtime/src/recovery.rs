//! Finds out what became of a container, and ends one whose shim does not do it any more.

use crate::{
    cgroup::Hierarchies,
    container_dir::ContainerDir,
    exit_record::{ExitRecord, Outcome},
    process_id::ProcessId,
    protocol::{Command, Event},
    running::ask,
    runtime::RuntimeError,
    spawn,
};
use jiff::Timestamp;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use proto::model;
use std::{
    fs,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};

/// How long killed processes may take to end, and a shim that lives to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
const STEP: Duration = Duration::from_millis(5);

/// What is needed to look after a container without its shim.
#[derive(Debug, Clone)]
pub(crate) struct Recovery {
    pub cgroups: Hierarchies,
    /// The container's cgroup, from the root of the hierarchies.
    pub cgroup: PathBuf,
}

/// What became of a container.
pub(crate) enum State {
    /// It runs, with this main process.
    Running(u32),
    /// It ended, or was never started.
    Ended(ExitRecord),
    /// Its shim was gone. What was left has been killed just now, and a record written.
    Lost(ExitRecord),
}

impl Recovery {
    /// Finds out what became of a container that has a folder. Waits for a start that is under way.
    pub fn find(&self, dir: &ContainerDir) -> Result<State, RuntimeError> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Before the record is looked for: a shim that ends in between leaves one.
            let alive = shim_of(dir).is_some_and(ProcessId::is_alive);
            if let Some(record) = ExitRecord::read(&dir.exit_record())? {
                return Ok(State::Ended(record));
            }
            match ask(dir, &Command::Status) {
                Ok(Event::Started { pid }) => return Ok(State::Running(pid)),
                Ok(Event::Ended(record)) => return Ok(State::Ended(record)),
                Ok(Event::Signalled | Event::Holding { .. } | Event::Refused { .. }) => {}
                Err(_) if !alive => return self.record_loss(dir).map(State::Lost),
                Err(error) if Instant::now() > deadline => return Err(error.into()),
                // It has not made its socket yet, or is about to end.
                Err(_) => thread::sleep(STEP),
            }
        }
    }

    /// Ends the shim if it lives, then everything in the container's cgroup, and removes the cgroup.
    pub fn end(&self, dir: &ContainerDir) -> Result<(), RuntimeError> {
        let shim = shim_of(dir);
        let kill_shim = || {
            if let Some(shim) = shim.filter(|shim| shim.is_alive()) {
                // It may have ended since it was looked at.
                let _ = kill(Pid::from_raw(shim.pid), Signal::SIGKILL);
            }
        };
        kill_shim();
        self.cgroups.kill(&self.cgroup, PATIENCE, kill_shim)?;
        Ok(self.cgroups.remove(&self.cgroup, PATIENCE)?)
    }

    fn record_loss(&self, dir: &ContainerDir) -> Result<ExitRecord, RuntimeError> {
        let last_words = spawn::last_words(dir);
        self.end(dir)?;
        let at = model::Timestamp(Timestamp::now().as_millisecond());
        let outcome = Outcome::SupervisorDied { last_words };
        let record = ExitRecord { at, outcome, problems: Vec::new() };
        record.write(&dir.exit_record())?;
        Ok(record)
    }
}

fn shim_of(dir: &ContainerDir) -> Option<ProcessId> {
    fs::read_to_string(dir.pid_file()).ok()?.parse().ok()
}
