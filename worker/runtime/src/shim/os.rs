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
use std::{
    ffi::{CStr, OsStr},
    fs, io,
    os::{
        fd::{AsRawFd, FromRawFd, OwnedFd},
        unix::process::CommandExt,
    },
    process::{self, Command},
};

/// What the shim is called in a list of processes.
const NAME: &CStr = c"shoal-shim";

/// How unlikely the kernel is to end the shim when the host's memory is used up: the least short of
/// never, since the shim is small and its container ends with it.
const OOM_SCORE: &str = "-999";
/// The last real-time signal.
const SIGNAL_MAX: i32 = 64;

/// Runs this program once more, from a mount of its own that is read-only; returns only if that fails.
///
/// A container's program could be a link to `/proc/self/exe`, and in the moment of its exec that is this
/// program, the daemon's. Whatever of the container gets hold of it then can't write to it.
pub(super) fn run_sealed(args: &[&OsStr]) -> io::Error {
    match read_only_self() {
        Ok(program) => {
            let path = format!("/proc/self/fd/{}", program.as_raw_fd());
            Command::new(path).arg0(NAME.to_string_lossy().as_ref()).args(args).exec()
        }
        Err(errno) => errno.into(),
    }
}

/// A mount of nothing but this program's file, attached nowhere and gone with its descriptor.
fn read_only_self() -> Result<OwnedFd, Errno> {
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the kernel reads the path, which is a constant.
    let opened =
        unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, c"/proc/self/exe".as_ptr(), flags) };
    let opened = Errno::result(opened)? as i32;
    // SAFETY: the call has just made this descriptor, and nothing else knows it.
    let program = unsafe { OwnedFd::from_raw_fd(opened) };
    let attributes =
        libc::mount_attr { attr_set: libc::MOUNT_ATTR_RDONLY, attr_clr: 0, propagation: 0, userns_fd: 0 };
    let size = size_of::<libc::mount_attr>();
    // SAFETY: the kernel reads an empty path and `size` bytes of attributes, which live until it returns.
    let sealed = unsafe {
        let fd = program.as_raw_fd();
        libc::syscall(
            libc::SYS_mount_setattr,
            fd,
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size,
        )
    };
    Errno::result(sealed).map(|_| program)
}

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
    // The program was run by a descriptor's number, which says nothing in a list of processes.
    prctl::set_name(NAME)?;
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

/// Collects that child, if it has ended: its exit code, or 128 plus the number of the signal that ended it.
pub(super) fn collect(child: Pid) -> Result<Option<i32>, Errno> {
    let mut status = 0;
    // SAFETY: the kernel writes one `int` at the address, which lives until the call returns.
    let pid = Errno::result(unsafe { libc::waitpid(child.as_raw(), &mut status, libc::WNOHANG) })?;
    let code = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { 128 + libc::WTERMSIG(status) };
    Ok((pid > 0).then_some(code))
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
