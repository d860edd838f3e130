//! The shim: one small process per container that is its parent and outlives the daemon.
//!
//! It has a single thread and never starts another, because libcontainer runs Rust code between clone
//! and exec. Its life:
//!
//! ```text
//! spawned by the daemon -> seal the program -> detach -> own mount namespace -> mount the root
//!     -> create -> start -> tell the daemon -> supervise until the main process ends
//!     -> clean up -> exit.json -> end
//! ```
//!
//! Whatever goes wrong before the start is told in words and leaves nothing behind.

mod clients;
mod create;
mod exec;
mod executor;
mod explain;
mod finish;
mod os;
mod outputs;
mod prepare;
mod supervise;

use crate::{
    cgroup::Hierarchies,
    container_dir::{ContainerDir, SOCKET},
    exit_record::{ExitRecord, Outcome},
    process_id,
    protocol::{Event, ShimConfig, line},
    spawn::SUBCOMMAND,
};
use finish::Leavings;
use oci_spec::runtime::Spec;
use std::{
    env,
    ffi::OsString,
    fs::{self, File},
    io::Write,
    os::unix::net::UnixListener,
    path::PathBuf,
    process::{self, ExitCode},
    sync::Arc,
};

/// The word that says that the shim's program is sealed already.
const SEALED: &str = "sealed";

/// The word that says that a program is to be run in a container that has a shim.
pub(crate) const EXEC: &str = "exec";

/// Runs a shim. Must be called before the process starts a thread.
///
/// The arguments are the container's folder and, from the shim itself, the word `sealed`. What becomes
/// of the start is written to standard output as a line of JSON; the process that was spawned ends at
/// once, and its child goes on.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let failed = match &args[..] {
        [word, folder] if word == EXEC => format!(
            "can't seal the program: {}",
            os::run_sealed(&[SUBCOMMAND.as_ref(), word, folder, SEALED.as_ref()])
        ),
        [word, folder, sealed] if word == EXEC && sealed == SEALED => {
            return exec::main(&ContainerDir::at(PathBuf::from(folder)));
        }
        [folder] => format!(
            "can't seal the shim's program: {}",
            os::run_sealed(&[SUBCOMMAND.as_ref(), folder, SEALED.as_ref()])
        ),
        [folder, sealed] if sealed == SEALED => match os::detach() {
            Ok(()) => return supervise_in(&ContainerDir::at(PathBuf::from(folder))),
            Err(error) => format!("can't detach the shim from the daemon: {error}"),
        },
        _ => "usage: shim FOLDER (this command is meant for the daemon)".to_owned(),
    };
    eprintln!("{failed}");
    ExitCode::FAILURE
}

fn supervise_in(container: &ContainerDir) -> ExitCode {
    match run(container) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

/// What a shim knows from its folder.
struct Assignment {
    container: ContainerDir,
    config: ShimConfig,
    spec: Spec,
    cgroups: Hierarchies,
    cgroup: PathBuf,
}

/// Runs the container from beginning to end. An error is for the shim's own log: it means that not even
/// the record could be written.
fn run(container: &ContainerDir) -> Result<(), String> {
    // With the folder as working directory no path to the socket is too long.
    env::set_current_dir(container.path())
        .map_err(|error| format!("can't enter the container's folder: {error}"))?;
    let listener = announce(container)?;
    let outcome = match start(container) {
        Ok((assignment, created)) => {
            tell_daemon(&Event::Started { pid: created.pid.as_raw().unsigned_abs() });
            os::stand_back_from_oom();
            supervise::run(assignment, created, listener)
        }
        Err(reason) => Leavings::none(Outcome::NotStarted { reason }),
    };
    let record = ExitRecord { at: finish::now(), outcome: outcome.outcome, problems: outcome.problems };
    let written = record.write(&container.exit_record()).map_err(|error| explain::chain(&error));
    let ended = Event::Ended(record);
    tell_daemon(&ended);
    outcome.clients.tell_all(&ended);
    written
}

/// Makes the shim known: its process, for those who must know whether it lives, and its socket.
fn announce(container: &ContainerDir) -> Result<UnixListener, String> {
    let own =
        process_id::ProcessId::own().map_err(|error| format!("can't read the shim's own state: {error}"))?;
    fs::write(container.pid_file(), own.to_string())
        .map_err(|error| format!("can't write the process id: {error}"))?;
    let listener = UnixListener::bind(SOCKET).map_err(|error| format!("can't make the socket: {error}"))?;
    listener.set_nonblocking(true).map_err(|error| format!("can't make the socket: {error}"))?;
    Ok(listener)
}

fn start(container: &ContainerDir) -> Result<(Assignment, create::Created), String> {
    let assignment = Assignment::read(container)?;
    let log = File::options().append(true).create(true).open(container.shim_log());
    if let Ok(log) = log {
        // libcontainer says the cause of an error only here. Not to standard error, which its
        // children replace by the container's.
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::ERROR)
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(Arc::new(log))
            .init();
    }
    prepare::root(&assignment)?;
    match create::create(&assignment) {
        Ok(created) => Ok((assignment, created)),
        Err(reason) => {
            finish::sweep(&assignment).into_iter().for_each(|problem| eprintln!("{problem}"));
            Err(reason)
        }
    }
}

impl Assignment {
    fn read(container: &ContainerDir) -> Result<Self, String> {
        let config =
            fs::read(container.shim_config()).map_err(|error| format!("can't read shim.json: {error}"))?;
        let config: ShimConfig =
            serde_json::from_slice(&config).map_err(|error| format!("shim.json is damaged: {error}"))?;
        let spec =
            Spec::load(container.config()).map_err(|error| format!("can't read config.json: {error}"))?;
        let linux = spec.linux().as_ref();
        let cgroup =
            linux.and_then(|linux| linux.cgroups_path().clone()).ok_or("config.json names no cgroup")?;
        let cgroups = Hierarchies::detect().map_err(|error| explain::chain(&error))?;
        Ok(Self { container: container.clone(), config, spec, cgroups, cgroup })
    }
}

/// The daemon reads until the shim closes standard output, which this does: what is told later goes
/// nowhere. If the daemon is gone, nobody needs to know.
fn tell_daemon(event: &Event) {
    let _ = std::io::stdout().write_all(&line(event)).and_then(|()| std::io::stdout().flush());
    if let Err(error) = os::close_stdout() {
        eprintln!("can't close standard output, process {}: {error}", process::id());
    }
}
