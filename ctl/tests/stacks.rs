//! `shoal stack` as a process: files from disk and standard input, what is printed, and how it ends.

mod fake;

use fake::{Fake, Ran, Script};
use proto::wire::{
    DesiredState, Service, ServiceSpec, ServiceView, Task, TaskState, TaskStatus,
    service_spec::{Mode, Replicated},
};
use std::process::Stdio;

const FILE: &str = "\
name: shop
services:
  web:
    image: nginx:${TAG:-1}
    ports: ['8080:80']
    env_file: web.env
    tty: true
    depends_on: [db]
  db: {image: 'postgres:16', profiles: [all]}
";

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder of the test's own");
    std::fs::write(folder.path().join("compose.yaml"), FILE.replace("    depends_on: [db]\n", ""))
        .expect("a folder of the test's own");
    std::fs::write(folder.path().join("web.env"), "A=1\nB='two words'\n")
        .expect("a folder of the test's own");
    std::fs::write(folder.path().join(".env"), "TAG=1.27\n").expect("a folder of the test's own");
    folder
}

fn script() -> Script {
    let spec = ServiceSpec {
        name: "shop_web".into(),
        mode: Some(Mode::Replicated(Replicated { replicas: 1 })),
        ..Default::default()
    };
    Script {
        service: Service { id: "s".repeat(25), spec: Some(spec), version: 1, ..Default::default() },
        ..Default::default()
    }
}

fn view(service: &Service, state: TaskState, error: &str) -> ServiceView {
    let status = TaskStatus { state: state.into(), error: error.into(), ..Default::default() };
    let task = Task {
        id: format!("{:0>25}", "t"),
        slot: "1".into(),
        desired: DesiredState::Running.into(),
        status: Some(status),
        service_id: service.id.clone(),
        ..Default::default()
    };
    ServiceView { service: Some(service.clone()), tasks: vec![task] }
}

#[tokio::test]
async fn a_project_is_found_in_the_folder_and_printed_as_one_file() {
    let (fake, folder) = (Fake::start(script()), folder());
    let output = fake.command(&["stack", "config"]).current_dir(folder.path()).output().await.unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let expected = "\
name: shop
services:
  web:
    image: nginx:1.27
    ports:
      - mode: ingress
        target: 80
        published: \"8080\"
        protocol: tcp
    tty: true
    environment:
      A: \"1\"
      B: two words
";
    assert_eq!(stdout, expected);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("compose.yaml:7:5: services.web.tty: not honoured: "), "{stderr}");
    assert!(fake.script().calls.is_empty(), "nobody was asked");

    let nowhere = tempfile::tempdir().unwrap();
    let output = fake.command(&["stack", "deploy", "x"]).current_dir(nowhere.path()).output().await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("name the file with -c FILE"));
}

#[tokio::test]
async fn a_file_from_standard_input_is_deployed_under_the_name_given() {
    let fake = Fake::start(script());
    let mut deploy = fake
        .command(&["stack", "deploy", "--detach", "--prune", "-c", "-", "other"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = std::io::Cursor::new(b"services: {web: {image: nginx}}");
    tokio::io::copy(&mut input, &mut deploy.stdin.take().unwrap()).await.unwrap();
    let output = deploy.wait_with_output().await.unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "Creating service other_web\n");
    let script = fake.script();
    let request = &script.applied[0];
    let spec = request.spec.as_ref().unwrap();
    assert_eq!((spec.name.as_str(), request.prune, request.dry_run), ("other", true, false));
    assert_eq!(spec.networks[0].name, "other_default");
    assert_eq!(script.calls, ["apply_stack"], "nothing was waited for");
}

#[tokio::test]
async fn everything_that_is_wrong_is_told_and_nothing_is_sent() {
    let fake = Fake::start(script());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("a.yml"),
        "services:\n  web: {imge: x}\n  db: {image: DB, restart: maybe}\n",
    )
    .unwrap();
    let file = folder.path().join("a.yml").display().to_string();
    let Ran { stdout, stderr, status } = fake.shoal(&["stack", "deploy", "-c", &file]).await;
    let said = stderr.replace(&folder.path().display().to_string(), "");
    let expected = "\
shoal: error: the Compose files have 5 errors:
  /a.yml:2:3: services.web: no image is named: add image: NAME (the cluster builds none)
  /a.yml:2:9: services.web.imge: there is no such key: did you mean image?
  /a.yml:3:15: services.db.image: image name `DB` is not valid: use lower-case letters, digits and single `.`, `_`, `-` between them, with `/` between parts
  /a.yml:3:28: services.db.restart: `maybe` is not one of the choices: use none, on-failure, any
  STACK: the stack has no name: give one, or write name: in the file
";
    assert_eq!(said, expected);
    assert_eq!((stdout.as_str(), status, fake.script().calls.len()), ("", 2, 0));
}

#[tokio::test]
async fn a_deployment_waits_and_tells_which_service_failed() {
    let folder = folder();
    let deploy = |views: Vec<ServiceView>| {
        let fake = Fake::start(Script { views: views.into(), log: vec!["no licence".into()], ..script() });
        let directory = folder.path().to_owned();
        async move {
            let output = fake.command(&["stack", "deploy"]).current_dir(directory).output().await.unwrap();
            (output.status.code(), String::from_utf8(output.stderr).unwrap())
        }
    };
    let service = script().service;
    let (status, said) =
        deploy(vec![view(&service, TaskState::Starting, ""), view(&service, TaskState::Running, "")]).await;
    assert_eq!(status, Some(0), "{said}");
    assert!(
        said.contains("shop_web 0/1: starting") && said.contains("verify: Stack shop converged"),
        "{said}"
    );

    let mut failed = view(&service, TaskState::Failed, "task: non-zero exit (3)");
    failed.tasks[0].desired = DesiredState::Shutdown.into();
    let never = proto::wire::RestartPolicy {
        condition: proto::wire::restart_policy::Condition::None.into(),
        ..Default::default()
    };
    let task = proto::wire::TaskSpec { restart: Some(never), ..Default::default() };
    failed.service.as_mut().unwrap().spec.as_mut().unwrap().task = Some(task);
    let (status, said) = deploy(vec![failed]).await;
    assert_eq!(status, Some(1), "{said}");
    for part in [
        "stack shop is not as asked for:\nservice shop_web is not as asked for:",
        "non-zero exit (3)",
        "no licence",
    ] {
        assert!(said.contains(part), "no {part} in {said}");
    }
}
