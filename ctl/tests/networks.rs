//! `shoal network`, and the networks of services, against a daemon that follows a script.

mod fake;

use fake::{Fake, Ran, Script};
use proto::wire::{
    CheckedNode, Network, NetworkAttachment, NetworkFinding, NetworkSpec, Service, ServiceSpec, TaskSpec,
};
use std::process::Stdio;
use tokio::io::AsyncWriteExt;

fn network(name: &str, services: &[&str]) -> Network {
    Network {
        id: format!("id{name:0<23}"),
        spec: Some(NetworkSpec { name: name.into(), ..Default::default() }),
        service_ids: services.iter().map(ToString::to_string).collect(),
        ..Default::default()
    }
}

fn in_front(aliases: &[&str]) -> Vec<NetworkAttachment> {
    let aliases = aliases.iter().map(ToString::to_string).collect();
    vec![NetworkAttachment { network: network("front", &[]).id, aliases }]
}

/// A service `web` in the network `front`, and the networks `back` and `ingress` that nobody uses.
fn script() -> Script {
    let task = TaskSpec { attachments: in_front(&["www"]), ..Default::default() };
    let spec = ServiceSpec { name: "web".into(), task: Some(task), ..Default::default() };
    let mut ingress = network("ingress", &[]);
    ingress.spec.get_or_insert_default().ingress = true;
    Script {
        service: Service { id: "serviceweb000000000000000".into(), spec: Some(spec), ..Default::default() },
        networks: vec![network("front", &["serviceweb000000000000000"]), network("back", &[]), ingress],
        ..Default::default()
    }
}

fn names(fake: &Fake) -> Vec<String> {
    let script = fake.script();
    script.networks.iter().filter_map(|network| network.spec.as_ref()).map(|spec| spec.name.clone()).collect()
}

fn attachments(fake: &Fake) -> Vec<NetworkAttachment> {
    let spec = fake.script().service.spec.clone();
    spec.and_then(|spec| spec.task).unwrap_or_default().attachments
}

fn printed(stdout: &str, stderr: &str, status: i32) -> Ran {
    Ran { stdout: stdout.into(), stderr: stderr.into(), status }
}

#[tokio::test]
async fn a_new_network_answers_with_its_id() {
    let fake = Fake::start(Script::default());
    let ran = fake.shoal(&["network", "create", "-d", "overlay", "--attachable", "front"]).await;
    assert_eq!(ran, printed("nnnnnnnnnnnnnnnnnnnnnnnnn\n", "", 0));
    assert!(fake.script().networks[0].spec.as_ref().unwrap().attachable);
}

#[tokio::test]
async fn wrong_options_are_all_told_and_nothing_is_created() {
    let fake = Fake::start(Script::default());
    let ran = fake.shoal(&["network", "create", "-d", "weave", "--gateway", "10.0.9.1", "front"]).await;
    let expected = "\
shoal: error: 2 options are wrong:
  --gateway: 10.0.9.1 needs the subnet it lies in: add --subnet
  --driver: there is no driver `weave`: use overlay, bridge or macvlan
";
    assert_eq!(ran, printed("", expected, 2));
    assert!(fake.script().calls.is_empty());
}

#[tokio::test]
async fn every_network_is_tried_and_every_refusal_told() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["network", "rm", "nosuch", "front", "back"]).await;
    let expected = "shoal: error: network `nosuch` was not found\na service uses the network\n";
    assert_eq!(ran, printed("back\n", expected, 1));
    assert_eq!(fake.shoal(&["network", "rm", "-f", "nosuch"]).await, printed("", "", 0));
}

#[tokio::test]
async fn a_prune_removes_what_is_not_used_but_never_ingress() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["network", "prune", "-f"]).await;
    assert_eq!(ran, printed("Deleted Networks:\nback\n", "", 0));
    assert_eq!(names(&fake), ["front", "ingress"]);
    assert_eq!(fake.shoal(&["network", "prune", "--force"]).await, printed("", "", 0));
}

