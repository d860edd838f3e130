//! Images that only a registry has.

use super::{
    busybox, foreign, names,
    registry::{ADDR, Registry},
    says,
};
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use tests::cluster::{SOON, TestCluster};

#[test]
fn a_service_runs_an_image_that_only_the_registry_has() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let registry = Registry::start(&cluster)?;
    let app = registry.push(&cluster, &busybox(&cluster, "app.tar", "app:1")?, "team/app:1")?;
    ensure!(names(&cluster)?.is_empty());
    cluster.shoal(&["service", "create", "-q", "--name", "app", "--replicas", "2", &app])?;
    ensure!(cluster.running("app")?.len() == 2);
    ensure!(names(&cluster)? == BTreeSet::from([app]));
    cluster.finish()
}

#[test]
fn an_image_is_pulled_by_tag_and_by_digest() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let registry = Registry::start(&cluster)?;
    let app = registry.push(&cluster, &busybox(&cluster, "app.tar", "app:1")?, "app:1")?;
    ensure!(cluster.shoal(&["image", "pull", "-q", &app])? == format!("{app}\n"));
    let digests = cluster.shoal(&["image", "inspect", "--format", "{{index .RepoDigests 0}}", &app])?;
    let by_digest = digests.trim();
    ensure!(by_digest.starts_with(&format!("{ADDR}/app@sha256:")), "{by_digest}");

    cluster.shoal(&["image", "rm", &app])?;
    ensure!(names(&cluster)?.is_empty());
    // Without -q each step is told beside the data.
    let output = cluster.run("m1", &["image", "pull", by_digest])?;
    let told = String::from_utf8(output.stderr)?;
    ensure!(output.status.success() && told.contains("done") && told.contains("Digest: sha256:"), "{told}");
    cluster.shoal(&["image", "inspect", by_digest]).map(drop)?;
    cluster.finish()
}

#[test]
fn what_cannot_be_pulled_is_told_with_the_reason() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let registry = Registry::start(&cluster)?;
    let pull = |reference: &str| cluster.refused(&["image", "pull", "-q", reference]);

    says(&pull(&format!("{ADDR}/nothing:1"))?, &["nothing:1 was not found", ADDR])?;
    let app = registry.push(&cluster, &busybox(&cluster, "app.tar", "app:1")?, "app:1")?;
    says(&pull(&format!("{ADDR}/app:2"))?, &["app:2 was not found", "manifest unknown"])?;
    let wrong = format!("{ADDR}/app@sha256:{}", "0".repeat(64));
    says(&pull(&wrong)?, &["app@sha256:000", "was not found"])?;
    says(&pull(&format!("{ADDR}/app@sha256:123"))?, &["sha256:123", "64"])?;
    says(&pull("App:1")?, &["App:1", "lower"])?;
    says(&pull("127.0.0.1:5001/app:1")?, &["cannot reach registry 127.0.0.1:5001 by http", "refused"])?;

    let (archive, architecture) = foreign(&cluster)?;
    let foreign = registry.push(&cluster, &archive, "foreign:1")?;
    says(
        &pull(&foreign)?,
        &["foreign:1 has no variant for linux/", &format!("there is linux/{architecture}")],
    )?;

    registry.damage_largest_blob()?;
    says(&pull(&app)?, &["delivered wrong content", "sha256:"])?;
    ensure!(names(&cluster)?.is_empty(), "nothing of all that became an image");
    cluster.finish()
}

#[test]
fn a_task_whose_image_cannot_be_had_says_why() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let _registry = Registry::start(&cluster)?;
    let image = format!("{ADDR}/nothing:1");
    cluster.shoal(&["service", "create", "-d", "-q", "--name", "app", &image])?;
    cluster.wait_until("the task says why it does not run", SOON, || {
        let tasks = cluster.shoal(&["service", "ps", "--no-trunc", "app"])?;
        Ok(tasks.contains("Rejected") && tasks.contains("nothing:1 was not found"))
    })?;
    cluster.finish()
}
