//! What the shim needs of the system that no safe call offers.
#![allow(unsafe_code)]

use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    libc,
    sys::{
        prctl,
        stat::{Mode, umask},
    },
    unistd::{ForkResult, Pid, dup2_stdout, fork, setsid},
};
use std::{fs, process};

/// How unlikely the kernel is to end the shim when the host's memory is used up: the least short of
/// never, since the shim is small and its container ends with it.
const OOM_SCORE: &str = "-999";
/// The last real-time signal.
const SIGNAL_MAX: i32 = 64;

/// Goes on in a child with a session of its own, so that nothing meant for the daemon's processes
/// reaches it; the calling process ends. The child takes in its container's orphans.
pub(super) fn detach() -> Result<(), Errno> {
    // SAFETY: the shim has one thread, as its entry point demands, so the child has everything the
    // parent had and no lock is held by a thread that is missing.
    match unsafe { fork() }? {
        ForkResult::Parent { .. } => process::exit(0),
        ForkResult::Child => {}
    }
    setsid()?;
    prctl::set_child_subreaper(true)?;
    umask(Mode::from_bits_truncate(0o022));
    Ok(())
}

/// Gives every signal the meaning a fresh process expects. Rust ignores SIGPIPE, a daemon may have
/// been started with others ignored, and all of that would outlast the exec.
pub(super) fn reset_signals() {
    for number in 1..=SIGNAL_MAX {
        // SAFETY: the default action runs no code of ours, so nothing can be called in a bad state. It
        // fails for KILL, STOP and the two that libc keeps to itself; nobody can change those.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
}

/// Makes standard output lead nowhere; whoever read it sees the end.
pub(super) fn close_stdout() -> Result<(), Errno> {
    let null = open("/dev/null", OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    dup2_stdout(&null)
}

/// Asks the kernel to look elsewhere when the host's memory is used up. Without the capability for it,
/// as in a daemon that is confined itself, the shim is as likely to be chosen as anyone.
pub(super) fn stand_back_from_oom() {
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
}

/// Sends a signal by number: the safe call knows no real-time signals.
pub(super) fn send_signal(pid: Pid, number: i32) -> Result<(), Errno> {
    // SAFETY: the call takes two numbers and touches no memory.
    Errno::result(unsafe { libc::kill(pid.as_raw(), number) }).map(drop)
}

/// Collects a child that has ended, with its exit code, or 128 plus the number of the signal that
/// ended it: the safe call takes a real-time signal for an error, and the child would be lost.
pub(super) fn collect_child() -> Option<(Pid, i32)> {
    let mut status = 0;
    // SAFETY: the kernel writes one `int` at the address, which lives until the call returns.
    let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    (pid > 0).then(|| (Pid::from_raw(pid), code))
}
