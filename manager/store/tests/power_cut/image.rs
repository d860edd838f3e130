//! An ext4 file system in a file, mounted where nobody else sees it, whose power can be cut.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, unshare},
};
use tempfile::TempDir;

use crate::shutdown::shut_down;

/// Gives this thread, and whatever it starts, mounts of its own, so that none is left behind.
pub fn unshare_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace of one's own (needs root)");
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>).expect("mounts made private");
}

/// A file system in a file; dropping it unmounts it and frees its loop device.
pub struct Image {
    dir: TempDir,
    mounted: bool,
}

impl Image {
    /// Creates and mounts an ext4 file system.
    pub fn create(mebibytes: u64) -> Self {
        let mut image = Self { dir: tempfile::tempdir().unwrap(), mounted: false };
        File::create(image.file()).unwrap().set_len(mebibytes << 20).unwrap();
        // No blocks reserved for root, which is who runs this.
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image.file()));
        fs::create_dir(image.root()).unwrap();
        image.mount();
        image
    }

    /// Returns where the file system is mounted.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("mnt")
    }

    /// Returns the data directory on the file system.
    pub fn data(&self) -> PathBuf {
        self.root().join("data")
    }

    /// Drops everything that has not been synced, and fails every write from now on.
    pub fn cut_power(&self) {
        shut_down(&File::open(self.root()).unwrap()).expect("the power cut");
    }

    /// Mounts the file system again, as a boot would.
    pub fn reboot(&mut self) {
        self.unmount();
        self.mount();
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("image")
    }

    fn mount(&mut self) {
        // `loop` makes a loop device that goes away with the mount.
        run(Command::new("mount").args(["-o", "loop"]).arg(self.file()).arg(self.root()));
        self.mounted = true;
    }

    fn unmount(&mut self) {
        // Threads of a database that has just been closed may hold its files a moment longer.
        let deadline = Instant::now() + Duration::from_secs(10);
        while let Err(error) = umount2(&self.root(), MntFlags::empty()) {
            assert!(Instant::now() < deadline, "cannot unmount: {error}");
            thread::sleep(Duration::from_millis(5));
        }
        self.mounted = false;
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        if self.mounted {
            // A test that fails may have files open: then the mount goes when they do.
            let _ = umount2(&self.root(), MntFlags::MNT_DETACH);
        }
    }
}

/// Fills the file system up to a number of bytes with a file, which makes room again when removed.
pub fn leave_free(root: &Path, bytes: u64) -> PathBuf {
    let stats = nix::sys::statvfs::statvfs(root).unwrap();
    let free = stats.blocks_available() * stats.fragment_size();
    let ballast = root.join("ballast");
    let mut file = File::create(&ballast).unwrap();
    io::copy(&mut io::Read::take(io::repeat(1), free.saturating_sub(bytes)), &mut file).unwrap();
    file.sync_all().unwrap();
    ballast
}

fn run(command: &mut Command) {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
