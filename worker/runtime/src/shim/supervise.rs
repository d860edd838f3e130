//! Watches over a running container: its output, its signals, its end.

use super::{
    Assignment,
    clients::{Answer, Clients},
    create::Created,
    finish::{self, Leavings},
    os,
    outputs::Outputs,
};
use crate::{
    exit_record::Outcome,
    logs::writer::LogWriter,
    protocol::{Command, Event},
};
use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
    unistd::Pid,
};
use proto::model;
use std::{
    io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::net::UnixListener,
    },
    time::{Duration, Instant},
};

/// How long output is waited for after everything in the container has ended. Only a process elsewhere
/// that was given one of the pipes can make it last.
const DRAIN: Duration = Duration::from_secs(2);

/// Watches over a container until it has ended and is cleaned up.
pub(super) fn run(assignment: Assignment, created: Created, listener: UnixListener) -> Leavings {
    let mut clients = Clients::new(listener);
    let pid = created.pid;
    let mut problems = Vec::new();
    let outcome = match Watch::new(&assignment, created) {
        Ok(mut watch) => {
            let code = watch.until_ended(&mut clients);
            // Before the cgroup goes, and the counter with it.
            let oom_killed = assignment.cgroups.oom_kills(&assignment.cgroup) > 0;
            problems.extend(finish::end_processes(&assignment));
            problems.extend(watch.drain());
            Outcome::Exited { code, oom_killed: oom_killed && code != 0 }
        }
        Err(error) => {
            let reason = format!("can't watch over process {pid}: {error}");
            problems.extend(finish::end_processes(&assignment));
            Outcome::NotStarted { reason }
        }
    };
    problems.extend(finish::sweep(&assignment));
    Leavings { outcome, problems, clients }
}

struct Watch {
    init: Pid,
    stop_signal: model::Signal,
    signals: SignalFd,
    outputs: Outputs,
    /// What is to stay open while no daemon runs.
    held: Vec<OwnedFd>,
}

impl Watch {
    fn new(assignment: &Assignment, created: Created) -> io::Result<Self> {
        // Only now, so that the container did not inherit it. A child that ended before is found all
        // the same: the first round collects before it waits.
        let mut watched = SigSet::empty();
        for signal in [Signal::SIGCHLD, Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
            watched.add(signal);
        }
        watched.thread_block()?;
        let signals = SignalFd::with_flags(&watched, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        let writer = LogWriter::create(assignment.container.logs(), assignment.config.log.clone())?;
        let outputs = Outputs::new(created.stdout, created.stderr, writer)?;
        Ok(Self {
            init: created.pid,
            stop_signal: assignment.config.stop_signal,
            signals,
            outputs,
            held: Vec::new(),
        })
    }

    /// Serves until the main process has ended, and says its exit code.
    fn until_ended(&mut self, clients: &mut Clients) -> i32 {
        loop {
            if let Some(code) = collect(self.init) {
                return code;
            }
            wait(self.outputs.waiting().chain(clients.waiting()).chain([self.signals.as_fd()]), None);
            while let Ok(Some(signal)) = self.signals.read_signal() {
                // The machine is shut down: the container gets its chance to end well.
                if signal.ssi_signo == Signal::SIGTERM as u32 {
                    let _ = self.send(self.stop_signal);
                }
            }
            self.outputs.pump();
            clients.serve(|command, given| self.answer(command, given));
        }
    }

    fn answer(&mut self, command: Command, given: Vec<OwnedFd>) -> Answer {
        let sent = match command {
            Command::Status => return Event::Started { pid: self.init.as_raw().unsigned_abs() }.into(),
            Command::Signal { signal } => self.send(signal),
            Command::Stop => self.send(self.stop_signal),
            Command::Hold => {
                self.held = given;
                return Event::Holding { count: self.held.len() }.into();
            }
            Command::Held => return self.hand_out(),
        };
        match sent {
            Ok(()) => Event::Signalled.into(),
            Err(errno) => {
                Event::Refused { reason: format!("can't send the signal: {}", errno.desc()) }.into()
            }
        }
    }

    fn hand_out(&self) -> Answer {
        match self.held.iter().map(OwnedFd::try_clone).collect::<io::Result<Vec<OwnedFd>>>() {
            Ok(descriptors) => Answer { event: Event::Holding { count: descriptors.len() }, descriptors },
            Err(error) => Event::Refused { reason: format!("can't hand out what is held: {error}") }.into(),
        }
    }

    /// The process was not collected yet, so its number is still its own.
    fn send(&self, signal: model::Signal) -> Result<(), Errno> {
        os::send_signal(self.init, signal.number())
    }

    /// Takes in the rest of the output when nothing is left that could write.
    fn drain(mut self) -> Option<String> {
        let deadline = Instant::now() + DRAIN;
        while !self.outputs.have_ended() && Instant::now() < deadline {
            wait(self.outputs.waiting(), Some(deadline));
            self.outputs.pump();
        }
        self.outputs.finish()
    }
}

/// Waits until something can be read. An interruption is as good as an event.
fn wait<'a>(sources: impl Iterator<Item = BorrowedFd<'a>>, deadline: Option<Instant>) {
    let mut sources: Vec<PollFd> = sources.map(|source| PollFd::new(source, PollFlags::POLLIN)).collect();
    let timeout = match deadline {
        None => PollTimeout::NONE,
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        }
    };
    let _ = poll(&mut sources, timeout);
}

/// Collects every child that has ended, and says the exit code of `init` if it is among them.
pub(super) fn collect(init: Pid) -> Option<i32> {
    let mut code = None;
    while let Some((pid, ended_with)) = os::collect_child() {
        if pid == init {
            code = Some(ended_with);
        }
    }
    code
}
