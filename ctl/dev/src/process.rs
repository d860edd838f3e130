//! Processes by number and start time, so that a number that was given to another process is never
//! signalled.

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::wait::{WaitPidFlag, waitpid},
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::{
    fmt, fs, io,
    os::fd::{AsFd, OwnedFd},
    str::FromStr,
    thread,
    time::{Duration, Instant},
};

/// Pause between two looks at processes that were killed and whose children may have come to light.
const STEP: Duration = Duration::from_millis(5);

/// Says why processes can't be found or ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The list of processes can't be read.
    #[error("can't read the list of processes in /proc")]
    List(#[source] io::Error),
    /// A process can't be held on to.
    #[error("can't open process {pid}")]
    Open {
        /// The process.
        pid: i32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A process can't be sent a signal.
    #[error("can't send {signal:?} to process {pid}")]
    Signal {
        /// The process.
        pid: i32,
        /// The signal.
        signal: Signal,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Processes were killed and do not end, as when a disk hangs.
    #[error("processes {0:?} were killed but have not ended: see what holds them in /proc/PID/stack")]
    StillAlive(Vec<i32>),
}

/// A process by number and the moment it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// When it began, in clock ticks after the machine did (proc(5), `starttime`).
    began: u64,
}

/// What `/proc` says of a process that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub id: ProcessId,
    pub parent: i32,
}

impl Seen {
    /// Looks at a process; `None` if it has ended, also if nobody has collected it yet.
    pub fn of(pid: i32) -> Option<Self> {
        parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    /// Looks at every process.
    pub fn all() -> Result<Vec<Self>, ProcessError> {
        let entries = fs::read_dir("/proc").map_err(ProcessError::List)?;
        let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Ok(pids.filter_map(Seen::of).collect())
    }
}

/// Reads a line of `/proc/PID/stat` (proc(5)).
fn parse(pid: i32, stat: &str) -> Option<Seen> {
    // The second field is the program's name, which may contain anything, in parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    let began = fields.nth(17)?.parse().ok()?;
    (!matches!(state, "Z" | "X")).then_some(Seen { id: ProcessId { pid, began }, parent })
}

impl ProcessId {
    /// Whether it still runs.
    pub fn is_alive(self) -> bool {
        Seen::of(self.pid).is_some_and(|seen| seen.id == self)
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.began)
    }
}

impl FromStr for ProcessId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .trim()
            .split_once(' ')
            .and_then(|(pid, began)| Some((pid.parse().ok()?, began.parse().ok()?)));
        match numbers {
            Some((pid, began)) if pid > 0 => Ok(Self { pid, began }),
            _ => Err(format!(
                "`{}` is not a process's number and start time",
                text.chars().take(40).collect::<String>()
            )),
        }
    }
}

/// A process that is held on to: its number can't be given to another one unnoticed.
pub(crate) struct Held {
    id: ProcessId,
    fd: OwnedFd,
}

impl Held {
    /// Takes hold of a process; `None` if it has ended.
    pub fn open(id: ProcessId) -> Result<Option<Self>, ProcessError> {
        let Some(pid) = Pid::from_raw(id.pid) else { return Ok(None) };
        let fd = match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(errno) => return Err(ProcessError::Open { pid: id.pid, source: errno.into() }),
        };
        // Looked at after the descriptor was made: it is this process that the descriptor stands for.
        Ok(id.is_alive().then_some(Self { id, fd }))
    }

    /// Sends a signal; nothing happens if the process has ended.
    pub fn signal(&self, signal: Signal) -> Result<(), ProcessError> {
        match pidfd_send_signal(&self.fd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(errno) => Err(ProcessError::Signal { pid: self.id.pid, signal, source: errno.into() }),
        }
    }

    /// Waits until it has ended, and tells whether it has.
    pub fn ends_before(&self, deadline: Instant) -> bool {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)], timeout) {
                Err(Errno::EINTR) => {}
                Ok(ended) if ended > 0 => {
                    // A child of this process has to be collected; of others this is refused.
                    let _ = waitpid(nix::unistd::Pid::from_raw(self.id.pid), Some(WaitPidFlag::WNOHANG));
                    return true;
                }
                _ if left.is_zero() => return false,
                _ => {}
            }
        }
    }
}

/// Asks processes to end, and kills those that have not after the time given.
pub(crate) fn stop(ids: &[ProcessId], grace: Duration, patience: Duration) -> Result<(), ProcessError> {
    let held = hold(ids)?;
    held.iter().try_for_each(|process| process.signal(Signal::TERM))?;
    let deadline = Instant::now() + grace;
    let late: Vec<ProcessId> =
        held.iter().filter(|process| !process.ends_before(deadline)).map(|process| process.id).collect();
    kill_all(patience, || Ok(late.iter().copied().filter(|id| id.is_alive()).collect()))
}

/// Kills what `find` finds, again and again until it finds nothing: children may appear meanwhile.
pub(crate) fn kill_all(
    patience: Duration,
    find: impl Fn() -> Result<Vec<ProcessId>, ProcessError>,
) -> Result<(), ProcessError> {
    let deadline = Instant::now() + patience;
    loop {
        let found = find()?;
        if found.is_empty() {
            return Ok(());
        }
        let held = hold(&found)?;
        held.iter().try_for_each(|process| process.signal(Signal::KILL))?;
        let alive: Vec<i32> = held
            .iter()
            .filter(|process| !process.ends_before(deadline))
            .map(|process| process.id.pid)
            .collect();
        if !alive.is_empty() {
            return Err(ProcessError::StillAlive(alive));
        }
        if Instant::now() > deadline {
            return Err(ProcessError::StillAlive(found.iter().map(|id| id.pid).collect()));
        }
        thread::sleep(STEP);
    }
}

fn hold(ids: &[ProcessId]) -> Result<Vec<Held>, ProcessError> {
    ids.iter().filter_map(|id| Held::open(*id).transpose()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command, Stdio};

    fn sleeper() -> Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    fn id_of(child: &Child) -> ProcessId {
        Seen::of(child.id() as i32).unwrap().id
    }

    #[test]
    fn a_name_full_of_parentheses_does_not_confuse() {
        let line = "7 (a) b) (c) S 3 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 1 2";
        assert_eq!(parse(7, line), Some(Seen { id: ProcessId { pid: 7, began: 4242 }, parent: 3 }));
        assert_eq!(parse(7, &line.replace(" S ", " Z ")), None);
        assert_eq!(parse(7, "7 (a"), None);
    }

    #[test]
    fn a_process_is_known_again_and_a_later_one_is_not_taken_for_it() {
        let own = Seen::of(std::process::id() as i32).unwrap().id;
        assert_eq!(own.to_string().parse(), Ok(own));
        let earlier = ProcessId { began: own.began - 1, ..own };
        assert!(own.is_alive() && !earlier.is_alive());
        assert!(Held::open(earlier).unwrap().is_none());
        for bad in ["", "12", "x 1", "-1 5"] {
            assert!(bad.parse::<ProcessId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_process_that_ignores_the_request_is_killed() {
        let mut polite = sleeper();
        // What is ignored stays ignored across the exec.
        let script = "trap '' TERM; echo; exec sleep 1000";
        let mut deaf = Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap();
        // The shell says when it has stopped listening.
        io::Read::read_exact(deaf.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let ids = [id_of(&polite), id_of(&deaf)];
        stop(&ids, Duration::from_millis(100), Duration::from_secs(10)).unwrap();
        assert!(ids.iter().all(|id| !id.is_alive()));
        // Collected already, or now.
        let _ = (polite.wait(), deaf.wait());
    }
}
