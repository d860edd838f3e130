//! A disk without room for an image.

use super::{content, image_dir, load, load_refused, names, says};
use anyhow::{Result, ensure};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use serde_json::json;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};
use tests::{cluster::TestCluster, images};

/// A small file system over a folder, taken off again whatever happens.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn over(folder: &Path, mebibytes: u32) -> Result<Self> {
        let options = format!("size={mebibytes}m,mode=700");
        mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))?;
        Ok(Self(folder.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        if let Err(errno) = umount2(&self.0, MntFlags::MNT_DETACH) {
            eprintln!("{} could not be unmounted: {errno}", self.0.display());
        }
    }
}

/// A docker-archive of an image of about this size that no compression makes smaller.
fn image_of(cluster: &TestCluster, name: &str, mebibytes: usize) -> Result<PathBuf> {
    let path = cluster.dir().join(format!("{name}.tar"));
    // Different for each name, so that no two images share anything.
    let mut state =
        name.bytes().fold(0x9e37_79b9_7f4a_7c15_u64, |state, byte| state.rotate_left(9) ^ u64::from(byte));
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let bytes: Vec<u8> = std::iter::repeat_with(&mut next).take(mebibytes << 17).flatten().collect();
    images::archive(&path, &format!("{name}:1"), &images::layer_of_file("data", &bytes)?, json!({}))?;
    Ok(path)
}

/// An image takes its size twice, as an archive and unpacked: two of 5 MiB do not fit into 16, nor does
/// the archive of one of 10 beside the first.
#[test]
fn a_full_disk_is_told_and_nothing_is_left_of_what_did_not_fit() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let node = cluster.node("m1");
    cluster.on(node.kill())?;
    let _disk = SmallDisk::over(&image_dir(&cluster), 16)?;
    cluster.on(node.start())?;

    load(&cluster, &image_of(&cluster, "first", 5)?)?;
    let with_first = content(&cluster)?;
    let second = image_of(&cluster, "second", 5)?;
    let full = ["no space left to", "remove unused images", "No space left on device"];
    says(&load_refused(&cluster, &second)?, &full)?;
    says(&load_refused(&cluster, &image_of(&cluster, "large", 10)?)?, &full)?;
    ensure!(names(&cluster)? == BTreeSet::from(["first:1".to_owned()]));
    ensure!(content(&cluster)? == with_first, "the first image is whole");

    ensure!(cluster.shoal(&["image", "rm", "first:1"])?.contains("Deleted: sha256:"));
    ensure!(load(&cluster, &second)? == "Loaded image: second:1\n");
    ensure!(names(&cluster)? == BTreeSet::from(["second:1".to_owned()]));
    cluster.finish()
}
