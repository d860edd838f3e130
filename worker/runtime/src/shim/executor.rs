//! The last steps in the container before its program runs: finding the program, and exec.

use super::{explain, os};
use libcontainer::workload::{Executor, ExecutorError, ExecutorSetEnvsError, ExecutorValidationError};
use nix::{
    errno::Errno,
    unistd::{AccessFlags, access, execve, geteuid},
};
use oci_spec::runtime::{Process, Spec};
use std::{
    collections::HashMap,
    ffi::CString,
    fs::File,
    io::{PipeWriter, Write},
    os::{fd::OwnedFd, unix::ffi::OsStrExt},
    path::{Path, PathBuf},
    rc::Rc,
};

/// Runs the container's program. What goes wrong is told to the shim through a pipe, in words; the
/// pipe closes without a word when the program is running.
#[derive(Clone)]
pub(super) struct ProgramExecutor {
    report: Rc<File>,
}

impl ProgramExecutor {
    pub fn new(report: PipeWriter) -> Self {
        Self { report: Rc::new(File::from(OwnedFd::from(report))) }
    }

    fn tell(&self, reason: &str) {
        // The shim has libcontainer's own error if this fails.
        let _ = (&*self.report).write_all(reason.as_bytes());
    }
}

impl Executor for ProgramExecutor {
    /// Called when everything but the exec is done, as the container's user.
    fn validate(&self, spec: &Spec) -> Result<(), ExecutorValidationError> {
        let found = process(spec).and_then(|process| find(process).map(drop));
        found.map_err(|reason| {
            self.tell(&reason);
            ExecutorValidationError::ArgValidationError(reason)
        })
    }

    /// The environment is given to the exec, in the spec's order, instead of being set here.
    fn setup_envs(&self, _: HashMap<String, String>) -> Result<(), ExecutorSetEnvsError> {
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let reason = match prepare(spec) {
            Ok(Prepared { program, path, args, env }) => {
                os::reset_signals();
                let Err(errno) = execve(&path, &args, &env);
                explain::exec(&program, errno)
            }
            Err(reason) => reason,
        };
        self.tell(&reason);
        Err(ExecutorError::Other(reason))
    }
}

/// What exec is given.
struct Prepared {
    program: PathBuf,
    path: CString,
    args: Vec<CString>,
    env: Vec<CString>,
}

fn prepare(spec: &Spec) -> Result<Prepared, String> {
    let process = process(spec)?;
    let program = find(process)?;
    let text =
        |text: &String| CString::new(text.as_str()).map_err(|_| format!("`{text}` contains a zero byte"));
    let args = process.args().iter().flatten().map(text).collect::<Result<_, _>>()?;
    let env = process.env().iter().flatten().map(text).collect::<Result<_, _>>()?;
    let path = CString::new(program.as_os_str().as_bytes())
        .map_err(|_| "the program's path contains a zero byte")?;
    Ok(Prepared { program, path, args, env })
}

fn process(spec: &Spec) -> Result<&Process, String> {
    spec.process().as_ref().ok_or_else(|| "config.json describes no process".to_owned())
}

/// Finds the program as a shell would: by path, or in `PATH`.
fn find(process: &Process) -> Result<PathBuf, String> {
    let name = process.args().iter().flatten().next().ok_or("config.json names no program")?;
    if name.contains('/') {
        return check(Path::new(name)).map(|()| name.into()).map_err(|problem| match problem {
            Problem::Missing => format!("the image has no {name}"),
            Problem::Unusable(reason) => reason,
        });
    }
    let path =
        process.env().iter().flatten().find_map(|variable| variable.strip_prefix("PATH=")).unwrap_or("");
    let mut unusable = None;
    for folder in path.split(':') {
        let candidate = Path::new(if folder.is_empty() { "." } else { folder }).join(name);
        match check(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(Problem::Missing) => {}
            Err(Problem::Unusable(reason)) => unusable = unusable.or(Some(reason)),
        }
    }
    Err(unusable.unwrap_or_else(|| format!("the image has no program `{name}` in its PATH, which is {path}")))
}

enum Problem {
    Missing,
    Unusable(String),
}

fn check(program: &Path) -> Result<(), Problem> {
    let shown = program.display();
    match access(program, AccessFlags::X_OK) {
        Ok(()) if program.is_dir() => {
            Err(Problem::Unusable(format!("permission denied: {shown} is a directory")))
        }
        Ok(()) => Ok(()),
        Err(Errno::ENOENT | Errno::ENOTDIR) => Err(Problem::Missing),
        Err(Errno::EACCES) => {
            let user = geteuid();
            Err(Problem::Unusable(format!("permission denied: {shown} is not executable by user {user}")))
        }
        Err(errno) => Err(Problem::Unusable(format!("can't execute {shown}: {}", errno.desc()))),
    }
}
