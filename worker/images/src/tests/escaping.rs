//! Every way in which a hostile layer tries to leave its folder.

use std::fs;

use tar::EntryType;

use super::archives::{Layer, TestImage};
use crate::store::core::Core;
use crate::{LayerError, Limits, LoadError, UnpackError};

/// Loads an image of one layer beside a file that the layer tries to reach, and returns the refused entry.
fn refused(layer: Layer) -> String {
    let folder = tempfile::tempdir().unwrap();
    let victim = folder.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    let core = Core::open(&folder.path().join("store"), Limits::default()).unwrap();
    let archive = TestImage::new(&[layer.build()]).docker_archive(&["evil:1"]);
    let error = core.load(archive.as_slice()).unwrap_err();
    assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "only the store and the victim");
    assert_eq!(core.list().unwrap(), []);
    match error {
        LoadError::Layer(LayerError::Unpack { source: UnpackError::Escape { entry, .. }, .. }) => entry,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_path_that_climbs_is_refused() {
    assert_eq!(refused(Layer::new().file("../../../victim", b"evil")), "../../../victim");
    assert_eq!(refused(Layer::new().file("a/../../../../victim", b"evil")), "a/../../../../victim");
    assert_eq!(refused(Layer::new().folder("..")), "..");
}

#[test]
fn an_absolute_path_stays_inside() {
    let folder = tempfile::tempdir().unwrap();
    let core = Core::open(&folder.path().join("store"), Limits::default()).unwrap();
    let name = format!("{}/victim", folder.path().display());
    let archive = TestImage::new(&[Layer::new().file(&name, b"inside").build()]).docker_archive(&["app:1"]);
    core.load(archive.as_slice()).unwrap();
    let image = core.resolve("app:1").unwrap().unwrap();
    assert_eq!(fs::read_to_string(image.layers[0].join(&name[1..])).unwrap(), "inside");
    assert!(!folder.path().join("victim").exists());
}

#[test]
fn a_planted_symbolic_link_that_leads_out_is_not_followed() {
    for target in ["/", "..", "../../../..", "/proc/self/root", "/proc/self/cwd"] {
        let layer = Layer::new().symlink("out", target).file("out/victim", b"evil");
        assert_eq!(refused(layer), "out/victim", "{target}");
        let layer = Layer::new().symlink("out", target).folder("out/made");
        assert_eq!(refused(layer), "out/made", "{target}");
    }
}

#[test]
fn a_chain_of_harmless_looking_links_is_not_followed_out() {
    let layer =
        Layer::new().folder("a/").symlink("a/up", "..").symlink("b", "a/up/..").file("b/victim", b"evil");
    assert_eq!(refused(layer), "b/victim");
}

#[test]
fn links_in_a_circle_are_refused() {
    let layer = Layer::new().symlink("a", "b").symlink("b", "a").file("a/x", b"1");
    assert_eq!(refused(layer), "a/x");
}

#[test]
fn a_hard_link_to_something_outside_is_refused() {
    assert_eq!(refused(Layer::new().hard_link("mine", "../../../victim")), "mine");
    assert_eq!(refused(Layer::new().symlink("out", "..").hard_link("mine", "out/victim")), "mine");
    assert_eq!(refused(Layer::new().symlink("out", "/").hard_link("mine", "out/etc/passwd")), "mine");
}

#[test]
fn a_whiteout_cannot_name_something_outside() {
    assert_eq!(refused(Layer::new().file(".wh...", b"")), ".wh...");
    assert_eq!(refused(Layer::new().file(".wh..", b"")), ".wh..");
    assert_eq!(refused(Layer::new().file(".wh.", b"")), ".wh.");
    assert_eq!(refused(Layer::new().symlink("out", "..").file("out/.wh.victim", b"")), "out/.wh.victim");
    assert_eq!(refused(Layer::new().symlink("out", "..").file("out/.wh..wh..opq", b"")), "out/.wh..wh..opq");
}

#[test]
fn names_that_no_file_can_have_are_refused() {
    let long = "n".repeat(256);
    let layer = Layer::new().extended(&[("path", long.as_bytes())]).file("x", b"");
    assert_eq!(refused(layer), long);
    let layer = Layer::new().extended(&[("path", b"a\0b")]).entry(EntryType::Regular, "x", "", b"", |_| {});
    assert_eq!(refused(layer), "a\0b");
}
