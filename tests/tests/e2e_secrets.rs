//! Secrets and configs end to end: files in containers' memory, on no disk, with new contents while services run.

use anyhow::{Context, Result, ensure};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tests::cluster::{Container, SOON, TestCluster, program};

/// Something that is nowhere else.
const MARKER: &str = "hunter2-is-no-good-password";

/// Writes down what it finds in its secret when it gets SIGHUP.
const TELL: &str = "trap 'cat /run/secrets/key >/tmp/seen' HUP; echo up >/tmp/up; while :; do sleep 1; done";

/// Makes a secret or config of a text.
fn create(cluster: &TestCluster, kind: &str, options: &[&str], name: &str, text: &str) -> Result<String> {
    let file = written(cluster, text)?;
    let args = [&[kind, "create"], options, &[name, &file]].concat();
    Ok(cluster.shoal(&args)?.trim().to_owned())
}

/// A file with a text.
fn written(cluster: &TestCluster, text: &str) -> Result<String> {
    let path = cluster.dir().join("content");
    fs::write(&path, text)?;
    Ok(path.display().to_string())
}

/// Creates a service and waits for it.
fn serve(cluster: &TestCluster, name: &str, options: &str, command: &[&str]) -> Result<()> {
    let options: Vec<&str> = options.split_whitespace().collect();
    let head = ["service", "create", "-q", "--name", name];
    cluster.shoal(&[&head, &options[..], &["test:1"], command].concat())?;
    Ok(())
}

/// A file as the container sees it.
fn inside(container: &Container, path: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{path}", container.pid))
}

fn content(container: &Container, path: &str) -> Result<String> {
    fs::read_to_string(inside(container, path)).with_context(|| path.to_owned())
}

/// The only running container of a service, once there is one.
fn container(cluster: &TestCluster, service: &str) -> Result<Container> {
    cluster.wait_until("one container runs", SOON, || Ok(cluster.containers(service)?.len() == 1))?;
    cluster.container(service)
}

/// The files below a folder that hold some bytes, but for what is in memory.
fn holding(folder: &Path, bytes: &[u8]) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() && path.file_name().is_none_or(|name| name != "payloads") {
            found.extend(holding(&path, bytes)?);
        } else if kind.is_file()
            // Files come and go in a daemon's folder.
            && fs::read(&path).is_ok_and(|text| text.windows(bytes.len()).any(|window| window == bytes))
        {
            found.push(path);
        }
    }
    Ok(found)
}

