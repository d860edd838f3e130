//! Archives that are damaged, hostile, or something else: each is refused in words that help.

use super::{busybox, damage_largest, foreign, load, load_refused, says};
use anyhow::{Context, Result};
use serde_json::json;
use std::{
    fs::{self, File},
    path::Path,
};
use tests::{
    cluster::TestCluster,
    images::{self, skopeo_copy},
};

#[test]
fn what_is_no_whole_archive_is_refused() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let path = cluster.dir().join("bad.tar");
    let good = fs::read(busybox(&cluster, "good.tar", "good:1")?)?;

    fs::write(&path, &good[..good.len() / 2])?;
    says(&load_refused(&cluster, &path)?, &["truncated", "layer.tar", "get it again"])?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &good)?;
    let gzip = gzip.finish()?;
    fs::write(&path, &gzip[..gzip.len() / 2])?;
    says(&load_refused(&cluster, &path)?, &["truncated", "get it again"])?;

    fs::write(&path, "this is a letter, not an archive\n".repeat(1000))?;
    says(&load_refused(&cluster, &path)?, &["no tar archive", "gzip or zstd"])?;
    fs::write(&path, "")?;
    says(&load_refused(&cluster, &path)?, &["no image in it", "docker save"])?;
    fs::write(&path, images::layer_of_file("readme.txt", b"no image")?)?;
    says(&load_refused(&cluster, &path)?, &["no image in it", "docker save"])?;
    says(&load_refused(&cluster, &cluster.dir())?, &["not an OCI layout", "oci-layout"])?;
    says(
        &load_refused(&cluster, Path::new("/nowhere/at/all.tar"))?,
        &["/nowhere/at/all.tar", "No such file"],
    )?;

    // What was refused is no obstacle for what is right.
    fs::write(&path, &good)?;
    load(&cluster, &path).map(drop)?;
    cluster.finish()
}

#[test]
fn an_archive_whose_parts_do_not_fit_together_is_refused() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let path = cluster.dir().join("bad.tar");
    let layer = images::layer_of_file("hello", b"hello")?;

    let mut config = images::config(&layer, json!({}));
    config["rootfs"]["diff_ids"][0] = json!(format!("sha256:{}", "0".repeat(64)));
    images::docker_archive(&path, "bad:1", &layer, &config)?;
    says(&load_refused(&cluster, &path)?, &["layer sha256:", "config says sha256:000", "malformed"])?;

    let layout = cluster.dir().join("layout");
    let good = busybox(&cluster, "good.tar", "good:1")?;
    skopeo_copy(&format!("docker-archive:{}", good.display()), &format!("oci:{}:good:1", layout.display()))?;
    let blobs = fs::read_dir(layout.join("blobs/sha256"))?.map(|entry| Ok(entry?.path()));
    let blob = damage_largest(blobs.collect::<Result<_>>()?)?;
    let name = blob.file_name().context("a name")?.to_string_lossy().into_owned();
    says(
        &load_refused(&cluster, &layout)?,
        &[&name, "has digest sha256:", "altered or damaged", "get it again"],
    )?;
    fs::remove_file(&blob)?;
    says(&load_refused(&cluster, &layout)?, &[&name, "is missing from the image archive"])?;

    let mut tar = tar::Builder::new(File::create(&path)?);
    let manifest = json!([{ "Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l.tar"] }]).to_string();
    images::append(&mut tar, "manifest.json", 0o644, manifest.as_bytes())?;
    tar.finish()?;
    says(&load_refused(&cluster, &path)?, &["`c.json` is missing from the image archive", "save it again"])?;
    cluster.finish()
}

#[test]
fn a_layer_that_reaches_out_of_its_folder_is_refused() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let path = cluster.dir().join("hostile.tar");
    for name in ["../x", "a/../../x", "/../../../tmp/x"] {
        images::archive(&path, "hostile:1", &images::layer_of_file(name, b"owned")?, json!({}))?;
        says(&load_refused(&cluster, &path)?, &[name, "leads out of its folder", "malformed or hostile"])?;
    }
    cluster.finish()
}

#[test]
fn an_image_for_another_kind_of_machine_is_refused() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let (path, architecture) = foreign(&cluster)?;
    let there = format!("there is linux/{architecture}");
    says(
        &load_refused(&cluster, &path)?,
        &["foreign:1 has no variant for linux/", &there, "build it for this platform"],
    )?;
    cluster.finish()
}
