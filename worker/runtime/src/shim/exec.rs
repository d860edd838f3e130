//! Runs one more program in a container: a process of its own between the daemon and that program.
//!
//! libcontainer forks without exec, which is safe only in a process of one thread. It reads an
//! [`ExecRequest`] from standard input, lets the program write to standard error, and answers on standard
//! output with an [`ExecAnswer`] when the program has ended or its time is over.

use super::{executor::ProgramExecutor, explain, os};
use crate::{
    container_dir::ContainerDir,
    protocol::{ExecAnswer, ExecRequest, ShimConfig},
};
use libcontainer::{container::builder::ContainerBuilder, syscall::syscall::SyscallType};
use nix::{
    errno::Errno,
    fcntl::{OFlag, open},
    sys::stat::Mode,
    unistd::{Pid, getpid},
};
use oci_spec::runtime::Spec;
use std::{
    env, fs, io,
    io::{Read, Write},
    os::fd::{AsFd, OwnedFd},
    process::ExitCode,
    time::{Duration, Instant},
};

/// The shell's exit code of what took too long.
const TIMED_OUT: i32 = 124;
/// How soon it is looked whether the program has ended, at first and at last.
const SOON: Duration = Duration::from_millis(1);
const LATE: Duration = Duration::from_millis(20);
/// How long a program that was killed may take to end.
const KILLED: Duration = Duration::from_secs(5);

/// Carries out the request on standard input.
pub(super) fn main(container: &ContainerDir) -> ExitCode {
    let answer = run(container).unwrap_or_else(|reason| ExecAnswer::NotStarted { reason });
    let text = serde_json::to_vec(&answer).expect("the answer is numbers and text");
    match io::stdout().write_all(&text) {
        Ok(()) => ExitCode::SUCCESS,
        // The daemon has ended or gave up.
        Err(_) => ExitCode::FAILURE,
    }
}

fn run(container: &ContainerDir) -> Result<ExecAnswer, String> {
    let mut request = Vec::new();
    io::stdin().read_to_end(&mut request).map_err(|error| format!("can't read what to run: {error}"))?;
    let request: ExecRequest =
        serde_json::from_slice(&request).map_err(|error| format!("can't understand what to run: {error}"))?;
    let until = Instant::now() + request.timeout;
    env::set_current_dir(container.path())
        .map_err(|error| format!("can't enter the container's folder: {error}"))?;
    let program = start(container, &request)?;
    Ok(wait(program, until))
}

/// Starts the program as the container's own is run, with other arguments.
fn start(container: &ContainerDir, request: &ExecRequest) -> Result<Pid, String> {
    let text = |what: &str, error: &dyn std::fmt::Display| format!("can't read {what}: {error}");
    let config = fs::read(container.shim_config()).map_err(|error| text("shim.json", &error))?;
    let config: ShimConfig = serde_json::from_slice(&config).map_err(|error| text("shim.json", &error))?;
    let spec = Spec::load(container.config()).map_err(|error| text("config.json", &error))?;
    let mut process = spec.process().clone().ok_or("config.json describes no process")?;
    process.set_args(Some(request.args.clone())).set_terminal(Some(false));
    // libcontainer takes a process from a file only.
    let described = container.path().join(format!("exec-{}.json", getpid()));
    let written = serde_json::to_vec(&process).map_err(io::Error::from);
    written.and_then(|bytes| fs::write(&described, bytes)).map_err(|error| format!("can't write {error}"))?;
    let (report, reporter) = io::pipe().map_err(|error| format!("can't make a pipe: {error}"))?;
    let started = build(container, &config, &described, ProgramExecutor::new(reporter));
    // It has been read, or never will be.
    let _ = fs::remove_file(&described);
    match super::create::told(report) {
        Some(reason) => Err(reason),
        None => started,
    }
}

fn build(
    container: &ContainerDir,
    config: &ShimConfig,
    process: &std::path::Path,
    executor: ProgramExecutor,
) -> Result<Pid, String> {
    let output = || -> io::Result<OwnedFd> { io::stderr().as_fd().try_clone_to_owned() };
    let streams = || Ok::<_, io::Error>((null()?, output()?, output()?));
    let (stdin, stdout, stderr) = streams().map_err(|error| format!("can't make its streams: {error}"))?;
    let builder = ContainerBuilder::new(config.id.clone(), SyscallType::default())
        .with_root_path(container.runtime_state())
        .map_err(|error| explain::chain(&error))?
        .with_executor(executor)
        .with_stdin(stdin)
        .with_stdout(stdout)
        .with_stderr(stderr);
    let tenant = builder.as_tenant().with_detach(true).with_process(Some(process));
    tenant.build().map(|pid| Pid::from_raw(pid.as_raw())).map_err(|error| explain::chain(&error))
}

fn null() -> io::Result<OwnedFd> {
    Ok(open("/dev/null", OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())?)
}

/// Waits for the program until its time is over, and ends it then with what it has started.
fn wait(program: Pid, until: Instant) -> ExecAnswer {
    let mut pause = SOON;
    loop {
        match os::collect(program) {
            Ok(Some(code)) => return ExecAnswer::Ended { code },
            Err(errno) => return ExecAnswer::NotStarted { reason: format!("it is lost: {}", errno.desc()) },
            Ok(None) if Instant::now() >= until => break,
            Ok(None) => std::thread::sleep(pause),
        }
        pause = (pause * 2).min(LATE);
    }
    let kill = |pid| os::send_signal(pid, proto::model::Signal::KILL.number());
    // Its session first, if it has one of its own.
    let _ = kill(Pid::from_raw(-program.as_raw()));
    let _ = kill(program);
    let given_up = Instant::now() + KILLED;
    while let Ok(None) | Err(Errno::EINTR) = os::collect(program)
        && Instant::now() < given_up
    {
        std::thread::sleep(SOON);
    }
    ExecAnswer::TimedOut { code: TIMED_OUT }
}
