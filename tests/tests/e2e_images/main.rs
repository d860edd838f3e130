//! Images end to end: loaded from archives, pulled from a registry, listed and removed, and refused.

mod disk_full;
mod loading;
mod pulling;
mod refused;
mod registry;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};
use tests::{cluster::TestCluster, images};

/// The folder of the images, which all nodes of a cluster share.
fn image_dir(cluster: &TestCluster) -> PathBuf {
    cluster.dir().join("data/images")
}

/// Everything that the images' folder holds: documents, layers, and work in progress.
fn content(cluster: &TestCluster) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for folder in ["blobs/sha256", "layers", "tmp"] {
        for entry in fs::read_dir(image_dir(cluster).join(folder))? {
            names.insert(format!("{folder}/{}", entry?.file_name().to_string_lossy()));
        }
    }
    Ok(names)
}

/// The names of all images, as `REPOSITORY:TAG`.
fn names(cluster: &TestCluster) -> Result<BTreeSet<String>> {
    let listed = cluster.shoal(&["image", "ls", "--format", "{{.Repository}}:{{.Tag}}"])?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// A docker-archive of busybox that runs until it is killed, in the test's own folder.
fn busybox(cluster: &TestCluster, file: &str, reference: &str) -> Result<PathBuf> {
    let path = cluster.dir().join(file);
    images::busybox(&path, reference, json!({ "Cmd": ["sleep", "1000000"], "StopSignal": "SIGKILL" }))?;
    Ok(path)
}

/// A docker-archive of `foreign:1` for a processor that this machine does not have, and its name.
fn foreign(cluster: &TestCluster) -> Result<(PathBuf, &'static str)> {
    let architecture = if cfg!(target_arch = "aarch64") { "amd64" } else { "arm64" };
    let path = cluster.dir().join("foreign.tar");
    let layer = images::layer_of_file("hello", b"hello")?;
    let mut config = images::config(&layer, json!({}));
    config["architecture"] = json!(architecture);
    images::docker_archive(&path, "foreign:1", &layer, &config)?;
    Ok((path, architecture))
}

/// Changes one byte in the middle of the largest of some files, which is an image's layer.
fn damage_largest(files: Vec<PathBuf>) -> Result<PathBuf> {
    let largest = files.into_iter().max_by_key(|path| fs::metadata(path).map_or(0, |found| found.len()));
    let path = largest.context("there are no files")?;
    let mut bytes = fs::read(&path)?;
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes)?;
    Ok(path)
}

/// Loads an archive or folder and returns what was printed.
fn load(cluster: &TestCluster, path: &Path) -> Result<String> {
    cluster.shoal(&["image", "load", "-i", &path.display().to_string()])
}

/// Tries to load what can't be loaded, checks that it left nothing, and returns what was said.
fn load_refused(cluster: &TestCluster, path: &Path) -> Result<String> {
    let before = (names(cluster)?, content(cluster)?);
    let said = cluster.refused(&["image", "load", "-i", &path.display().to_string()])?;
    let after = (names(cluster)?, content(cluster)?);
    ensure!(before == after, "a refused load must leave nothing: {before:?} became {after:?} ({said})");
    Ok(said)
}

/// Checks that an answer has all the words that help.
fn says(said: &str, words: &[&str]) -> Result<()> {
    let missing: Vec<&&str> = words.iter().filter(|word| !said.contains(**word)).collect();
    ensure!(missing.is_empty(), "{missing:?} should be in: {said}");
    ensure!(said.trim_end().lines().count() == 1, "one sentence should do: {said}");
    Ok(())
}
