//! Pulling from a registry that is right, wrong, or slow.

use std::fs;
use std::future::Future;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::archives::{Layer, Packing, TestImage, descriptor, foreign, index, variant};
use super::registry::{Lie, Registry};
use crate::{
    BasicAuth, Digest, ImageStore, LayerState, Platform, PullError, PullOptions, PullProgress, Reference,
};

async fn store() -> (TempDir, ImageStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = ImageStore::open(folder.path()).await.unwrap();
    (folder, store)
}

fn image(content: &str) -> TestImage {
    let layers = ["base", content].map(|content| Layer::new().file(content, content.as_bytes()).build());
    TestImage::packed(&layers, Packing::Gzip)
}

fn anonymous() -> PullOptions {
    PullOptions::default()
}

async fn pull_error(store: &ImageStore, reference: &Reference) -> std::sync::Arc<PullError> {
    store.pull(reference, &anonymous(), |_| {}).await.unwrap_err()
}

/// Waits until something is true, which must be soon.
async fn eventually(what: &str, is_true: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_true() {
        assert!(Instant::now() < deadline, "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_image_is_pulled_once_and_found_by_tag_and_digest() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let image = image("app");
    registry.push("1", &image);
    let reference = registry.reference("team/app:1");
    let mut shown = PullProgress::default();
    let pulled = store.pull(&reference, &anonymous(), |progress| shown = progress.clone()).await.unwrap();
    assert_eq!(pulled.id, image.id());
    let by_digest = reference.at(Digest::of(&image.manifest()));
    let mut names = vec![reference.clone(), by_digest.clone()];
    names.sort();
    assert_eq!(pulled.references, names);
    assert_eq!(fs::read_to_string(pulled.layers[0].join("app")).unwrap(), "app");
    let states: Vec<LayerState> = shown.layers.iter().map(|layer| layer.state).collect();
    assert_eq!(states, [LayerState::Done, LayerState::Done]);
    assert_eq!(store.resolve(&by_digest.to_string()).await.unwrap(), Some(pulled.clone()));
    // A digest is as good as a tag, and what is there is not fetched again.
    assert_eq!(store.pull(&by_digest, &anonymous(), |_| {}).await.unwrap(), pulled);
    for layer in &image.layers {
        assert_eq!(registry.requests(&Digest::of(layer).to_string()), 1);
    }
}

#[tokio::test]
async fn tasks_that_want_the_same_image_pull_it_once() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let image = image("app");
    registry.push("1", &image);
    let (reference, options) = (registry.reference("app:1"), anonymous());
    let pulls = (0..5).map(|_| store.pull(&reference, &options, |_| {}));
    for pulled in futures::future::join_all(pulls).await {
        assert_eq!(pulled.unwrap().id, image.id());
    }
    assert_eq!(registry.requests("/manifests/1"), 1);
    assert_eq!(registry.requests(&image.id().to_string()), 1);
}

#[tokio::test]
async fn images_that_share_a_layer_fetch_it_once() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let (one, two) = (image("one"), image("two"));
    registry.push("1", &one);
    registry.push("2", &two);
    let (first, second, options) = (registry.reference("app:1"), registry.reference("app:2"), anonymous());
    let (first, second) =
        tokio::join!(store.pull(&first, &options, |_| {}), store.pull(&second, &options, |_| {}));
    assert_eq!((first.unwrap().id, second.unwrap().id), (one.id(), two.id()));
    assert_eq!(registry.requests(&Digest::of(&one.layers[0]).to_string()), 1);
}

