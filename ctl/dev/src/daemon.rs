//! Starting a node's daemon in its namespace, and knowing it again.

use crate::{FolderError, ProcessId, Roots, folders, process::Seen};
use nix::{
    errno::Errno,
    fcntl::OFlag,
    libc,
    sched::{CloneFlags, unshare},
    spawn::{PosixSpawnAttr, PosixSpawnFileActions, PosixSpawnFlags, posix_spawn},
    sys::stat::Mode,
    unistd::chdir,
};
use std::{
    ffi::{CString, NulError, OsString},
    fs, io,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
};
use worker_network::{Namespace, NamespaceError};

/// How many lines of a log tell why a daemon ended.
const LOG_LINES: usize = 10;

/// Says why a daemon can't be started.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// Its folders can't be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Its namespace can't be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// An argument or variable can't be passed to a program.
    #[error("can't start `{program}`: an argument or a variable of the environment contains a NUL character")]
    Nul {
        /// The program.
        program: PathBuf,
        /// Which.
        #[source]
        source: NulError,
    },
    /// The program can't be started.
    #[error("can't start `{program}`")]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        #[source]
        source: Errno,
    },
    /// It ended at once.
    #[error("the daemon of {node} ended as soon as it was started; see `{log}`")]
    Ended {
        /// The node.
        node: String,
        /// Its log.
        log: PathBuf,
    },
    /// The file with its process can't be read or written.
    #[error("can't {verb} `{path}`")]
    PidFile {
        /// What was being done.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// How every daemon of a cluster is started.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub program: PathBuf,
    pub args: Vec<String>,
}

/// The daemon of a node, if it runs.
pub(crate) fn running(roots: &Roots, node: &str) -> Result<Option<ProcessId>, DaemonError> {
    let path = roots.pid_file(node);
    match fs::read_to_string(&path) {
        // A file that a crash left half written names no process.
        Ok(text) => Ok(text.parse().ok().filter(|id: &ProcessId| id.is_alive())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(DaemonError::PidFile { verb: "read", path, source }),
    }
}

/// Starts a node's daemon in the node's namespace, in a session of its own so that it outlives the
/// caller and its terminal.
pub(crate) async fn start(roots: &Roots, node: &str, launch: &Launch) -> Result<(), DaemonError> {
    folders::make(&roots.node_run(node))?;
    folders::make(&roots.node_data(node))?;
    let log = roots.log(node);
    let arguments = arguments(roots, node, launch)?;
    let (program, output) = (launch.program.clone(), log.clone());
    let inside = Namespace::open(&roots.namespace(node))?;
    let pid = inside
        .run(move || spawn(&program, &arguments, &output))
        .await?
        .map_err(|source| DaemonError::Start { program: launch.program.clone(), source })?;
    // It is our child: until it is collected its number belongs to nobody else.
    let Some(seen) = Seen::of(pid) else { return Err(DaemonError::Ended { node: node.to_owned(), log }) };
    let path = roots.pid_file(node);
    fs::write(&path, format!("{}\n", seen.id)).map_err(|source| DaemonError::PidFile {
        verb: "write",
        path,
        source,
    })
}

/// The last lines that a daemon wrote, to say why it ended.
pub(crate) fn last_words(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
}

fn arguments(roots: &Roots, node: &str, launch: &Launch) -> Result<Vec<CString>, DaemonError> {
    let mut words: Vec<OsString> = vec![launch.program.clone().into(), "daemon".into()];
    for (flag, value) in [
        ("--data-dir", roots.node_data(node).into_os_string()),
        ("--run-dir", roots.node_run(node).into_os_string()),
        ("--hostname", node.into()),
        ("--image-dir", roots.images().into_os_string()),
    ] {
        words.extend([flag.into(), value]);
    }
    words.extend(launch.args.iter().map(OsString::from));
    let result: Result<_, _> = words.into_iter().map(|word| CString::new(word.into_vec())).collect();
    result.map_err(|source| DaemonError::Nul { program: launch.program.clone(), source })
}

/// Starts a program on the calling thread, which has to end soon: its folder is changed.
fn spawn(program: &Path, arguments: &[CString], log: &Path) -> Result<i32, Errno> {
    // The folder belongs to this thread alone from here on, and is passed on: a daemon that stays in
    // the caller's folder would keep it from being unmounted.
    unshare(CloneFlags::CLONE_FS)?;
    chdir("/")?;
    let mut files = PosixSpawnFileActions::init()?;
    files.add_open(0, "/dev/null", OFlag::O_RDONLY, Mode::empty())?;
    let append = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_APPEND;
    files.add_open(1, log, append, Mode::from_bits_truncate(0o640))?;
    files.add_dup2(1, 2)?;
    let mut attributes = PosixSpawnAttr::init()?;
    // nix has no name for the flag; glibc (since 2.26) and musl have it.
    attributes.set_flags(PosixSpawnFlags::from_bits_retain(libc::c_int::from(libc::POSIX_SPAWN_SETSID)))?;
    let environment: Vec<CString> = std::env::vars_os()
        .filter_map(|(mut name, value)| {
            name.push("=");
            name.push(value);
            CString::new(name.into_vec()).ok()
        })
        .collect();
    posix_spawn(program, &files, &attributes, arguments, &environment).map(nix::unistd::Pid::as_raw)
}