/// What a node has of secrets and configs.
fn kept(cluster: &TestCluster, node: &str) -> Vec<PathBuf> {
    let folder = cluster.node(node).data_dir().join("payloads");
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

#[test]
fn a_secret_is_a_file_in_memory_where_it_is_used_and_nowhere_else() -> Result<()> {
    let cluster = TestCluster::start(1, 2)?;
    cluster.load_busybox()?;
    create(&cluster, "secret", &["--label", "team=a"], "key", MARKER)?;
    create(&cluster, "secret", &[], "tls.pem", "pem")?;
    create(&cluster, "config", &[], "site.conf", "server a")?;
    let options = "--constraint node.hostname==w1 --secret key --secret source=key,target=/etc/own/key,uid=101,gid=102,mode=0400 \
        --secret src=tls.pem,target=tls/pem --config site.conf --config source=site.conf,target=/etc/site,mode=440 --read-only";
    serve(&cluster, "web", options, &[])?;
    let container = container(&cluster, "web")?;
    for (path, text, owner, mode) in [
        ("/run/secrets/key", MARKER, (0, 0), 0o444),
        ("/etc/own/key", MARKER, (101, 102), 0o400),
        ("/run/secrets/tls/pem", "pem", (0, 0), 0o444),
        ("/site.conf", "server a", (0, 0), 0o444),
        ("/etc/site", "server a", (0, 0), 0o440),
    ] {
        let file = inside(&container, path);
        let meta = fs::metadata(&file).with_context(|| path.to_owned())?;
        ensure!(content(&container, path)? == text, "{path} has another content");
        ensure!((meta.uid(), meta.gid()) == owner && meta.mode() & 0o7777 == mode, "{path}: {meta:?}");
        ensure!(statfs(&file)?.filesystem_type() == TMPFS_MAGIC, "{path} is not in memory");
        ensure!(fs::write(&file, "x").is_err(), "{path} can be written to in the container");
    }

    // Nobody is told of it but the node that needs it, and nothing of it is on any disk or in any log.
    ensure!(kept(&cluster, "w1").len() == 1, "w1 keeps {:?}", kept(&cluster, "w1"));
    for node in ["m1", "w2"] {
        ensure!(kept(&cluster, node).is_empty(), "{node} has secrets of no task of its own");
    }
    for node in cluster.names() {
        let node = cluster.node(&node);
        for folder in [node.data_dir(), node.socket().parent().context("a folder")?.to_owned()] {
            let found = holding(&folder, MARKER.as_bytes())?;
            ensure!(found.is_empty(), "the secret is on a disk: {found:?}");
        }
    }
    for args in [
        &["secret", "inspect", "key"][..],
        &["secret", "inspect", "--pretty", "key"],
        &["secret", "ls", "--format", "json"],
        &["service", "inspect", "web"],
    ] {
        ensure!(!cluster.shoal(args)?.contains(MARKER), "{args:?} shows the secret");
    }
    let shown = cluster.shoal(&[
        "service",
        "inspect",
        "--format",
        "{{json .Spec.TaskTemplate.ContainerSpec.Secrets}}",
        "web",
    ])?;
    ensure!(shown.contains("\"SecretName\":\"key\"") && shown.contains("\"Mode\":256"), "{shown}");

    cluster.shoal(&["service", "rm", "web"])?;
    cluster.wait_until("w1 has nothing of them any more", SOON, || Ok(kept(&cluster, "w1").is_empty()))?;
    for (kind, names) in [("secret", ["key", "tls.pem"].as_slice()), ("config", &["site.conf"])] {
        cluster.shoal(&[&[kind, "rm"], names].concat())?;
        ensure!(cluster.shoal(&[kind, "ls", "-q"])?.is_empty(), "a {kind} is left");
    }
    cluster.finish()
}

#[test]
fn a_new_content_gets_to_services_by_restart_by_signal_or_as_a_file_only() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    create(&cluster, "secret", &[], "key", "one")?;
    serve(&cluster, "web", "--constraint node.hostname==w1 --secret key", &["sh", "-c", TELL])?;
    let found = |container: &Container| content(container, "/run/secrets/key");
    let first = container(&cluster, "web")?;

    // The tasks are replaced, which is done when the command is.
    let file = written(&cluster, "a second content that is longer")?;
    cluster.shoal(&["secret", "update", "-q", "key", &file])?;
    let second = container(&cluster, "web")?;
    ensure!(second.task != first.task && found(&second)? == "a second content that is longer");
    cluster.shoal(&["service", "rollback", "-q", "web"])?;
    let back = container(&cluster, "web")?;
    ensure!(found(&back)? == "one", "a rollback brings the content before back: {}", found(&back)?);
    cluster.shoal(&["service", "update", "-q", "--secret-add", "key", "web"])?;
    let third = container(&cluster, "web")?;
    ensure!(found(&third)? == "a second content that is longer", "the newest is to be had again");

    // The others reach the container that runs.
    cluster.wait_until("it listens for signals", SOON, || Ok(inside(&third, "/tmp/up").exists()))?;
    let file = written(&cluster, "three")?;
    cluster.shoal(&["secret", "update", "--roll", "signal", "key", &file])?;
    cluster.wait_until("it was told", SOON, || Ok(content(&third, "/tmp/seen")? == "three"))?;
    let file = written(&cluster, "number four")?;
    cluster.shoal(&["secret", "update", "--roll", "file", "--label-add", "n=4", "key", &file])?;
    cluster.wait_until("it can be read", SOON, || Ok(found(&third)? == "number four"))?;
    ensure!(content(&third, "/tmp/seen")? == "three", "nobody told it");
    ensure!(container(&cluster, "web")?.task == third.task, "it is still the same container");
    let shown = cluster.shoal(&[
        "secret",
        "inspect",
        "--format",
        "{{.ContentVersion}} {{.Spec.Labels.n}} {{.Services}}",
        "key",
    ])?;
    ensure!(shown.trim() == "4 4 [web]", "{shown}");

    // It goes on over a restart of the daemon, which knows nothing before the managers tell it anew.
    let w1 = cluster.node("w1");
    cluster.on(w1.kill())?;
    ensure!(found(&third)? == "number four", "the container lost its secret with the daemon");
    let file = written(&cluster, "five")?;
    cluster.shoal(&["secret", "update", "--roll", "signal=HUP", "key", &file])?;
    cluster.on(w1.start())?;
    cluster.wait_until("it was told what came meanwhile", SOON, || {
        Ok(content(&third, "/tmp/seen")? == "five")
    })?;
    cluster.shoal(&["service", "scale", "-q", "web=2"])?;
    for container in cluster.containers("web")? {
        ensure!(found(&container)? == "five", "a task that was made later finds the newest");
    }
    cluster.finish()
}

