//! What a container sees through overlayfs of layers that hide each other's files.

use std::fs;

use super::archives::{Layer, TestImage};
use super::mounts::{in_private_mounts, mount_overlay};
use crate::store::core::Core;
use crate::{DiffId, Digest, ImageSummary, Limits};

/// Loads an image of these layers, mounts it, and returns the paths seen in it, in order.
fn seen(layers: &[Vec<u8>]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    in_private_mounts(|| {
        let core = Core::open(&folder.path().join("store"), Limits::default()).unwrap();
        let loaded = core.load(TestImage::new(layers).docker_archive(&["app:1"]).as_slice()).unwrap();
        let image = core.resolve(&loaded[0].id.to_string()).unwrap().unwrap();
        mount_overlay(&image.layers, folder.path());
        let mut found = Vec::new();
        let mut left = vec![folder.path().join("merged")];
        while let Some(path) = left.pop() {
            for entry in fs::read_dir(path).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(folder.path().join("merged")).unwrap();
                found.push(name.display().to_string());
                if path.symlink_metadata().unwrap().is_dir() {
                    left.push(path);
                }
            }
        }
        found.sort();
        found
    })
}

fn base() -> Vec<u8> {
    Layer::new()
        .folder("etc/")
        .file("etc/keep", b"1")
        .file("etc/gone", b"1")
        .folder("old/")
        .file("old/a", b"1")
        .build()
}

#[test]
fn a_whiteout_hides_a_file_and_a_folder_of_lower_layers() {
    let top = Layer::new().file("etc/.wh.gone", b"").file(".wh.old", b"").file("new", b"2").build();
    assert_eq!(seen(&[base(), top]), ["etc", "etc/keep", "new"]);
}

#[test]
fn an_opaque_folder_shows_only_its_own_layer() {
    for marker_first in [true, false] {
        let top = Layer::new().folder("etc/");
        let top = if marker_first {
            top.file("etc/.wh..wh..opq", b"").file("etc/mine", b"2")
        } else {
            top.file("etc/mine", b"2").file("etc/.wh..wh..opq", b"")
        };
        assert_eq!(seen(&[base(), top.build()]), ["etc", "etc/mine", "old", "old/a"]);
    }
}

#[test]
fn a_folder_that_is_removed_and_made_again_in_one_layer_shows_only_its_own_layer() {
    for whiteout_first in [true, false] {
        let top = if whiteout_first {
            Layer::new().file(".wh.old", b"").folder("old/").file("old/b", b"2")
        } else {
            Layer::new().folder("old/").file("old/b", b"2").file(".wh.old", b"")
        };
        assert_eq!(seen(&[base(), top.build()]), ["etc", "etc/gone", "etc/keep", "old", "old/b"]);
    }
}

#[test]
fn a_file_below_a_whiteout_needs_no_entry_for_its_folder() {
    let top = Layer::new().file(".wh.old", b"").file("old/b", b"2").build();
    assert_eq!(seen(&[base(), top]), ["etc", "etc/gone", "etc/keep", "old", "old/b"]);
}

#[test]
fn an_image_whose_layers_repeat_can_be_mounted() {
    let wipe = Layer::new().file(".wh.etc", b"").build();
    assert_eq!(seen(&[base(), wipe, base()]), ["etc", "etc/gone", "etc/keep", "old", "old/a"]);
}

#[test]
fn the_size_of_an_image_counts_archive_and_unpacked_layer() {
    let folder = tempfile::tempdir().unwrap();
    let core = Core::open(folder.path(), Limits::default()).unwrap();
    let layer = Layer::new().file("f", &[7; 100_000]).build();
    core.load(TestImage::new(std::slice::from_ref(&layer)).docker_archive(&["app:1"]).as_slice()).unwrap();
    let list = core.list().unwrap();
    let [ImageSummary { size, unique_size, .. }] = list.as_slice() else { panic!("one image, not {list:?}") };
    assert!(*size >= 100_000 + layer.len() as u64, "{size}");
    assert_eq!(unique_size, size);
    let usage = core.disk_usage().unwrap();
    assert!(usage.layers >= 100_000 && usage.blobs >= 100_000 && usage.available > 0, "{usage:?}");
    assert!(core.layers.has(DiffId(Digest::of(&layer))));
}
