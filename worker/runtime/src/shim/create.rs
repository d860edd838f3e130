//! Creates a container with libcontainer and starts its program.

use super::{Assignment, executor::ProgramExecutor, explain};
use crate::cgroup::device_filter;
use libcontainer::{
    container::{Container, builder::ContainerBuilder},
    syscall::syscall::SyscallType,
};
use nix::{
    fcntl::{FcntlArg, OFlag, fcntl},
    unistd::{Pid, Uid, fchown},
};
use std::io::{self, PipeReader, PipeWriter, Read};

/// A container whose program runs.
pub(super) struct Created {
    /// Its main process, a child of the shim.
    pub pid: Pid,
    /// Its standard output.
    pub stdout: PipeReader,
    /// Its standard error.
    pub stderr: PipeReader,
}

/// Creates and starts a container. The error is in words for the user.
pub(super) fn create(assignment: &Assignment) -> Result<Created, String> {
    let user = assignment.spec.process().as_ref().map_or(0, |process| process.user().uid());
    let (stdout, container_stdout) = output_pipe(user)?;
    let (stderr, container_stderr) = output_pipe(user)?;
    let (mut report, reporter) = io::pipe().map_err(|error| format!("can't make a pipe: {error}"))?;
    let built = build(assignment, container_stdout, container_stderr, ProgramExecutor::new(reporter));
    // The other end is closed here; the container's process has its own.
    let mut container = match built {
        Ok(container) => container,
        Err(error) => return Err(told_so_far(&mut report).unwrap_or(error)),
    };
    let pid = container.pid().ok_or("libcontainer made no process")?;
    if let Some(folder) = assignment.cgroups.unified_folder(&assignment.cgroup) {
        device_filter::attach(&folder).map_err(|error| explain::chain(&error))?;
    }
    container.start().map_err(|error| explain::creation(&error, assignment))?;
    match told(report) {
        Some(reason) => Err(reason),
        None => Ok(Created { pid: Pid::from_raw(pid.as_raw()), stdout, stderr }),
    }
}

fn build(
    assignment: &Assignment,
    stdout: PipeWriter,
    stderr: PipeWriter,
    executor: ProgramExecutor,
) -> Result<Container, String> {
    let describe = |error| explain::creation(&error, assignment);
    let builder = ContainerBuilder::new(assignment.config.id.clone(), SyscallType::default())
        .with_root_path(assignment.container.runtime_state())
        .map_err(describe)?
        .with_executor(executor)
        .with_stdout(stdout)
        .with_stderr(stderr);
    let init = builder.as_init(assignment.container.path()).with_systemd(false).with_detach(true);
    init.build().map_err(describe)
}

/// A pipe the container's user may also open by name, as `/dev/stdout`.
fn output_pipe(user: u32) -> Result<(PipeReader, PipeWriter), String> {
    let (reader, writer) = io::pipe().map_err(|error| format!("can't make a pipe: {error}"))?;
    fchown(&writer, Some(Uid::from_raw(user)), None)
        .map_err(|errno| format!("can't give the output to user {user}: {}", errno.desc()))?;
    Ok((reader, writer))
}

/// Waits until the program runs, or for the reason why it does not.
pub(super) fn told(mut report: PipeReader) -> Option<String> {
    let mut reason = String::new();
    match report.read_to_string(&mut reason) {
        Ok(0) => None,
        Ok(_) => Some(reason),
        Err(error) => Some(format!("can't learn whether the program runs: {error}")),
    }
}

/// What was told already. Waiting for more could last: a process that is stuck may hold the other end.
fn told_so_far(report: &mut PipeReader) -> Option<String> {
    fcntl(&*report, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).ok()?;
    let mut reason = [0; 4096];
    let length = report.read(&mut reason).ok().filter(|&length| length > 0)?;
    Some(String::from_utf8_lossy(&reason[..length]).into_owned())
}