#[test]
fn contents_are_filled_in_for_each_task() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    create(&cluster, "secret", &[], "password", "hunter2")?;
    let template = "{{.Service.Name}}.{{.Task.Slot}}@{{.Node.Hostname}} {{env \"MODE\"}} {{secret \"pw\"}}\n";
    create(&cluster, "config", &["--template-driver", "golang"], "site", template)?;
    let options = "--replicas 2 --env MODE=fast-{{.Task.Slot}} --secret src=password,target=pw --config site";
    serve(&cluster, "web", options, &[])?;
    let mut found = Vec::new();
    for container in cluster.containers("web")? {
        found.push(content(&container, "/site")?);
    }
    found.sort();
    ensure!(found == ["web.1@m1 fast-1 hunter2\n", "web.2@m1 fast-2 hunter2\n"], "{found:?}");

    // What the service lacks is found out on the node, and said without showing the content.
    let refused = cluster.refused(&[
        "service",
        "create",
        "--name",
        "bare",
        "--restart-condition",
        "none",
        "--config",
        "site",
        "test:1",
    ])?;
    ensure!(refused.contains("config `site`: the service sets no variable `MODE`"), "{refused}");
    cluster.finish()
}

#[test]
fn contents_of_the_largest_size_reach_every_manager_and_more_than_fits_into_a_message_a_node() -> Result<()> {
    let cluster = TestCluster::start(3, 1)?;
    cluster.load_busybox()?;
    let text = |number: u32, size: usize| format!("{number}{}", "x".repeat(size - 1));
    let mut options = String::from("--constraint node.hostname==w1");
    for number in 0..8 {
        let file = written(&cluster, &text(number, 511_999))?;
        // Any manager takes it.
        let manager = ["m1", "m2", "m3"][number as usize % 3];
        cluster.shoal_on(manager, &["secret", "create", &format!("key{number}"), &file])?;
        options += &format!(" --secret key{number}");
    }
    create(&cluster, "config", &[], "site", &text(9, 1_023_999))?;
    serve(&cluster, "web", &format!("{options} --config site"), &[])?;
    let container = container(&cluster, "web")?;
    for number in 0..8 {
        let found = content(&container, &format!("/run/secrets/key{number}"))?;
        ensure!(found == text(number, 511_999), "key{number} has {} bytes", found.len());
    }
    ensure!(content(&container, "/site")?.len() == 1_023_999);
    cluster.finish()
}

