//! The node's volumes: folders that outlive containers, filled from the image when they are made.
//!
//! ```text
//! <data>/volumes/<name>/_data          a named volume
//! <data>/volumes/<name>/.making        it is being filled; renamed to `_data` when that is done
//! <data>/task-volumes/<task>/<n>/_data a volume of a task's own, removed with the task
//! ```

mod copy;
mod image_root;

use copy::CopyError;
use image_root::ImageRootError;
use proto::model::TaskId;
use std::{
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};

const DATA: &str = "_data";
const MAKING: &str = ".making";
const LOCK: &str = ".lock";

/// Why a volume can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    #[error(
        "cannot make volume `{name}` in `{path}`; check that there is space and the folder can be written"
    )]
    Make {
        name: String,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("cannot copy what the image has at `{target}` into volume `{name}`")]
    Look {
        name: String,
        target: String,
        #[source]
        source: ImageRootError,
    },
    #[error("cannot copy what the image has at `{target}` into volume `{name}`")]
    Copy {
        name: String,
        target: String,
        #[source]
        source: CopyError,
    },
    #[error("cannot remove the volumes of a task's own in `{path}`")]
    Remove {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Where a volume's first content comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    /// The image's layers, the topmost first.
    pub layers: &'a [PathBuf],
    /// Where the volume will appear, a path in the image.
    pub target: &'a str,
}

/// All volumes of one node.
#[derive(Debug, Clone)]
pub(crate) struct Volumes {
    named: PathBuf,
    of_tasks: PathBuf,
}

