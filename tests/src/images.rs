//! Images for the tests, made of programs of this machine; no registry is asked.

use anyhow::{Context, Result, ensure};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// Where Debian's busybox-static installs it.
const BUSYBOX: &str = "/bin/busybox";

/// A small image as a docker-archive: busybox, under the names that the tests use, and what `extra`
/// adds to its config.
pub fn busybox(path: &Path, reference: &str, extra: serde_json::Value) -> Result<()> {
    let mut layer = tar::Builder::new(Vec::new());
    for folder in ["bin", "tmp", "etc", "data"] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(if folder == "tmp" { 0o1777 } else { 0o755 });
        header.set_size(0);
        layer.append_data(&mut header, format!("{folder}/"), std::io::empty())?;
    }
    let program =
        fs::read(BUSYBOX).with_context(|| format!("{BUSYBOX} is missing: install busybox-static"))?;
    append(&mut layer, "bin/busybox", 0o755, &program)?;
    for name in [
        "sh", "sleep", "echo", "cat", "httpd", "hostname", "id", "ls", "wget", "nc", "true", "false", "env",
        "touch", "ip",
    ] {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{name}"), "busybox")?;
    }
    append(&mut layer, "etc/passwd", 0o644, b"root:x:0:0::/:/bin/sh\nweb:x:101:102::/:/bin/sh\n")?;
    append(&mut layer, "etc/group", 0o644, b"root:x:0:\nweb:x:102:\n")?;
    archive(path, reference, &layer.into_inner()?, extra)
}

/// A docker-archive of one layer.
pub fn archive(path: &Path, reference: &str, layer: &[u8], extra: serde_json::Value) -> Result<()> {
    docker_archive(path, reference, layer, &config(layer, extra))
}

/// The config of an image of one layer for this machine; tests that want a wrong one change it.
pub fn config(layer: &[u8], extra: serde_json::Value) -> serde_json::Value {
    json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": extra,
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{}", digest(layer))] },
    })
}

/// A docker-archive of one layer and any config, whether they fit together or not.
pub fn docker_archive(path: &Path, reference: &str, layer: &[u8], config: &serde_json::Value) -> Result<()> {
    let config = config.to_string();
    let config_name = format!("{}.json", digest(config.as_bytes()));
    let manifest =
        json!([{ "Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"] }]).to_string();
    let mut tar = tar::Builder::new(File::create(path)?);
    append(&mut tar, "layer.tar", 0o644, layer)?;
    append(&mut tar, &config_name, 0o644, config.as_bytes())?;
    append(&mut tar, "manifest.json", 0o644, manifest.as_bytes())?;
    tar.into_inner()?.sync_all()?;
    Ok(())
}

/// A layer of one file, whose name of at most 100 bytes is written as it is, so that it may be hostile.
pub fn layer_of_file(name: &str, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(bytes.len() as u64);
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_cksum();
    let mut layer = tar::Builder::new(Vec::new());
    layer.append(&header, bytes)?;
    Ok(layer.into_inner()?)
}

/// Copies an image by skopeo, from and to any of the places and formats that it knows.
pub fn skopeo_copy(from: &str, to: &str) -> Result<()> {
    let options = ["--insecure-policy", "copy", "--quiet", "--dest-tls-verify=false"];
    let output = Command::new("skopeo").args(options).args([from, to]).output();
    let output = output.context("skopeo can't be run: install the package skopeo")?;
    ensure!(output.status.success(), "skopeo copy {from} {to}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The example's image (`example:VERSION`, or `example:broken`), made once by the script that people use.
pub fn example(version: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("the crate lies in the workspace")?;
    let folder = root.join("target/test-images");
    fs::create_dir_all(&folder)?;
    let path = folder.join(format!("example-{version}.tar"));
    // Several tests want it at the same time; the first one makes it.
    let lock = File::create(folder.join(format!("example-{version}.lock")))?;
    lock.lock()?;
    if !path.exists() {
        let beside = path.with_extension("new");
        let mut make = Command::new(root.join("deploy/example/make-image"));
        if version == "broken" {
            make.arg("--broken");
        }
        let output = make.arg(&beside).env("VERSION", version).output()?;
        ensure!(output.status.success(), "make-image failed: {}", String::from_utf8_lossy(&output.stderr));
        fs::rename(&beside, &path)?;
    }
    Ok(path)
}

/// Adds a file of root's.
pub fn append(tar: &mut tar::Builder<impl Write>, name: &str, mode: u32, bytes: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_size(bytes.len() as u64);
    tar.append_data(&mut header, name, bytes)?;
    Ok(())
}

fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}
