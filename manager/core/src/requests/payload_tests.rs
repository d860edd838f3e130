//! Requests about secrets and configs.

use super::*;
use crate::testing::{Bench, node, service};

const NEW: PayloadId = PayloadId::from_bits(99);

fn content(text: &str) -> Content {
    Content::checked(text.into())
}

#[test]
fn a_name_is_given_once_to_each_kind() {
    let mut bench = Bench::new();
    let known = bench.add_secret("key", "one");
    let spec = bench.payload(known).spec.clone();
    let made = |spec: PayloadSpec| create(&bench.state, NEW, spec, content("x"), bench.now);
    let refused = made(spec.clone()).unwrap_err().to_string();
    assert!(
        refused.starts_with("secret `key` exists already") && refused.contains("secret update key"),
        "{refused}"
    );
    assert!(made(PayloadSpec { kind: PayloadKind::Config, ..spec }).is_ok());
}

#[test]
fn one_that_services_use_or_may_go_back_to_is_not_removed_and_they_are_named() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let key = bench.add_secret("key", "one");
    let used = bench.payload(key);
    let [web, api] = ["web", "api"].map(|name| bench.create(service(name).secret(&used)));
    bench.settle();
    let refusal = |bench: &Bench| remove(&bench.state, &bench.payload(key)).unwrap_err().to_string();
    for part in ["service `web`", "service `api`", "update or remove them first"] {
        assert!(refusal(&bench).contains(part), "{}", refusal(&bench));
    }
    bench.remove(api);
    assert_eq!(refusal(&bench), "secret `key` is in use by service `web`: update or remove it first");
    bench.update(web, |spec| spec.task.container.secrets.clear());
    bench.settle();
    assert!(refusal(&bench).contains("rolled back to the secret"), "{}", refusal(&bench));
    let refused = bench.state.apply(&Transaction::of(vec![Change::DeletePayload(key)]));
    assert!(refused.is_err(), "not even by a change that was decided before");
    let before = bench.service(web).revision.number - 1;
    bench.update_image(web, "app:2");
    bench.settle();
    let removal = remove(&bench.state, &bench.payload(key)).unwrap();
    bench.apply(&removal);
    assert!(bench.state.payload(key).is_none());
    let back = updater::GoBack { to: Some(before), ..Default::default() };
    let refused = crate::requests::service::rollback(&bench.state, &bench.service(web), back, bench.now);
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("secret `key` was removed"), "{refused}");
    let again = bench.add_secret("key", "two");
    assert_ne!(again, key);
}

#[test]
fn a_service_is_not_written_with_a_secret_that_is_gone() {
    let mut bench = Bench::new();
    let key = bench.add_secret("key", "one");
    let gone = bench.payload(key);
    let removal = remove(&bench.state, &gone).unwrap();
    bench.apply(&removal);
    let new = updater::new_service(
        proto::model::ServiceId::from_bits(5),
        service("web").secret(&gone).build(),
        bench.now,
    );
    let refused = bench.state.apply(&Transaction::of(vec![Change::PutService(Box::new(new))]));
    assert_eq!(refused, Err(crate::state::Refusal::NotFound(ObjectId::Payload(key))));
}

#[test]
fn labels_are_changed_and_nothing_else_that_people_said() {
    let mut bench = Bench::new();
    let key = bench.add_secret("key", "one");
    let known = bench.payload(key);
    let edit = |spec: PayloadSpec, version| Edit { content: None, spec: Some(spec), version };
    let labels = PayloadSpec { labels: [("a".to_owned(), "b".to_owned())].into(), ..known.spec.clone() };
    let (transaction, users) =
        update(&bench.state, &known, edit(labels.clone(), known.version), bench.now).unwrap();
    bench.apply(&transaction);
    assert_eq!((bench.payload(key).spec.clone(), users.len()), (labels.clone(), 0));
    assert_eq!(bench.payload(key).editions, known.editions);
    let stale = update(&bench.state, &bench.payload(key), edit(labels, known.version), bench.now);
    assert!(matches!(stale, Err(PayloadError::OutOfSequence { .. })));
    let renamed = PayloadSpec { name: "other".parse().unwrap(), ..known.spec.clone() };
    let refused = update(&bench.state, &bench.payload(key), edit(renamed, 0), bench.now);
    assert!(matches!(refused, Err(PayloadError::Fixed { .. })));
}

#[test]
fn managers_that_would_not_understand_it_are_not_told() {
    let mut bench = Bench::new();
    let known = bench.add_secret("key", "one");
    let spec = PayloadSpec { name: "other".parse().unwrap(), ..bench.payload(known).spec.clone() };
    bench.edit_cluster(|cluster| cluster.feature_level = PAYLOADS_LEVEL - 1);
    assert_eq!(create(&bench.state, NEW, spec, content("x"), bench.now), Err(PayloadError::TooOld));
}
