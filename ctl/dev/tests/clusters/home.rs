//! A development cluster in folders of its own, taken down when the test ends however it ends.

use dev_cluster::{Cluster, Down, DownOptions, Error, Roots, UpOptions, down, up};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A daemon that runs and never answers, with a child as a shim would be.
const SILENT: &str = "#!/bin/sh\nsleep 1000 &\nexec sleep 1000\n";

/// Folders for one cluster.
pub struct Home {
    folder: TempDir,
}

impl Home {
    pub fn new() -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(home.program(), SILENT).unwrap();
        fs::set_permissions(home.program(), fs::Permissions::from_mode(0o755)).unwrap();
        home
    }

    pub fn roots(&self) -> Roots {
        Roots::new(self.folder.path().join("run"), self.folder.path().join("data"))
    }

    fn program(&self) -> PathBuf {
        self.folder.path().join("silent")
    }

    /// One manager and one worker that never answer, without a link to the machine.
    pub fn options(&self) -> UpOptions {
        UpOptions {
            managers: Some(1),
            workers: Some(1),
            roots: self.roots(),
            host_link: false,
            patience: Duration::from_millis(200),
            ..UpOptions::new("test", self.program())
        }
    }

    /// Brings such a cluster up as far as it comes: everything but the daemons' answers.
    pub async fn half_up(&self) -> Cluster {
        let error = up(self.options(), &|_| {}).await.unwrap_err();
        assert!(matches!(error, Error::Formation(_)), "{error}");
        Cluster::open(&self.roots()).unwrap().unwrap()
    }

    pub fn down_options(&self) -> DownOptions {
        DownOptions { roots: self.roots(), ..DownOptions::new("test") }
    }

    pub async fn down(&self) -> Down {
        down(self.down_options(), &|_| {}).await.unwrap()
    }

    /// What is left of a cluster here: files, and mounts below the folders.
    pub fn traces(&self) -> Vec<String> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        let own = self.folder.path().to_str().unwrap().to_owned();
        let mut found: Vec<String> =
            mounts.lines().filter(|line| line.contains(&own)).map(String::from).collect();
        for root in [self.roots().run(), self.roots().data()] {
            found.extend(root.exists().then(|| root.display().to_string()));
        }
        found
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let options = self.down_options();
        // A thread of its own: the test may have ended inside its runtime. It inherits the namespace.
        let end = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(down(options, &|_| {})).map(drop)
        };
        if let Err(error) = std::thread::spawn(end).join().unwrap() {
            eprintln!("the cluster could not be taken down: {error}");
        }
    }
}

/// Waits for a condition.
pub fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Whether a process of this number runs, other than as a remainder nobody has collected.
pub fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}
