//! Archives in all their formats, and what is listed, shown and removed of them.

use super::{busybox, image_dir, load, names, says};
use anyhow::{Result, ensure};
use flate2::{Compression, write::GzEncoder};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
};
use tests::{
    cluster::TestCluster,
    images::{self, skopeo_copy},
};

/// A compressed copy beside an archive.
fn gzip(archive: &Path) -> Result<PathBuf> {
    let path = archive.with_extension("tar.gz");
    let mut writer = GzEncoder::new(File::create(&path)?, Compression::fast());
    std::io::copy(&mut File::open(archive)?, &mut writer)?;
    writer.finish()?;
    Ok(path)
}

#[test]
fn archives_and_layouts_are_loaded_whatever_made_them_and_run() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let docker = busybox(&cluster, "docker.tar", "docker:1")?;
    ensure!(load(&cluster, &docker)? == "Loaded image: docker:1\n");
    let gzipped = gzip(&busybox(&cluster, "gzip.tar", "team/gzip:1")?)?;
    ensure!(load(&cluster, &gzipped)? == "Loaded image: team/gzip:1\n");

    let from = format!("docker-archive:{}", docker.display());
    let (folder, archive) = (cluster.dir().join("layout"), cluster.dir().join("oci.tar"));
    skopeo_copy(&from, &format!("oci:{}:layout:1", folder.display()))?;
    ensure!(load(&cluster, &folder)? == "Loaded image: layout:1\n");
    skopeo_copy(&from, &format!("oci-archive:{}:oci:1", archive.display()))?;
    ensure!(load(&cluster, &archive)? == "Loaded image: oci:1\n");

    let all = ["docker:1", "team/gzip:1", "layout:1", "oci:1"];
    ensure!(names(&cluster)? == BTreeSet::from(all.map(str::to_owned)));
    for image in all {
        let name = image.replace([':', '/'], "-");
        cluster.shoal(&["service", "create", "-q", "--name", &name, image])?;
        ensure!(cluster.running(&name)?.len() == 1, "{image} runs");
    }
    cluster.finish()
}

#[test]
fn an_archive_is_loaded_from_standard_input() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let archive = busybox(&cluster, "piped.tar", "piped:1")?;
    let mut shoal = std::process::Command::new(tests::cluster::program()?);
    let host = format!("unix://{}", cluster.node("m1").socket().display());
    let output = shoal.args(["load"]).env("SHOAL_HOST", host).stdin(File::open(archive)?).output()?;
    ensure!(output.status.success() && output.stdout == b"Loaded image: piped:1\n", "{output:?}");
    cluster.finish()
}

#[test]
fn images_are_listed_shown_and_removed_by_name_and_by_id() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    load(&cluster, &busybox(&cluster, "one.tar", "app:1")?)?;
    load(&cluster, &busybox(&cluster, "two.tar", "registry.example:5000/team/app:2")?)?;
    let layer = images::layer_of_file("hello", b"hello")?;
    let other = cluster.dir().join("other.tar");
    images::archive(&other, "other:1", &layer, serde_json::json!({ "Env": ["A=b"] }))?;
    load(&cluster, &other)?;

    let ids = cluster.shoal(&["image", "ls", "-q", "--no-trunc", "app"])?;
    let id = ids.trim();
    ensure!(id.starts_with("sha256:") && id.len() == 71, "{id}");
    let table = cluster.shoal(&["image", "ls"])?;
    let heading: Vec<&str> = table.lines().next().unwrap_or_default().split_whitespace().collect();
    ensure!(heading == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"], "{table}");
    let row = |name: &str, tag: &str| {
        let begin = [name, tag, &id[7..19]];
        table.lines().any(|line| line.split_whitespace().take(3).eq(begin))
    };
    // One image under two names: its content is the same.
    ensure!(row("app", "1") && row("registry.example:5000/team/app", "2"), "{table}");

    let shown = cluster.shoal(&[
        "image",
        "inspect",
        "--format",
        "{{.Os}} {{.RepoTags}} {{.Config.Env}}",
        "other:1",
    ])?;
    ensure!(shown == "linux [other:1] [A=b]\n", "{shown}");
    let format = "{{.Id}} {{index .RootFS.Layers 0}}";
    let short = cluster.shoal(&["image", "inspect", "--format", format, &id[7..19]])?;
    ensure!(short.starts_with(&format!("{id} sha256:")), "{short}");
    says(&cluster.refused(&["image", "inspect", "nothing:1"])?, &["no such image: nothing:1"])?;

    says(&cluster.refused(&["image", "rm", id])?, &["several names", "force"])?;
    ensure!(cluster.shoal(&["image", "rm", "app:1"])? == "Untagged: app:1\n");
    let removed = cluster.shoal(&["image", "rm", "registry.example:5000/team/app:2"])?;
    ensure!(removed == format!("Untagged: registry.example:5000/team/app:2\nDeleted: {id}\n"), "{removed}");
    says(&cluster.refused(&["image", "rm", "app:1"])?, &["no such image: app:1"])?;
    cluster.shoal(&["image", "rm", "other:1"])?;
    for folder in ["blobs/sha256", "layers"] {
        let left = fs::read_dir(image_dir(&cluster).join(folder))?.count();
        ensure!(left == 0, "{left} left in {folder} though there is no image");
    }
    cluster.finish()
}

#[test]
fn an_image_that_runs_is_not_removed_until_its_service_is() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    cluster.shoal(&["service", "create", "-q", "--name", "app", "test:1"])?;
    let task = cluster.running("app")?[0].2.clone();

    says(&cluster.refused(&["image", "rm", "test:1"])?, &["is used by running container", &task, "stop"])?;
    // By force the name goes, and what the container needs stays.
    let id = cluster.shoal(&["image", "inspect", "--format", "{{.Id}}", "test:1"])?;
    says(&cluster.refused(&["image", "rm", "-f", id.trim()])?, &["is used by running container"])?;
    ensure!(cluster.shoal(&["image", "rm", "-f", "test:1"])? == "Untagged: test:1\n");
    ensure!(cluster.running("app")?.len() == 1 && cluster.running("app")?[0].2 == task);

    cluster.shoal(&["service", "rm", "app"])?;
    cluster.wait_until("the image can be removed", tests::cluster::SOON, || {
        Ok(cluster.run("m1", &["image", "rm", id.trim()])?.status.success())
    })?;
    ensure!(names(&cluster)?.is_empty());
    cluster.finish()
}
