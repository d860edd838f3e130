//! A thread of its own mounts, which vanish with it.

use std::path::Path;
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

/// Runs `work` where what it mounts is seen by nobody else, and ends with it even if it panics.
pub fn in_private_mounts<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let ran = thread::scope(|scope| {
        let thread = scope.spawn(|| {
            unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
            let recursively_private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, recursively_private, None::<&str>).unwrap();
            work()
        });
        thread.join()
    });
    ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

pub fn mount_overlay(layers: &[std::path::PathBuf], at: &Path) {
    let lower: Vec<String> = layers.iter().map(|layer| layer.display().to_string()).collect();
    let (upper, work, target) = (at.join("upper"), at.join("work"), at.join("merged"));
    for folder in [&upper, &work, &target] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let options =
        format!("lowerdir={},upperdir={},workdir={}", lower.join(":"), upper.display(), work.display());
    mount(Some("overlay"), &target, Some("overlay"), MsFlags::empty(), Some(options.as_str())).unwrap();
}

pub fn mount_tmpfs(at: &Path, size: &str) {
    std::fs::create_dir_all(at).unwrap();
    mount(Some("tmpfs"), at, Some("tmpfs"), MsFlags::empty(), Some(format!("size={size}").as_str())).unwrap();
}
