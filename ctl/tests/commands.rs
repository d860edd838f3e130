//! The program itself against a daemon that follows a script: what it sends, what it prints where,
//! and how it exits.

mod fake;

use fake::{Fake, Ran, Script};
use proto::wire::{
    InfoResponse, Role, Service, ServiceSpec, ServiceView, Task, TaskState, TaskStatus,
    service_spec::{Mode, Replicated},
};
use std::{process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};
use tonic::Status;

/// Longer than anything here takes on a busy machine.
const DEADLINE: Duration = Duration::from_secs(60);

fn web() -> Service {
    Service {
        id: "serviceweb000000000000000".into(),
        version: 7,
        spec: Some(ServiceSpec {
            name: "web".into(),
            mode: Some(Mode::Replicated(Replicated { replicas: 1 })),
            ..Default::default()
        }),
        running_tasks: 1,
        desired_tasks: 1,
        ..Default::default()
    }
}

fn task(number: u32, state: TaskState, error: &str) -> Task {
    Task {
        id: format!("task{number:0<21}"),
        created_at: number.into(),
        slot: "1".into(),
        desired: proto::wire::DesiredState::Running.into(),
        status: Some(TaskStatus { state: state.into(), error: error.into(), ..Default::default() }),
        ..Default::default()
    }
}

fn view(tasks: Vec<Task>) -> ServiceView {
    ServiceView { service: Some(web()), tasks }
}

fn script() -> Script {
    Script { service: web(), ..Default::default() }
}

fn failed(stderr: &str, status: i32) -> Ran {
    Ran { stdout: String::new(), stderr: stderr.into(), status }
}

#[tokio::test]
async fn a_list_goes_to_standard_output() {
    let fake = Fake::start(script());
    let expected = "\
ID             NAME      MODE         REPLICAS   IMAGE     PORTS
serviceweb00   web       replicated   1/1                  \n";
    assert_eq!(
        fake.shoal(&["service", "ls"]).await,
        Ran { stdout: expected.into(), stderr: String::new(), status: 0 }
    );
}

#[tokio::test]
async fn wrong_options_are_all_told_and_nothing_is_sent() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["service", "update", "--limit-cpu", "half", "--replicas", "x", "web"]).await;
    let expected = "\
shoal: error: 2 options are wrong:
  --replicas: `x` is not a count: write a whole number from 0 to 4294967295
  --limit-cpu: `half` is not a number of processors: write a decimal number, such as 0.5 or 2
";
    assert_eq!(ran, failed(expected, 2));
    assert!(fake.script().calls.is_empty());
}

#[tokio::test]
async fn an_update_of_a_service_that_changes_meanwhile_is_made_again() {
    let fake = Fake::start(Script { meddling: 2, ..script() });
    let ran = fake.shoal(&["service", "update", "-d", "--label-add", "tier=front", "web"]).await;
    assert_eq!(ran, Ran { stdout: "web\n".into(), stderr: String::new(), status: 0 });
    let script = fake.script();
    assert_eq!(script.calls.iter().filter(|call| **call == "update_service").count(), 3);
    assert_eq!(script.service.spec.as_ref().unwrap().labels["tier"], "front");
}

#[tokio::test]
async fn a_new_service_is_waited_for() {
    let views = [
        view(vec![]),
        view(vec![task(1, TaskState::Preparing, "")]),
        view(vec![task(1, TaskState::Running, "")]),
    ];
    let fake = Fake::start(Script { views: views.into(), ..script() });
    let ran = fake.shoal(&["service", "create", "--name", "web", "nginx"]).await;
    let progress = "\
overall progress: 0 out of 1 tasks
web.1: preparing
web.1: running
overall progress: 1 out of 1 tasks
verify: watching for a moment that the tasks stay up
verify: Service web converged
";
    assert_eq!(ran, Ran { stdout: "serviceweb000000000000000\n".into(), stderr: progress.into(), status: 0 });
}

#[tokio::test]
async fn a_service_that_is_rejected_again_and_again_fails_with_its_log() {
    let rejected = (1..=3).map(|number| task(number, TaskState::Rejected, "no such image: ngnix")).collect();
    let fake = Fake::start(Script { views: [view(rejected)].into(), log: vec!["boom".into()], ..script() });
    let ran = fake.shoal(&["service", "create", "-q", "--name", "web", "ngnix"]).await;
    let error = "\
shoal: error: service web is not as asked for: web.1 was rejected 3 times: no such image: ngnix
the end of the task's log:
    boom
see 'shoal service ps --no-trunc web' for every task
";
    assert_eq!(ran, Ran { stdout: "serviceweb000000000000000\n".into(), stderr: error.into(), status: 1 });
}