#[tokio::test]
async fn a_prune_asks_before_anything_is_sent() {
    let fake = Fake::start(script());
    for (answer, status) in [("n\n", 1), ("", 1), ("y\n", 0)] {
        assert_eq!(fake.script().calls.len(), 0, "{answer:?}");
        let mut command = fake.command(&["network", "prune"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(answer.as_bytes()).await.unwrap();
        let ran = Ran::from(child.wait_with_output().await.unwrap());
        assert!(ran.stderr.contains("Are you sure you want to continue? [y/N] "), "{ran:?}");
        assert_eq!(ran.status, status, "{ran:?}");
    }
    assert_eq!(names(&fake), ["front", "ingress"]);
}

#[tokio::test]
async fn a_service_leaves_and_joins_networks_by_name() {
    let fake = Fake::start(script());
    let update = ["service", "update", "-d", "web"];
    let with = |options: &[&'static str]| [update.as_slice(), options].concat();
    let ran = fake.shoal(&with(&["--network-add", "name=front,alias=shop"])).await;
    assert_eq!(ran, printed("web\n", "", 0));
    assert_eq!(attachments(&fake), in_front(&["shop"]));
    fake.shoal(&with(&["--network-rm", "front"])).await;
    assert_eq!(attachments(&fake), []);
    let ran = fake.shoal(&with(&["--network-add", "nosuch", "--network-rm", "gone"])).await;
    let expected = "shoal: error: network `gone` was not found\nnetwork `nosuch` was not found\n";
    assert_eq!(ran, printed("", expected, 1));
}

#[tokio::test]
async fn people_are_shown_the_names_of_networks() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["service", "inspect", "--pretty", "web"]).await;
    assert!(ran.stdout.contains("\nNetworks: front \nEndpoint Mode:\tvip\n"), "{ran:?}");
}

#[tokio::test]
async fn a_service_is_connected_and_disconnected_by_name() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["network", "connect", "-d", "--alias", "shop", "back", "web"]).await;
    assert_eq!(ran, printed("", "", 0));
    let added = NetworkAttachment { network: network("back", &[]).id, aliases: vec!["shop".into()] };
    assert_eq!(attachments(&fake), [in_front(&["www"]), vec![added.clone()]].concat());
    let twice = fake.shoal(&["network", "connect", "-d", "back", "web"]).await;
    assert!(twice.status != 0 && twice.stderr.contains("is in network `back` already"), "{twice:?}");
    assert_eq!(fake.shoal(&["network", "disconnect", "-d", "front", "web"]).await, printed("", "", 0));
    assert_eq!(attachments(&fake), [added]);
    let ran = fake.shoal(&["network", "disconnect", "-d", "front", "web"]).await;
    assert!(ran.status != 0 && ran.stderr.contains("`web` is not in network `front`"), "{ran:?}");
}

#[tokio::test]
async fn an_alias_that_is_no_name_is_refused_before_anything_is_sent() {
    let fake = Fake::start(script());
    let ran = fake.shoal(&["network", "connect", "--alias=-x-", "--alias", "a b", "back", "web"]).await;
    assert!(ran.status == 2 && ran.stderr.matches("--alias: ").count() == 2, "{ran:?}");
    assert!(fake.script().calls.is_empty());
}

#[tokio::test]
async fn a_check_says_what_differs_on_which_node_and_ends_with_1() {
    let finding = |name: &str, differences: &[&str]| NetworkFinding {
        name: name.into(),
        differences: differences.iter().map(ToString::to_string).collect(),
        ..Default::default()
    };
    let node =
        |hostname: &str, networks| CheckedNode { hostname: hostname.into(), networks, ..Default::default() };
    let whole = node("m1", vec![finding("", &[]), finding("front", &[])]);
    let fake = Fake::start(Script { checked: vec![whole.clone()], ..script() });
    let ran = fake.shoal(&["network", "check"]).await;
    assert_eq!(ran, printed("2 networks are as they should be on 1 node\n", "", 0));

    let lacking = node("w1", vec![finding("front", &["the route to 10.0.1.32/28 is missing"])]);
    let silent = CheckedNode { silence: "it has no session with the leader".into(), ..node("w2", vec![]) };
    fake.script().checked = vec![whole, lacking, silent];
    let stdout = "node w1: network front: the route to 10.0.1.32/28 is missing\n\
                  node w2: not checked: it has no session with the leader\n";
    let stderr = "shoal: error: 1 difference was found, and 1 node could not be asked\n";
    assert_eq!(fake.shoal(&["network", "check", "front"]).await, printed(stdout, stderr, 1));
    let ran = fake.shoal(&["network", "check", "--format", "{{.Node}} {{len .Networks}}"]).await;
    assert_eq!(ran, printed("m1 2\nw1 1\nw2 0\n", stderr, 1));
    assert_eq!(fake.shoal(&["network", "check", "none"]).await.status, 1);
}
