//! Tasks that can't be placed or started.

use super::{refused, says};
use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};
use tests::cluster::{SOON, TestCluster};

/// A service that makes one try, and waits for it.
fn create<'a>(name: &'a str, options: &[&'a str], image: &[&'a str]) -> Vec<&'a str> {
    [&["service", "create", "--name", name, "--restart-condition", "none"], options, image].concat()
}

/// The states and errors of a service's tasks.
fn tasks(cluster: &TestCluster, service: &str) -> Result<String> {
    cluster.shoal(&["service", "ps", "--no-trunc", "--format", "{{.CurrentState}} {{.Error}}", service])
}

#[test]
fn a_task_that_can_not_be_prepared_is_rejected_and_says_what_to_do() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    let rejected = |name: &str, options: &[&str], image: &[&str], words: &[&str]| -> Result<()> {
        refused(&cluster, &create(name, options, image), words)?;
        says(&tasks(&cluster, name)?, &[&["Rejected"], words].concat())
    };

    let taken = cluster.on(cluster.node("m1").exec_in_netns(|| TcpListener::bind("0.0.0.0:8080")))??;
    let publish = ["--publish", "published=8080,target=80,mode=host"];
    let words = [
        "port 8080/tcp is in use on this node",
        &format!("(process {})", std::process::id()),
        "publish another port",
    ];
    rejected("port", &publish, &["test:1"], &words)?;
    drop(taken);

    let words = ["cannot mount `/no/such` at `/data`", "no such file or folder on this node", "create it"];
    rejected("mount", &["--mount", "type=bind,source=/no/such,target=/data"], &["test:1"], &words)?;
    let words = ["the image has no user `nobody-here`", "use one it has"];
    rejected("user", &["--user", "nobody-here"], &["test:1"], &words)?;

    let words = [
        "image `127.0.0.1:1/app:1` is not on this node",
        "cannot reach registry 127.0.0.1:1",
        "check its address",
    ];
    rejected("registry", &[], &["127.0.0.1:1/app:1"], &words)?;
    let registry = cluster.on(cluster.node("m1").exec_in_netns(|| TcpListener::bind("127.0.0.1:0")))??;
    let image = format!("{}/app:1", registry.local_addr()?);
    let answering = Registry::serve(registry)?;
    rejected("image", &[], &[&image], &["is not on this node", "cannot be pulled", "manifest unknown"])?;
    drop(answering);

    // None of them left anything on the node.
    let containers = cluster.node("m1").data_dir().join("containers");
    ensure!(std::fs::read_dir(containers)?.next().is_none(), "a container was left behind");
    cluster.finish()
}

#[test]
fn a_command_that_the_image_does_not_have_is_named() -> Result<()> {
    let cluster = TestCluster::start(1, 0)?;
    cluster.load_busybox()?;
    refused(&cluster, &create("app", &[], &["test:1", "/bin/nope"]), &["the image has no /bin/nope"])?;
    let all = tasks(&cluster, "app")?;
    says(&all, &["Failed", "the image has no /bin/nope"])?;
    ensure!(all.lines().count() == 1, "one try was asked for: {all}");
    cluster.finish()
}

#[test]
fn a_service_that_fits_nowhere_says_why_while_it_waits() -> Result<()> {
    let cluster = TestCluster::start(1, 1)?;
    cluster.load_busybox()?;
    waits(
        &cluster,
        "picky",
        &["--constraint", "node.labels.disk==ssd"],
        "0 of 2 nodes: 2 lack node.labels.disk==ssd",
    )?;
    waits(
        &cluster,
        "hungry",
        &["--reserve-memory", "900g"],
        "0 of 2 nodes: 2 out of memory (needs 900 GiB, largest free",
    )?;
    waits(&cluster, "busy", &["--reserve-cpu", "500"], "0 of 2 nodes: 2 out of cpus (needs 500, most free")?;
    // What it lacks is given to it, and it runs.
    cluster.shoal(&["node", "update", "--label-add", "disk=ssd", "w1"])?;
    cluster.wait_until("the task runs where it fits", SOON, || {
        Ok(cluster.running("picky")?.iter().map(|(_, node, _)| node.as_str()).eq(["w1"]))
    })?;
    cluster.finish()
}

/// `create` waits and says why, `service ps` says it as well; Ctrl-C ends the wait and leaves the service.
fn waits(cluster: &TestCluster, name: &str, options: &[&str], why: &str) -> Result<()> {
    let args = create(name, options, &["test:1"]);
    let mut creating = cluster.spawn("m1", &args)?;
    let (tell, told) = mpsc::channel();
    let output = creating.stderr.take().context("its standard error")?;
    thread::spawn(move || {
        let lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.into_iter().try_for_each(|line| tell.send(line))
    });
    let mut said = String::new();
    while !said.contains(why) {
        match told.recv_timeout(SOON) {
            Ok(line) => said.push_str(&line),
            Err(_) => {
                creating.kill()?;
                anyhow::bail!("`{why}` is missing in: {said}");
            }
        }
    }
    kill(Pid::from_raw(i32::try_from(creating.id())?), Signal::SIGINT)?;
    ensure!(creating.wait()?.success(), "Ctrl-C is no failure");
    says(&tasks(cluster, name)?, &["Pending", why])
}

/// Something that speaks enough of a registry's language to say that it has no such image.
struct Registry {
    over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
}

impl Registry {
    fn serve(listener: TcpListener) -> Result<Self> {
        listener.set_nonblocking(true)?;
        let over = Arc::new(AtomicBool::new(false));
        let until = over.clone();
        let serving = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                match listener.accept() {
                    // Whoever asked tells what came of it.
                    Ok((stream, _)) => drop(answer(stream)),
                    Err(_) => thread::sleep(Duration::from_millis(10)),
                }
            }
        });
        Ok(Self { over, serving: Some(serving) })
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(serving) = self.serving.take() {
            // It panicked: the test fails by what it was not told.
            let _ = serving.join();
        }
    }
}

fn answer(mut stream: TcpStream) -> Result<()> {
    stream.set_nonblocking(false)?;
    let mut request = String::new();
    let mut reader = BufReader::new(stream.try_clone()?);
    while reader.read_line(&mut request)? > 2 {}
    let (status, body) = match request.starts_with("GET /v2/ ") {
        true => ("200 OK", "{}"),
        false => {
            ("404 Not Found", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}"#)
        }
    };
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )?;
    Ok(())
}