#[test]
fn what_can_not_be_is_refused_with_what_would_be_right() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    create(&cluster, "secret", &[], "key", "one")?;
    create(&cluster, "secret", &[], "other", "two")?;
    create(&cluster, "config", &[], "key", "a config may have the name of a secret")?;
    let (good, large) = (written(&cluster, "good")?, cluster.dir().join("large").display().to_string());
    fs::write(&large, vec![b'x'; 512_000])?;
    let before = cluster.shoal(&["secret", "ls", "--format", "{{.ID}} {{.Name}} {{.ContentVersion}}"])?;
    let lines: [(&str, &str); 17] = [
        (
            "secret create key GOOD",
            "secret `key` exists already: choose another name, or give it a new content",
        ),
        ("secret create a/b GOOD", "NAME: `a/b` is not a valid name"),
        ("secret create new LARGE", "has 512000 bytes or more, and a secret has less"),
        ("secret create new /dev/null", "there is nothing in it"),
        ("secret create new /no/such", "cannot read /no/such"),
        ("secret create --driver vault new GOOD", "there are no secret drivers"),
        ("secret create --template-driver mustache new GOOD", "`mustache` is not known: use golang"),
        ("secret update nope GOOD", "secret `nope` was not found"),
        ("secret update --roll later key GOOD", "use restart, signal[=SIGNAL], file"),
        ("secret update key", "there is nothing to change"),
        ("secret inspect nope", "secret `nope` was not found"),
        ("config rm other", "config `other` was not found"),
        ("service create --secret nope test:1", "--secret: secret `nope` was not found"),
        ("service create --config other test:1", "--config: config `other` was not found"),
        (
            "service create --secret src=key,target=../x test:1",
            "target `../x` must be the name or path of a file",
        ),
        (
            "service create --secret key --secret src=other,target=key test:1",
            "target `/run/secrets/key` of `other` is given twice",
        ),
        ("service create --secret src=key,uid=www test:1", "give the number that it has there"),
    ];
    for (line, says) in lines {
        let line = line.replace("GOOD", &good).replace("LARGE", &large);
        let refused = cluster.refused(&line.split_whitespace().collect::<Vec<_>>())?;
        ensure!(refused.contains(says), "{line}: {refused}");
    }
    let after = cluster.shoal(&["secret", "ls", "--format", "{{.ID}} {{.Name}} {{.ContentVersion}}"])?;
    ensure!(
        after == before && cluster.shoal(&["service", "ls", "-q"])?.is_empty(),
        "something was made: {after}"
    );

    // One that is in use stays, and who uses it is named; one that is not goes all the same.
    serve(&cluster, "web", "--secret key", &[])?;
    let refused = cluster.refused(&["secret", "rm", "key", "other"])?;
    ensure!(
        refused.contains("secret `key` is in use by service `web`: update or remove it first"),
        "{refused}"
    );
    ensure!(cluster.shoal(&["secret", "ls", "--format", "{{.Name}}"])? == "key\n");
    cluster.shoal(&["service", "update", "-q", "--secret-rm", "key", "web"])?;
    ensure!(!inside(&container(&cluster, "web")?, "/run/secrets/key").exists(), "the container still has it");
    let refused = cluster.refused(&["secret", "rm", "key"])?;
    ensure!(refused.contains("as long as it can be rolled back to the secret"), "{refused}");
    cluster.shoal(&["service", "rm", "web"])?;
    cluster.shoal(&["secret", "rm", "key"])?;
    cluster.finish()
}

#[test]
fn a_config_is_read_from_standard_input_and_shown_as_it_is() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    let mut create = Command::new(program()?)
        .args(["config", "create", "-l", "team=a", "site", "-"])
        .env("SHOAL_HOST", format!("unix://{}", cluster.node("m1").socket().display()))
        .stdin(Stdio::piped())
        .spawn()?;
    create.stdin.take().context("its standard input")?.write_all(b"server a\n")?;
    ensure!(create.wait()?.success(), "it was not created");
    let data = cluster.shoal(&["config", "inspect", "--format", "{{.Spec.Data}}", "site"])?;
    ensure!(data.trim() == "c2VydmVyIGEK", "{data}");
    let pretty = cluster.shoal(&["config", "inspect", "--pretty", "site"])?;
    ensure!(pretty.ends_with("Data:\nserver a\n\n"), "{pretty}");
    let listed = |filter: &str| {
        cluster.shoal(&["config", "ls", "--filter", filter, "--format", "{{.Name}} {{.Labels}}"])
    };
    ensure!(listed("label=team=a")? == "site team=a\n" && listed("name=x")?.is_empty());
    cluster.shoal(&["config", "rm", "site"])?;
    cluster.finish()
}
