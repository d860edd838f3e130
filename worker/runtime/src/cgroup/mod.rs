//! The cgroups of containers: where they are, ending what runs in them, removing them.

pub mod device_filter;
mod texts;

use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, kill},
        statfs::{CGROUP2_SUPER_MAGIC, statfs},
    },
    unistd::Pid,
};
use std::{
    fs, io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use worker_core::oci_spec::CgroupVersion;

const ROOT: &str = "/sys/fs/cgroup";
/// How often a state that is about to change is looked at.
const STEP: Duration = Duration::from_millis(2);

/// Says what could not be done with a cgroup.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// The file system is not there.
    #[error("can't look at {ROOT}; mount the cgroup file system there")]
    Detect(#[source] io::Error),
    /// The list of mounts can't be read.
    #[error("can't read the list of mounts to find the cgroup hierarchies")]
    Mounts(#[source] io::Error),
    /// Neither version is mounted.
    #[error("no cgroup hierarchy is mounted below {ROOT}")]
    None,
    /// A file of a cgroup can't be read.
    #[error("can't read `{path}`")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder can't be removed.
    #[error("can't remove cgroup `{path}`")]
    Remove {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Processes do not end, which happens while the kernel waits for a disk or network that hangs.
    #[error("{count} processes of cgroup `{path}` were killed but have not ended")]
    StillAlive {
        /// The cgroup, from the root of the hierarchies.
        path: PathBuf,
        /// How many.
        count: usize,
    },
}

/// The cgroup hierarchies of this machine.
#[derive(Debug, Clone)]
pub struct Hierarchies {
    version: CgroupVersion,
    roots: Vec<PathBuf>,
}

impl Hierarchies {
    /// Finds out what is mounted.
    pub fn detect() -> Result<Self, CgroupError> {
        let mounted = statfs(ROOT).map_err(|errno| CgroupError::Detect(errno.into()))?;
        if mounted.filesystem_type() == CGROUP2_SUPER_MAGIC {
            return Ok(Self { version: CgroupVersion::V2, roots: vec![ROOT.into()] });
        }
        let mounts = fs::read_to_string("/proc/self/mountinfo").map_err(CgroupError::Mounts)?;
        let roots: Vec<PathBuf> =
            mounts.lines().filter_map(texts::v1_mount_point).map(PathBuf::from).collect();
        if roots.is_empty() { Err(CgroupError::None) } else { Ok(Self { version: CgroupVersion::V1, roots }) }
    }

    /// Which version containers are put in.
    pub fn version(&self) -> CgroupVersion {
        self.version
    }

    /// Names the controllers containers can be limited with.
    pub fn controllers(&self) -> Vec<String> {
        match self.version {
            CgroupVersion::V1 => {
                texts::v1_controllers(&fs::read_to_string("/proc/cgroups").unwrap_or_default())
            }
            CgroupVersion::V2 => {
                let text = fs::read_to_string(Path::new(ROOT).join("cgroup.controllers")).unwrap_or_default();
                text.split_whitespace().map(str::to_owned).collect()
            }
        }
    }

    /// Whether swap can be limited.
    pub fn limit_swap(&self) -> bool {
        match self.version {
            CgroupVersion::V1 => {
                self.roots.iter().any(|root| root.join("memory.memsw.limit_in_bytes").exists())
            }
            // The root has no such limit to look for; a kernel that has swap has it for the others.
            CgroupVersion::V2 => Path::new("/proc/swaps").exists(),
        }
    }

    /// Kills what runs in a cgroup and below it, and waits until it has ended, calling `reap` in
    /// between for the caller to collect children of its own.
    pub fn kill(&self, path: &Path, patience: Duration, mut reap: impl FnMut()) -> Result<(), CgroupError> {
        let deadline = Instant::now() + patience;
        loop {
            let alive = self.processes(path)?;
            if alive.is_empty() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(CgroupError::StillAlive { path: path.into(), count: alive.len() });
            }
            for pid in alive {
                // It may have ended since it was listed.
                let _ = kill(pid, Signal::SIGKILL);
            }
            reap();
            thread::sleep(STEP);
        }
    }

    /// Removes an empty cgroup and those below it from every hierarchy. What is not there is fine.
    pub fn remove(&self, path: &Path, patience: Duration) -> Result<(), CgroupError> {
        let deadline = Instant::now() + patience;
        for folder in self.folders(path)? {
            loop {
                match fs::remove_dir(&folder) {
                    Ok(()) => break,
                    Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                    // The kernel is still taking the last process out.
                    Err(error) if is_busy(&error) && Instant::now() < deadline => thread::sleep(STEP),
                    Err(source) => return Err(CgroupError::Remove { path: folder, source }),
                }
            }
        }
        Ok(())
    }

    /// Removes a cgroup only if nothing is in it.
    pub fn remove_if_empty(&self, path: &Path) -> Result<(), CgroupError> {
        for root in &self.roots {
            let folder = below(root, path);
            match fs::remove_dir(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound && !is_busy(&error) => {
                    return Err(CgroupError::Remove { path: folder, source: error });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Counts the processes of a cgroup that were killed because its memory was used up.
    pub fn oom_kills(&self, path: &Path) -> u64 {
        let file = match self.version {
            CgroupVersion::V1 => "memory.oom_control",
            CgroupVersion::V2 => "memory.events",
        };
        let texts =
            self.roots.iter().filter_map(|root| fs::read_to_string(below(root, path).join(file)).ok());
        texts.map(|text| texts::counter(&text, "oom_kill")).max().unwrap_or(0)
    }

    /// Names the folder of a cgroup in the unified hierarchy; there is none with version 1.
    pub(crate) fn unified_folder(&self, path: &Path) -> Option<PathBuf> {
        (self.version == CgroupVersion::V2).then(|| below(Path::new(ROOT), path))
    }

    fn processes(&self, path: &Path) -> Result<Vec<Pid>, CgroupError> {
        let mut found = Vec::new();
        for folder in self.folders(path)? {
            let file = folder.join("cgroup.procs");
            match fs::read_to_string(&file) {
                Ok(text) => {
                    found.extend(text.lines().filter_map(|line| line.parse().ok()).map(Pid::from_raw))
                }
                // Removed meanwhile.
                Err(error) if is_gone(&error) => {}
                Err(source) => return Err(CgroupError::Read { path: file, source }),
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// The folders of a cgroup and of those below it, deepest first.
    fn folders(&self, path: &Path) -> Result<Vec<PathBuf>, CgroupError> {
        let mut folders = Vec::new();
        for root in &self.roots {
            collect(&below(root, path), &mut folders)?;
        }
        Ok(folders)
    }
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> Result<(), CgroupError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if is_gone(&error) => return Ok(()),
        Err(source) => return Err(CgroupError::Read { path: folder.into(), source }),
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), into)?;
        }
    }
    into.push(folder.into());
    Ok(())
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

fn is_busy(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::EBUSY | Errno::ENOTEMPTY))
}

fn is_gone(error: &io::Error) -> bool {
    matches!(error.raw_os_error().map(Errno::from_raw), Some(Errno::ENOENT | Errno::ENODEV))
}
