//! What goes when an image is removed, and what stays.

use std::fs;

use tempfile::TempDir;

use super::archives::{Layer, TestImage};
use crate::store::core::Core;
use crate::{DiffId, Digest, ImageId, ImageUse, Limits, Refusal, RemoveError, StoreError};

fn layer(content: &str) -> Vec<u8> {
    Layer::new().file("f", content.as_bytes()).build()
}

/// Opens a store with two images that share their lower layer.
fn store() -> (TempDir, Core, [ImageId; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let core = Core::open(folder.path(), Limits::default()).unwrap();
    let images = [("one:1", "one"), ("two:1", "two")].map(|(name, content)| {
        let image = TestImage::new(&[layer("base"), layer(content)]);
        core.load(image.docker_archive(&[name]).as_slice()).unwrap();
        image.id()
    });
    (folder, core, images)
}

fn unused(_: ImageId) -> ImageUse {
    ImageUse::Unused
}

fn has_layer(core: &Core, content: &str) -> bool {
    core.layers.has(DiffId(Digest::of(&layer(content))))
}

#[test]
fn a_removed_image_takes_only_what_no_other_image_needs() {
    let (_folder, core, [one, _]) = store();
    let removed = core.remove("one:1", false, &unused).unwrap();
    assert_eq!((removed.untagged.len(), removed.deleted), (1, Some(one)));
    assert!(removed.freed > 0);
    assert_eq!(
        (has_layer(&core, "base"), has_layer(&core, "one"), has_layer(&core, "two")),
        (true, false, true)
    );
    assert!(!core.blobs.has(one.0));
    assert!(core.resolve("one:1").unwrap().is_none());
    core.remove("two:1", false, &unused).unwrap();
    for folder in ["blobs/sha256", "layers", "tmp", "turns"] {
        assert_eq!(fs::read_dir(core.root.join(folder)).unwrap().count(), 0, "{folder}");
    }
}

#[test]
fn a_used_image_is_refused_and_nothing_is_touched() {
    let (_folder, core, [one, _]) = store();
    let running = |id| if id == one { ImageUse::Running("web".to_owned()) } else { ImageUse::Unused };
    let refused = core.remove(&one.to_string(), true, &running);
    assert!(
        matches!(refused, Err(RemoveError::Refused(Refusal::Running { container, .. })) if container == "web")
    );
    assert!(core.resolve("one:1").unwrap().is_some());
    assert!(has_layer(&core, "one"));
    let missing = core.remove("three:1", false, &running);
    assert!(matches!(missing, Err(RemoveError::NotFound { query }) if query == "three:1"));
}

#[test]
fn a_hold_of_another_daemon_keeps_layers_until_it_is_released() {
    let (_folder, core, [one, _]) = store();
    let other = Core::open(&core.root, Limits::default()).unwrap();
    let hold = other.hold(one, "task-1").unwrap();
    assert_eq!(hold.layers, core.resolve("one:1").unwrap().unwrap().layers);
    let refused = core.remove("one:1", false, &unused);
    assert!(matches!(refused, Err(RemoveError::Refused(Refusal::Used { .. }))), "{refused:?}");
    // Even when forced: the image is gone, what the container stands on is not.
    core.remove("one:1", true, &unused).unwrap();
    assert!(core.resolve("one:1").unwrap().is_none());
    assert!(has_layer(&core, "one") && has_layer(&core, "base"));
    drop(other);
    assert_eq!(core.holds().unwrap(), [hold], "a hold outlasts the daemon that took it");
    core.release("task-1").unwrap();
    assert!(!has_layer(&core, "one"));
    assert!(has_layer(&core, "base"));
    core.release("task-1").unwrap();
}

#[test]
fn a_running_load_is_not_robbed() {
    let (_folder, core, [one, _]) = store();
    let other = Core::open(&core.root, Limits::default()).unwrap();
    let scratch = other.begin().unwrap();
    let mut needs = crate::rules::index::Needs::default();
    needs.layers.insert(DiffId(Digest::of(&layer("one"))));
    needs.blobs.insert(one.0);
    other.need(&scratch, &needs).unwrap();
    core.remove("one:1", false, &unused).unwrap();
    assert!(has_layer(&core, "one") && core.blobs.has(one.0));
    drop(scratch);
    core.collect(core.lock().unwrap()).unwrap();
    assert!(!has_layer(&core, "one") && !core.blobs.has(one.0));
}

#[test]
fn a_moved_name_leaves_the_old_image_to_be_removed_by_id() {
    let (_folder, core, [one, _]) = store();
    core.load(TestImage::new(&[layer("new")]).docker_archive(&["one:1"]).as_slice()).unwrap();
    let list = core.list().unwrap();
    let old = list.iter().find(|image| image.id == one).unwrap();
    assert_eq!((old.tags.len(), old.digests.len()), (0, 0));
    let removed = core.remove(&one.0.hex()[..12], false, &unused).unwrap();
    assert_eq!((removed.untagged, removed.deleted), (vec![], Some(one)));
}

#[test]
fn an_image_that_is_not_there_cannot_be_held() {
    let (_folder, core, [one, _]) = store();
    let unknown = ImageId(Digest::of(b"unknown"));
    assert!(matches!(core.hold(unknown, "task"), Err(StoreError::NotFound { .. })));
    for owner in ["", "a/b", "..", ".hidden", &"x".repeat(129)] {
        assert!(matches!(core.hold(one, owner), Err(StoreError::Owner { .. })), "{owner:?}");
    }
}

#[test]
fn inspecting_shows_the_config_as_it_was_built() {
    let (_folder, core, [one, _]) = store();
    let details = core.inspect("one:1").unwrap().unwrap();
    assert_eq!(Digest::of(details.raw_config.as_bytes()), one.0);
    assert_eq!(details.summary.created.as_deref(), Some("2026-01-02T03:04:05Z"));
    assert_eq!(details.summary.tags, ["one:1".parse().unwrap()]);
    assert!(details.summary.unique_size < details.summary.size);
    assert_eq!(details.image.config.env, ["A=1"]);
}
