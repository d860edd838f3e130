//! Several daemons on one folder, and what crashes leave in it.

use std::fs;
use std::sync::Barrier;
use std::thread;

use super::archives::{Layer, TestImage};
use crate::store::core::Core;
use crate::{CatalogError, ImageUse, Limits, StoreError};

fn image(content: &str) -> TestImage {
    TestImage::new(&[Layer::new().file("f", content.as_bytes()).build()])
}

#[test]
fn stores_that_load_the_same_image_at_once_do_not_disturb_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let layers: Vec<Vec<u8>> = (0..4)
        .map(|n| (0..50).fold(Layer::new(), |layer, i| layer.file(&format!("{n}/{i}"), &[n; 999])).build())
        .collect();
    let image = TestImage::new(&layers);
    let together = Barrier::new(4);
    thread::scope(|scope| {
        for n in 0..4 {
            let (image, together, folder) = (&image, &together, &folder);
            scope.spawn(move || {
                let core = Core::open(folder.path(), Limits::default()).unwrap();
                together.wait();
                core.load(image.docker_archive(&[&format!("app:{n}")]).as_slice()).unwrap();
            });
        }
    });
    let core = Core::open(folder.path(), Limits::default()).unwrap();
    assert_eq!(core.resolve("app:0").unwrap().unwrap().references.len(), 4);
    assert_eq!(fs::read_dir(folder.path().join("layers")).unwrap().count(), 4);
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn loading_and_removing_at_once_never_leaves_an_image_without_its_layers() {
    let folder = tempfile::tempdir().unwrap();
    let archive = image("1").docker_archive(&["app:1"]);
    thread::scope(|scope| {
        for remove in [false, true, false, true] {
            let (archive, folder) = (&archive, &folder);
            scope.spawn(move || {
                let core = Core::open(folder.path(), Limits::default()).unwrap();
                for _ in 0..15 {
                    if remove {
                        // Often it is not there, which is fine.
                        drop(core.remove("app:1", false, &|_| ImageUse::Unused));
                    } else {
                        core.load(archive.as_slice()).unwrap();
                    }
                    if let Some(image) = core.resolve("app:1").unwrap() {
                        // Held layers must be there and stay.
                        let owner = format!("{:?}", thread::current().id()).replace(['(', ')'], "-");
                        if let Ok(hold) = core.hold(image.id, &owner) {
                            assert!(hold.layers.iter().all(|layer| layer.join("f").is_file()));
                            core.release(&owner).unwrap();
                        }
                    }
                }
            });
        }
    });
    let core = Core::open(folder.path(), Limits::default()).unwrap();
    core.load(archive.as_slice()).unwrap();
    let image = core.resolve("app:1").unwrap().unwrap();
    assert_eq!(fs::read_to_string(image.layers[0].join("f")).unwrap(), "1");
}

#[test]
fn what_one_daemon_loads_another_sees_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let [here, there] = [(); 2].map(|()| Core::open(folder.path(), Limits::default()).unwrap());
    for n in 0..3 {
        let name = format!("app:{n}");
        assert!(there.resolve(&name).unwrap().is_none());
        let image = image(&name);
        here.load(image.docker_archive(&[&name]).as_slice()).unwrap();
        assert_eq!(there.resolve(&name).unwrap().unwrap().id, image.id());
    }
}

#[test]
fn opening_removes_what_a_crash_left_and_spares_what_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let core = Core::open(folder.path(), Limits::default()).unwrap();
    let in_use = core.begin().unwrap();
    fs::create_dir_all(folder.path().join("tmp/99999-0/half/layer")).unwrap();
    Core::open(folder.path(), Limits::default()).unwrap();
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 1);
    drop(in_use);
    assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
}

#[test]
fn an_index_of_a_later_version_or_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let open = || Core::open(folder.path(), Limits::default());
    fs::write(folder.path().join("index.json"), r#"{"version": 9, "future": []}"#).unwrap();
    assert!(matches!(open(), Err(StoreError::Catalog(CatalogError::Newer { found: 9, .. }))));
    fs::write(folder.path().join("index.json"), "{").unwrap();
    assert!(matches!(open(), Err(StoreError::Catalog(CatalogError::Damaged { .. }))));
}