/// Polls a pull until it waits for a blob behind the closed gate, then drops it.
async fn begin_and_drop(registry: &Registry, pull: impl Future) {
    tokio::select! {
        _ = pull => panic!("the gate is closed"),
        () = eventually("a blob is asked for", || registry.requests_for_blobs() > 0) => {}
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_does_not_disturb_the_others() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let image = image("app");
    registry.push("1", &image);
    registry.close_gate();
    let (reference, options) = (registry.reference("app:1"), anonymous());
    let patient = tokio::spawn({
        let (store, reference) = (store.clone(), reference.clone());
        async move { store.pull(&reference, &PullOptions::default(), |_| {}).await }
    });
    begin_and_drop(&registry, store.pull(&reference, &options, |_| {})).await;
    registry.open_gate();
    assert_eq!(patient.await.unwrap().unwrap().id, image.id());
    assert_eq!(registry.requests("/manifests/1"), 1);
}

#[tokio::test]
async fn a_dropped_pull_leaves_nothing_and_can_be_repeated() {
    let (folder, store) = store().await;
    let registry = Registry::start().await;
    let image = image("app");
    registry.push("1", &image);
    registry.close_gate();
    let (reference, options) = (registry.reference("app:1"), anonymous());
    begin_and_drop(&registry, store.pull(&reference, &options, |_| {})).await;
    let scratch = folder.path().join("tmp");
    eventually("the scratch folder is gone", || fs::read_dir(&scratch).unwrap().count() == 0).await;
    assert_eq!(store.list().await.unwrap(), []);
    registry.open_gate();
    assert_eq!(store.pull(&reference, &options, |_| {}).await.unwrap().id, image.id());
}

/// Pulls an image of which the registry delivers one blob wrongly, and returns the error.
async fn pull_with_lie(
    blob: impl Fn(&TestImage) -> Vec<u8>,
    lie: Lie,
) -> (Vec<u8>, std::sync::Arc<PullError>) {
    let (folder, store) = store().await;
    let registry = Registry::start().await;
    let image = image("app");
    registry.push("1", &image);
    let blob = blob(&image);
    let digest = Digest::of(&blob);
    registry.lie(digest, lie);
    let error = pull_error(&store, &registry.reference("app:1")).await;
    assert_eq!(registry.requests(&digest.to_string()), 1, "a lie is not asked for again");
    assert!(!folder.path().join("blobs/sha256").join(digest.hex()).exists());
    assert_eq!(store.list().await.unwrap(), []);
    (blob, error)
}

#[tokio::test]
async fn wrong_bytes_are_refused_with_both_digests() {
    for part in [|image: &TestImage| image.config.clone(), |image: &TestImage| image.layers[1].clone()] {
        let (blob, error) = pull_with_lie(part, Lie::OtherBytes).await;
        match &*error {
            PullError::Digest { source, .. } => {
                assert_eq!(source.expected, Digest::of(&blob));
                assert_eq!(source.got, Digest::of(&vec![b'x'; blob.len()]));
            }
            other => panic!("{other:?}"),
        }
        let (blob, error) = pull_with_lie(part, Lie::TooLong).await;
        let (size, digest) = (blob.len() as u64, Digest::of(&blob));
        match &*error {
            PullError::TooLong { blob, expected, .. } => assert_eq!((*blob, *expected), (digest, size)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_manifest_that_is_not_what_its_digest_says_is_refused() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let (wanted, delivered) = (image("wanted"), image("delivered"));
    let expected = Digest::of(&wanted.manifest());
    registry.push(&expected.to_string(), &delivered);
    let error = pull_error(&store, &registry.reference("app:1").at(expected)).await;
    match &*error {
        PullError::Digest { source, .. } => {
            assert_eq!((source.expected, source.got), (expected, Digest::of(&delivered.manifest())));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_blob_that_ends_early_is_tried_again_and_then_named() {
    for lie in [Lie::BrokenOff, Lie::CutShort] {
        let (_folder, store) = store().await;
        let registry = Registry::start().await;
        let image = image("app");
        registry.push("1", &image);
        let cut = Digest::of(&image.layers[0]);
        registry.lie(cut, lie);
        let error = pull_error(&store, &registry.reference("app:1")).await;
        match &*error {
            PullError::Truncated { blob, expected, received, .. } => {
                let size = image.layers[0].len() as u64;
                assert_eq!((*blob, *expected, *received), (cut, size, size / 2));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(registry.requests(&cut.to_string()), 3);
    }
}

#[tokio::test]
async fn an_index_gives_the_variant_for_this_node_and_keeps_its_own_digest_as_a_name() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let (here, there) = (Platform::of_this_node(), foreign("amd64"));
    let own = image("own");
    let other = TestImage::built_for(&there, &[], Packing::Plain);
    let list = index(&[variant(&other, &there), variant(&own, &here)]);
    registry.push("own", &own);
    registry.push_manifest("1", list.clone());
    let pulled = store.pull(&registry.reference("app:1"), &anonymous(), |_| {}).await.unwrap();
    assert_eq!((pulled.id, pulled.manifest), (own.id(), Digest::of(&own.manifest())));
    let by_list = registry.reference("app:1").at(Digest::of(&list));
    assert!(pulled.references.contains(&by_list));
    registry.push_manifest("2", index(&[variant(&other, &there)]));
    let error = pull_error(&store, &registry.reference("app:2")).await;
    assert!(matches!(&*error, PullError::Platform(error) if error.offered == [there]), "{error:?}");
}

#[tokio::test]
async fn an_unknown_image_is_answered_with_who_was_asked_and_why() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let error = pull_error(&store, &registry.reference("app:none")).await;
    let address = registry.address;
    assert_eq!(
        error.to_string(),
        format!("{address}/app:none was not found: registry {address} says manifest unknown")
    );
    drop(registry);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = listener.local_addr().unwrap();
    drop(listener);
    let error = pull_error(&store, &format!("{silent}/app").parse().unwrap()).await;
    assert!(matches!(&*error, PullError::Unreachable { scheme: "http", .. }), "{error:?}");
}

#[tokio::test]
async fn a_password_opens_what_is_closed_to_others() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let image = image("app");
    registry.push("1", &image);
    registry.want_authorization("Basic bWU6c2VjcmV0");
    let reference = registry.reference("app:1");
    let error = pull_error(&store, &reference).await;
    assert!(matches!(&*error, PullError::Denied { .. }), "{error:?}");
    let auth = BasicAuth { username: "me".to_owned(), password: "secret".to_owned() };
    assert!(!format!("{auth:?}").contains("secret"));
    let options = PullOptions { auth: Some(auth), ..anonymous() };
    assert_eq!(store.pull(&reference, &options, |_| {}).await.unwrap().id, image.id());
}

#[tokio::test]
async fn what_is_no_image_is_refused() {
    let (_folder, store) = store().await;
    let registry = Registry::start().await;
    let chart = json!({
        "schemaVersion": 2, "layers": [],
        "config": descriptor("application/vnd.cncf.helm.config.v1+json", b"{}"),
    });
    registry.push_manifest("1", chart.to_string().into_bytes());
    let error = pull_error(&store, &registry.reference("chart:1")).await;
    assert!(matches!(&*error, PullError::Document { .. }), "{error:?}");
}
