//! Stacks from Compose files on a real cluster: deployed, changed, compared and removed.

use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use tests::cluster::{SOON, TestCluster};

/// A shop with a database that takes a moment to come up, a job that has to be done before, and a page.
const SHOP: &str = r#"
name: shop
x-wait: &wait
  image: test:1
  stop_signal: SIGKILL
  networks: [back]
services:
  web:
    image: test:1
    stop_signal: SIGKILL
    command: ["sh", "-c", "wget -q -O - http://db:80/ > /tmp/found; mkdir /www; cp /tmp/found /www/index.html; exec httpd -f -h /www"]
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
    ports: ["${PORT:-8080}:80"]
    networks: [back, default]
    deploy: {replicas: 2}
  db:
    <<: *wait
    command: sh -c "sleep 1; mkdir /www; echo $$GREETING > /www/index.html; exec httpd -f -h /www"
    environment: {GREETING: "${GREETING:-good morning}"}
    healthcheck: {test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:80/"], interval: 1s}
    networks: {back: {aliases: [database]}}
  migrate:
    <<: *wait
    command: sh -c "sleep 1; echo migrated"
    restart: "no"
networks:
  back: {internal: true}
"#;

fn write(dir: &Path, name: &str, text: &str) -> Result<String> {
    let path: PathBuf = dir.join(name);
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path.display().to_string())
}

fn page(cluster: &TestCluster) -> Result<String> {
    cluster.http("m1", "m1", 8080)
}

#[test]
fn a_stack_is_deployed_changed_and_removed_as_one() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    let dir = cluster.dir();
    let file = write(&dir, "compose.yaml", SHOP)?;

    let planned = cluster.shoal(&["stack", "diff", "-c", &file])?;
    for line in ["+ network shop_back", "+ network shop_default", "+ service shop_db", "+ service shop_web"] {
        ensure!(planned.contains(line), "no {line} in {planned}");
    }
    ensure!(cluster.shoal(&["service", "ls", "-q"])?.is_empty(), "a diff changes nothing");
    cluster.refused(&["stack", "diff", "--exit-code", "-c", &file])?;

    let made = cluster.shoal(&["stack", "deploy", "-q", "-c", &file])?;
    ensure!(made.lines().count() == 5, "{made}");
    // The page was made of what the database says: it was there first.
    ensure!(page(&cluster)?.contains("good morning"), "{}", page(&cluster)?);
    let tasks = cluster.shoal(&["stack", "ps", "--format", "{{.Name}} {{.CurrentState}}", "shop"])?;
    ensure!(tasks.lines().filter(|line| line.contains("Running")).count() == 3, "{tasks}");
    ensure!(tasks.contains("shop_migrate.1 Complete"), "{tasks}");
    ensure!(
        cluster.shoal(&["stack", "ls", "--format", "{{.Name}} {{.Services}} {{.Networks}}"])?.trim()
            == "shop 3 2"
    );
    let services = cluster.shoal(&["stack", "services", "--format", "{{.Name}} {{.Replicas}}", "shop"])?;
    ensure!(services.contains("shop_web 2/2"), "{services}");

    // The same again changes nothing, and leaves a scale alone that the file does not name.
    cluster.shoal(&["service", "scale", "-d", "shop_db=2"])?;
    ensure!(cluster.shoal(&["stack", "deploy", "-q", "-c", &file])?.is_empty());
    ensure!(cluster.shoal(&["stack", "diff", "-c", &file])?.trim() == "nothing would change");

    // A file over it changes one service, adds one and takes one out.
    let over = write(
        &dir,
        "over.yaml",
        "services:\n  db: {environment: {GREETING: good evening}}\n  migrate: !reset null\n  \
         web: {depends_on: !override {db: {condition: service_started}}}\n  more: {image: 'test:1', command: [sleep, '1000'], stop_signal: SIGKILL}\n",
    )?;
    let files = ["-c", &file, "-c", &over];
    let planned = cluster.shoal(&[&["stack", "deploy", "--dry-run", "--prune"], &files[..]].concat())?;
    let env = r#"~ TaskTemplate.ContainerSpec.Env: ["GREETING=good morning"] -> ["GREETING=good evening"]"#;
    let tasks = ["1. replace shop_db.1 on ", "2. replace shop_db.2 on ", "1. start shop_more.1 on "];
    for line in
        ["+ service shop_more", "~ service shop_db", env, "- service shop_migrate"].into_iter().chain(tasks)
    {
        ensure!(planned.contains(line), "no {line} in {planned}");
    }
    let changed = cluster.shoal(&[&["stack", "deploy", "-q", "--prune"], &files[..]].concat())?;
    ensure!(
        changed.contains("Updating service shop_db") && changed.contains("Removing service shop_migrate"),
        "{changed}"
    );
    let db = cluster.shoal(&[
        "service",
        "ls",
        "--format",
        "{{.Name}} {{.Replicas}}",
        "--filter",
        "name=shop_db",
    ])?;
    ensure!(db.trim() == "shop_db 2/2", "{db}");

    let removed = cluster.shoal(&["stack", "rm", "shop"])?;
    ensure!(
        removed.contains("Removing service shop_web") && removed.contains("Removing network shop_back"),
        "{removed}"
    );
    ensure!(cluster.shoal(&["service", "ls", "-q"])?.is_empty());
    let networks = cluster.shoal(&["network", "ls", "--format", "{{.Name}}"])?;
    ensure!(!networks.contains("shop_"), "{networks}");
    ensure!(cluster.shoal(&["stack", "ls", "-q"])?.is_empty());
    cluster.finish()
}

