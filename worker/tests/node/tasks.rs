//! Tasks from their assignment to their end, with real images, networks and containers.

use crate::support::{DEADLINE, Gate, Node, script, until};
use proto::model::{
    DesiredState, Mount, MountKind, PortProtocol, PublishedPort, Task, TaskState, TaskStatus,
};
use std::{
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
};

/// Assigns a task that can't be run, and says how it ended.
async fn refusal(node: &Node, task: &Task) -> TaskStatus {
    let _daemon = node.up().await;
    node.manager.assign(&[task]).await;
    let end = node.end_of(task).await;
    assert_eq!(end.state, TaskState::Rejected);
    end
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_assigned_any_more_is_stopped_and_removed() {
    let node = Node::new().await;
    let task = script("while :; do sleep 1; done").build();
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    node.pid_of(&task).await;
    let container = daemon.handle.board().container(task.id);
    assert!(container.path().exists());
    node.manager.assign(&[]).await;
    until("the container's removal", || !container.path().exists()).await;
    until("the task to be forgotten", || daemon.handle.board().state(task.id).is_none()).await;
    assert_eq!(daemon.handle.board().running(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_shut_down_ends_and_keeps_its_output() {
    let node = Node::new().await;
    let mut task = script("echo hello; while :; do sleep 1; done").build();
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    node.pid_of(&task).await;
    task.desired = DesiredState::Shutdown;
    node.manager.assign(&[&task]).await;
    let end = node.end_of(&task).await;
    assert_eq!((end.state, end.error), (TaskState::Shutdown, None));
    assert!(daemon.handle.board().container(task.id).logs().exists());
    node.manager.demand_logs("after the end", task.id, false).await;
    until("its output", || node.manager.log_text() == "hello\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn output_is_sent_while_it_is_written_and_until_the_container_ends() {
    let node = Node::new().await;
    let gate = node.gate();
    let task = script(&format!("echo first; {}; echo second", Gate::WAIT)).mount(gate.mount()).build();
    let _daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    until("the task to be held", || node.manager.has_heard(task.id, TaskState::Accepted)).await;
    node.manager.demand_logs("follow", task.id, true).await;
    until("the first line", || node.manager.log_text().starts_with("first\n")).await;
    gate.open();
    until("the second line", || node.manager.log_text() == "first\nsecond\n").await;
    assert_eq!(node.end_of(&task).await.state, TaskState::Complete);
    assert_eq!(node.manager.log_warnings(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_output_of_a_task_that_is_not_here_is_answered_with_a_warning() {
    let node = Node::new().await;
    let task = script("true").build();
    let _daemon = node.up().await;
    node.manager.demand_logs("nothing", task.id, true).await;
    until("a warning", || !node.manager.log_warnings().is_empty()).await;
    assert!(node.manager.log_warnings()[0].contains("not on this node"), "{:?}", node.manager.log_warnings());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_had_rejects_the_task_with_the_reason() {
    let node = Node::new().await;
    // Nothing listens at port 1.
    let task = script("true").image("127.0.0.1:1/none:latest").build();
    let error = refusal(&node, &task).await.error.unwrap();
    assert!(error.contains("127.0.0.1:1/none:latest") && error.contains("cannot reach registry"), "{error}");
    let messages: Vec<_> = node.manager.statuses(task.id).into_iter().map(|status| status.message).collect();
    assert!(messages.contains(&"preparing".to_owned()), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bind_source_that_is_missing_rejects_the_task() {
    let node = Node::new().await;
    let source = node.path("missing").to_str().unwrap().to_owned();
    let mount =
        Mount { target: "/data".into(), read_only: false, kind: MountKind::Bind { source: source.clone() } };
    let error = refusal(&node, &script("true").mount(mount).build()).await.error.unwrap();
    assert!(error.contains(&source) && error.contains("create it"), "{error}");
}

fn port(published: u16, target: u16) -> PublishedPort {
    PublishedPort::host(PortProtocol::Tcp, published.try_into().unwrap(), target.try_into().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_a_program_of_the_node_listens_on_rejects_the_task() {
    let node = Node::new().await;
    let _listener = node.host.run(|| TcpListener::bind("0.0.0.0:8080").unwrap()).await.unwrap();
    let error = refusal(&node, &script("true").port(port(8080, 80)).build()).await.error.unwrap();
    let listener = format!("(process {})", std::process::id());
    assert!(error.contains("port 8080/tcp is in use") && error.contains(&listener), "{error}");
}

/// Reads what is served at a port of the node, from outside of its containers.
async fn served(node: &Node, port: u16) -> Option<String> {
    let read = move || {
        let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text).filter(|text| !text.is_empty())
    };
    node.host.run(read).await.unwrap()
}

async fn until_served(node: &Node, port: u16, text: &str) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while served(node, port).await.as_deref() != Some(text) {
        assert!(tokio::time::Instant::now() < deadline, "`{text}` was not served");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_port_leads_to_the_container_over_a_restart_and_until_it_is_stopped() {
    let node = Node::new().await;
    set_loopback_up(&node).await;
    let mut task = script("while :; do nc -l -p 80 -e echo served; done").port(port(8080, 80)).build();
    let daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    node.pid_of(&task).await;
    until_served(&node, 8080, "served\n").await;
    daemon.kill().await;
    let _daemon = node.up().await;
    node.manager.assign(&[&task]).await;
    until_served(&node, 8080, "served\n").await;
    task.desired = DesiredState::Remove;
    node.manager.assign(&[&task]).await;
    assert_eq!(node.end_of(&task).await.state, TaskState::Shutdown);
    assert_eq!(served(&node, 8080).await, None);
}

/// A new namespace's loopback is down.
async fn set_loopback_up(node: &Node) {
    let set = || std::process::Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap();
    assert!(node.host.run(set).await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_named_volume_begins_with_the_images_content_and_outlives_its_task() {
    let node = Node::new().await;
    let volume = Mount {
        target: "/srv/data".into(),
        read_only: false,
        kind: MountKind::Volume { name: Some("db".into()) },
    };
    let first = script("cat /srv/data/seed && echo mine > /srv/data/seed").mount(volume.clone()).build();
    let second = script("cat /srv/data/seed").mount(volume).build();
    let _daemon = node.up().await;
    node.manager.assign(&[&first]).await;
    assert_eq!(node.end_of(&first).await.state, TaskState::Complete);
    node.manager.demand_logs("first", first.id, true).await;
    until("what the image has", || node.manager.log_text() == "from the image\n").await;
    node.manager.assign(&[&second]).await;
    assert_eq!(node.end_of(&second).await.state, TaskState::Complete);
    node.manager.demand_logs("second", second.id, true).await;
    until("what the first task wrote", || node.manager.log_text() == "from the image\nmine\n").await;
    assert!(node.data().join("volumes/db/_data/seed").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_knows_its_name_and_a_second_task_can_run_beside_it() {
    let node = Node::new().await;
    let tasks = [script("cat /etc/hostname /etc/hosts").build(), script("cat /etc/resolv.conf").build()];
    let _daemon = node.up().await;
    node.manager.assign(&[&tasks[0], &tasks[1]]).await;
    for task in &tasks {
        assert_eq!(node.end_of(task).await.state, TaskState::Complete);
    }
    node.manager.demand_logs("names", tasks[0].id, true).await;
    let name = tasks[0].id.short(12);
    until("its name", || node.manager.log_text().ends_with(&format!("\t{name}\n"))).await;
    assert!(node.manager.log_text().starts_with(&format!("{name}\n127.0.0.1\tlocalhost\n")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manager_that_asks_hears_what_the_node_has_of_its_networks() {
    let node = Node::new().await;
    let _daemon = node.up().await;
    node.manager.ask_of_networks("first").await;
    until("an answer", || node.manager.findings().len() == 1).await;
    let findings = node.manager.findings().remove(0);
    assert_eq!((findings.question_id.as_str(), findings.networks.len()), ("first", 1));
    assert_eq!(findings.networks[0].differences, [""; 0]);

    let lose = || std::process::Command::new("nft").args(["flush", "ruleset"]).status().unwrap();
    assert!(node.host.run(lose).await.unwrap().success());
    let repairs = || node.manager.findings().last().map_or(0, |findings| findings.networks[0].repairs);
    until("a repair that is told of", || {
        repairs() == 1 || {
            futures::executor::block_on(node.manager.ask_of_networks("again"));
            false
        }
    })
    .await;
}