#[tokio::test]
async fn ctrl_c_stops_the_wait_and_not_the_service() {
    let fake =
        Fake::start(Script { views: [view(vec![task(1, TaskState::Pending, "")])].into(), ..script() });
    let mut command = fake.command(&["service", "create", "--name", "web", "nginx"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let talk = async {
        // By the first line of progress the program listens for signals.
        assert_eq!(lines.next_line().await.unwrap().unwrap(), "web.1: pending");
        let process = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-INT", &process]).status().await.unwrap().success());
        let mut last = String::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            last = line;
        }
        last
    };
    let last = tokio::time::timeout(DEADLINE, talk).await.unwrap();
    assert_eq!(
        last,
        "shoal: stopped waiting; the cluster goes on with service web. Look at it with: shoal service ps web"
    );
    assert!(child.wait().await.unwrap().success());
}

#[tokio::test]
async fn a_worker_says_where_to_ask() {
    let info = InfoResponse {
        state: "active".into(),
        role: Role::Worker.into(),
        managers: vec![proto::wire::ManagerAddr { addr: "10.0.0.1:2377".into(), ..Default::default() }],
        ..Default::default()
    };
    let fake =
        Fake::start(Script { refusal: Some(Status::failed_precondition("no manager")), info, ..script() });
    let expected = "shoal: error: this node is a worker: run this on a manager (10.0.0.1:2377)\n";
    assert_eq!(fake.shoal(&["service", "ls"]).await, failed(expected, 1));
}

#[tokio::test]
async fn what_the_managers_refuse_is_told_line_by_line() {
    let refusal = Some(Status::invalid_argument("--hostname: too long\n--workdir: not absolute"));
    let fake = Fake::start(Script { refusal, ..script() });
    let expected =
        "shoal: error: the managers refuse this:\n  --hostname: too long\n  --workdir: not absolute\n";
    assert_eq!(fake.shoal(&["service", "create", "nginx"]).await, failed(expected, 1));
}

#[tokio::test]
async fn one_missing_service_does_not_hide_the_others() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["service", "inspect", "--format", "{{.Spec.Name}}", "nosuch", "web"]).await;
    assert_eq!(
        ran,
        Ran {
            stdout: "web\n".into(),
            stderr: "shoal: error: service `nosuch` was not found\n".into(),
            status: 1
        }
    );
}

#[tokio::test]
async fn an_image_is_loaded_from_standard_input() {
    let fake = Fake::start(script());
    let bytes: Vec<u8> = (0..1_000_000u32).map(|nth| nth as u8).collect();
    let mut child = fake.command(&["load"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&bytes).await.unwrap();
    drop(stdin);
    let ran = tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap();
    assert_eq!(String::from_utf8(ran.stdout).unwrap(), "Loaded image: box:1\n");
    assert_eq!(fake.script().loaded, bytes);
}

#[tokio::test]
async fn without_a_daemon_the_socket_is_named_and_our_version_still_told() {
    let fake = Fake::start(script());
    let ran: Ran =
        fake.command(&["-H", "unix:///nowhere/shoal.sock", "version"]).output().await.unwrap().into();
    assert!(ran.stdout.starts_with("Client:\n Version: "), "{ran:?}");
    assert!(
        ran.stderr.starts_with("shoal: error: no daemon answers at /nowhere/shoal.sock: start it with"),
        "{ran:?}"
    );
    assert_eq!(ran.status, 1);
}

#[tokio::test]
async fn an_unknown_option_gets_a_suggestion() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["service", "create", "--replica", "3", "nginx"]).await;
    assert!(ran.stderr.contains("a similar argument exists: '--replicas'"), "{ran:?}");
    assert_eq!((ran.status, ran.stdout.as_str()), (2, ""));
}

#[tokio::test]
async fn a_completion_script_names_the_commands() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["completion", "bash"]).await;
    assert!(
        ran.stdout.contains("shoal__subcmd__service") || ran.stdout.contains("shoal__service"),
        "{}",
        ran.stderr
    );
    assert_eq!(ran.status, 0);
}