#[test]
fn what_is_wrong_is_said_at_once_and_nothing_is_made() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    let dir = cluster.dir();
    let wrong = write(
        &dir,
        "wrong.yaml",
        "services:\n  web:\n    imge: x\n    ports: [eighty]\n  db: {image: x, deploy: {replicas: many}}\n",
    )?;
    let output = cluster.run("m1", &["stack", "deploy", "-c", &wrong, "shop"])?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(2), "{said}");
    for part in [
        "wrong.yaml:3:5: services.web.imge: there is no such key: did you mean image?",
        "wrong.yaml:4:13: services.web.ports[0]: `eighty` is not a port",
        "wrong.yaml:5:37: services.db.deploy.replicas: this must be a whole number",
        "wrong.yaml:2:3: services.web: no image is named",
    ] {
        ensure!(said.contains(part), "no {part} in {said}");
    }

    // What the cluster refuses is said all at once too, and nothing is done of it.
    cluster.shoal(&[
        "service",
        "create",
        "-d",
        "--name",
        "shop_web",
        "--publish",
        "80:80",
        "test:1",
        "sleep",
        "1000",
    ])?;
    let clash = write(
        &dir,
        "clash.yaml",
        "services:\n  web: {image: 'test:1'}\n  api: {image: 'test:1', ports: ['80:80'], privileged: true}\n  db: {image: 'test:1', networks: [gone]}\n\
         networks: {gone: {external: true}}\n",
    )?;
    let said = cluster.refused(&["stack", "deploy", "-c", &clash, "shop"])?;
    ensure!(said.contains("services.api.privileged: not honoured"), "{said}");
    ensure!(said.contains("service shop_db: --network: network gone not found"), "{said}");
    cluster.shoal(&["network", "create", "gone"])?;
    let said = cluster.refused(&["stack", "deploy", "-c", &clash, "shop"])?;
    for part in [
        "service shop_web: there is a service of this name that is not the stack's",
        "service shop_api: port 80/tcp of every node is taken by service `shop_web`",
    ] {
        ensure!(said.contains(part), "no {part} in {said}");
    }
    ensure!(cluster.shoal(&["service", "ls", "--format", "{{.Name}}"])?.trim() == "shop_web");
    ensure!(cluster.shoal(&["stack", "ls", "-q"])?.is_empty(), "nothing was made");

    ensure!(cluster.refused(&["stack", "rm", "shop"])?.contains("stack `shop` was not found"));
    cluster.finish()
}

#[test]
fn a_deployment_that_fails_says_why() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    let file = write(
        &cluster.dir(),
        "broken.yaml",
        "services:\n  good: {image: 'test:1', command: [sleep, '1000'], stop_signal: SIGKILL}\n  \
         bad: {image: 'test:1', command: [sh, -c, 'echo no licence; exit 3'], restart: 'no'}\n  \
         waits: {image: 'test:1', command: [sleep, '1000'], depends_on: {bad: {condition: service_completed_successfully}}}\n",
    )?;
    let said = cluster.refused(&["stack", "deploy", "-c", &file, "shop"])?;
    for part in ["stack shop is not as asked for", "service shop_bad is not as asked for", "no licence"] {
        ensure!(said.contains(part), "no {part} in {said}");
    }
    let waits = cluster.shoal(&["stack", "ps", "--no-trunc", "--filter", "name=shop_waits", "shop"])?;
    ensure!(waits.contains("Pending"), "{waits}");
    let listed = cluster.shoal(&["stack", "ls"])?;
    ensure!(listed.contains("1 service waits for others"), "{listed}");
    cluster.wait_until("the good one runs", SOON, || {
        Ok(cluster
            .shoal(&["stack", "services", "shop"])?
            .lines()
            .any(|line| line.contains("shop_good") && line.contains("1/1")))
    })?;
    cluster.shoal(&["stack", "rm", "shop"])?;
    cluster.finish()
}