impl Volumes {
    /// Names the volumes in a daemon's data folder.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { named: data_dir.join("volumes"), of_tasks: data_dir.join("task-volumes") }
    }

    /// The folder of a named volume, made and filled if this is its first use. Waits for the disk.
    pub(crate) fn named(&self, name: &str, origin: Origin) -> Result<PathBuf, VolumeError> {
        make(&self.named.join(name), name, origin)
    }

    /// The folder of a task's own volume, made and filled if need be. Waits for the disk.
    pub(crate) fn of_task(
        &self,
        task: TaskId,
        number: usize,
        origin: Origin,
    ) -> Result<PathBuf, VolumeError> {
        let folder = self.of_tasks.join(task.to_string()).join(number.to_string());
        make(&folder, &format!("{task}/{number}"), origin)
    }

    /// Removes the volumes of a task's own. Waits for the disk.
    pub(crate) fn remove_of_task(&self, task: TaskId) -> Result<(), VolumeError> {
        let path = self.of_tasks.join(task.to_string());
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(VolumeError::Remove { path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// Makes a volume whole or not at all; what a crash left half-filled is begun anew.
fn make(folder: &Path, name: &str, origin: Origin) -> Result<PathBuf, VolumeError> {
    let failed = |source| VolumeError::Make { name: name.into(), path: folder.into(), source };
    let data = folder.join(DATA);
    if data.is_dir() {
        return Ok(data);
    }
    fs::DirBuilder::new().recursive(true).mode(0o711).create(folder).map_err(failed)?;
    // Another task that uses the volume for the first time at this moment waits here.
    let lock = File::create(folder.join(LOCK)).map_err(failed)?;
    lock.lock().map_err(failed)?;
    if data.is_dir() {
        return Ok(data);
    }
    let making = folder.join(MAKING);
    if making.exists() {
        fs::remove_dir_all(&making).map_err(failed)?;
    }
    fs::create_dir(&making).map_err(failed)?;
    fs::set_permissions(&making, fs::Permissions::from_mode(0o755)).map_err(failed)?;
    fill(&making, name, origin)?;
    // So that after a power cut the volume is not there empty.
    sync(&making).and_then(|()| fs::rename(&making, &data)).and_then(|()| sync(folder)).map_err(failed)?;
    Ok(data)
}

fn fill(volume: &Path, name: &str, origin: Origin) -> Result<(), VolumeError> {
    let target = origin.target.to_owned();
    let copied = image_root::within(origin.layers, origin.target, |content| copy::tree(content, volume));
    match copied {
        Err(source) => Err(VolumeError::Look { name: name.into(), target, source }),
        Ok(Some(Err(source))) => Err(VolumeError::Copy { name: name.into(), target, source }),
        Ok(Some(Ok(())) | None) => Ok(()),
    }
}

/// Writes everything of a folder's file system to the device.
fn sync(folder: &Path) -> io::Result<()> {
    nix::unistd::syncfs(File::open(folder)?).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, symlink};

    struct Fixture {
        dir: tempfile::TempDir,
        volumes: Volumes,
    }

    impl Fixture {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let volumes = Volumes::new(dir.path());
            Self { dir, volumes }
        }

        /// Two layers: the upper one hides a file of the lower one and adds another.
        fn layers(&self) -> Vec<PathBuf> {
            let (upper, lower) = (self.dir.path().join("upper"), self.dir.path().join("lower"));
            fs::create_dir_all(lower.join("srv/data/deep")).unwrap();
            fs::create_dir_all(upper.join("srv/data")).unwrap();
            fs::set_permissions(upper.join("srv/data"), fs::Permissions::from_mode(0o750)).unwrap();
            std::os::unix::fs::chown(upper.join("srv/data"), Some(33), Some(44)).unwrap();
            fs::write(lower.join("srv/data/deep/kept"), "kept").unwrap();
            fs::write(lower.join("srv/data/hidden"), "hidden").unwrap();
            fs::write(upper.join("srv/data/new"), "new").unwrap();
            symlink("/etc/passwd", upper.join("srv/data/link")).unwrap();
            symlink("/srv", upper.join("alias")).unwrap();
            let whiteout = upper.join("srv/data/hidden");
            let mode = nix::sys::stat::Mode::empty();
            nix::sys::stat::mknod(&whiteout, nix::sys::stat::SFlag::S_IFCHR, mode, 0).unwrap();
            vec![upper, lower]
        }
    }

    #[test]
    fn a_new_volume_has_what_the_image_shows_there() {
        let fixture = Fixture::new();
        let layers = fixture.layers();
        let data = fixture.volumes.named("db", Origin { layers: &layers, target: "/alias/data" }).unwrap();
        assert_eq!(data, fixture.dir.path().join("volumes/db/_data"));
        assert_eq!(fs::read_to_string(data.join("deep/kept")).unwrap(), "kept");
        assert_eq!(fs::read_to_string(data.join("new")).unwrap(), "new");
        assert_eq!(fs::read_link(data.join("link")).unwrap(), Path::new("/etc/passwd"));
        assert!(!data.join("hidden").exists());
        let root = fs::metadata(&data).unwrap();
        assert_eq!((root.mode() & 0o777, root.uid(), root.gid()), (0o750, 33, 44));
    }

    #[test]
    fn a_volume_that_is_there_is_left_alone() {
        let fixture = Fixture::new();
        let layers = fixture.layers();
        let origin = Origin { layers: &layers, target: "/srv/data" };
        let data = fixture.volumes.named("db", Origin { target: "/nothing/there", ..origin }).unwrap();
        fs::write(data.join("mine"), "mine").unwrap();
        assert_eq!(fixture.volumes.named("db", origin).unwrap(), data);
        let names: Vec<_> = fs::read_dir(&data).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names, ["mine"]);
    }

    #[test]
    fn a_volume_that_a_crash_left_half_filled_is_made_anew() {
        let fixture = Fixture::new();
        let layers = fixture.layers();
        let half = fixture.dir.path().join("volumes/db/.making");
        fs::create_dir_all(&half).unwrap();
        fs::write(half.join("half"), "").unwrap();
        let data = fixture.volumes.named("db", Origin { layers: &layers, target: "/srv/data" }).unwrap();
        assert!(data.join("new").exists() && !data.join("half").exists());
    }

    #[test]
    fn a_tasks_own_volumes_end_with_it() {
        let fixture = Fixture::new();
        let layers = fixture.layers();
        let origin = Origin { layers: &layers, target: "/srv/data" };
        let task = TaskId::from_bits(5);
        let data = fixture.volumes.of_task(task, 0, origin).unwrap();
        assert!(data.join("new").exists());
        fixture.volumes.remove_of_task(task).unwrap();
        fixture.volumes.remove_of_task(task).unwrap();
        assert!(!data.exists());
    }
}
