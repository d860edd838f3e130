//! Archives that are loaded, and archives that are refused.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;
use tempfile::TempDir;

use super::archives::{Layer, Packing, TestImage, descriptor, foreign, index, layout, pack, tar_of, variant};
use crate::store::core::Core;
use crate::{
    ArchiveError, DiffId, Digest, DocumentError, Image, ImageStore, LayerError, Limits, LoadError, Loaded,
    Platform, UnpackError,
};

fn store() -> (TempDir, Core) {
    let folder = tempfile::tempdir().unwrap();
    let core = Core::open(&folder.path().join("store"), Limits::default()).unwrap();
    (folder, core)
}

fn layer(content: &str) -> Vec<u8> {
    Layer::new().file("f", content.as_bytes()).build()
}

fn load(archive: &[u8]) -> Result<(Vec<Loaded>, Vec<Image>), LoadError> {
    let (_folder, core) = store();
    let loaded = core.load(archive);
    if loaded.is_err() {
        for folder in ["blobs/sha256", "layers"] {
            assert_eq!(fs::read_dir(core.root.join(folder)).unwrap().count(), 0, "{folder} is left over");
        }
    }
    let loaded = loaded?;
    let images = loaded.iter().map(|loaded| core.resolve(&loaded.id.to_string()).unwrap().unwrap()).collect();
    assert_eq!(fs::read_dir(core.root.join("tmp")).unwrap().count(), 0, "nothing is left over");
    Ok((loaded, images))
}

#[test]
fn a_docker_archive_is_loaded_with_its_tags() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let image = TestImage::packed(&[layer("1"), layer("2")], packing);
        let (loaded, images) = load(&image.docker_archive(&["app:1", "x.io/app:2"])).unwrap();
        let names = ["app:1", "x.io/app:2"].map(|name| name.parse().unwrap());
        assert_eq!(loaded, [Loaded { id: image.id(), references: names.to_vec() }]);
        assert_eq!(images[0].references, names);
        assert_eq!(images[0].config.cmd, ["/bin/app"]);
        assert_eq!(images[0].platform, Platform::of_this_node());
        let top_first = [layer("2"), layer("1")].map(|layer| Digest::of(&layer).hex());
        let found: Vec<&str> =
            images[0].layers.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(found, top_first);
    }
}

#[test]
fn an_oci_archive_is_loaded_by_name_or_by_id_alone() {
    let image = TestImage::packed(&[layer("1")], Packing::Gzip);
    let (loaded, images) = load(&image.oci_archive(&["app:1", "app:2"])).unwrap();
    assert_eq!(loaded.len(), 2);
    assert_eq!(images[0].references, ["app:1", "app:2"].map(|name| name.parse().unwrap()));
    assert_eq!(images[0].manifest, Digest::of(&image.manifest()));
    let (loaded, images) = load(&image.oci_archive(&[])).unwrap();
    assert_eq!(loaded, [Loaded { id: image.id(), references: vec![] }]);
    assert_eq!(images[0].references, []);
}

#[test]
fn a_compressed_archive_is_loaded() {
    let image = TestImage::new(&[layer("1")]);
    for packing in [Packing::Gzip, Packing::Zstd] {
        let (loaded, _) = load(&pack(&image.docker_archive(&["app:1"]), packing)).unwrap();
        assert_eq!(loaded[0].id, image.id());
    }
}

#[tokio::test]
async fn a_layout_in_a_folder_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let image = TestImage::new(&[layer("1")]);
    let unpacked = folder.path().join("layout");
    tar::Archive::new(image.oci_archive(&["app:1"]).as_slice()).unpack(&unpacked).unwrap();
    let store = ImageStore::open(&folder.path().join("store")).await.unwrap();
    let loaded = store.load_layout(&unpacked).await.unwrap();
    assert_eq!(loaded, [Loaded { id: image.id(), references: vec!["app:1".parse().unwrap()] }]);
    let image = store.resolve("app:1").await.unwrap().unwrap();
    assert_eq!(fs::read_to_string(image.layers[0].join("f")).unwrap(), "1");
}

#[test]
fn a_repeated_layer_stored_as_a_link_is_found() {
    let image = TestImage::new(&[layer("1"), layer("1")]);
    let list = json!([{ "Config": "c.json", "RepoTags": null, "Layers": ["a/layer.tar", "b/layer.tar"] }]);
    let archive = Layer::new()
        .file("c.json", &image.config)
        .file("a/layer.tar", &image.layers[0])
        .symlink("b/layer.tar", "../a/layer.tar")
        .file("manifest.json", list.to_string().as_bytes());
    let (loaded, images) = load(&archive.build()).unwrap();
    assert_eq!(loaded[0].id, image.id());
    assert_eq!(images[0].layers.len(), 1);
}

#[test]
fn an_index_gives_the_variant_for_this_node() {
    let (here, there) = (Platform::of_this_node(), foreign("amd64"));
    let own = TestImage::new(&[layer("own")]);
    let other = TestImage::built_for(&there, &[layer("other")], Packing::Plain);
    let nested = index(&[variant(&other, &there), variant(&own, &here)]);
    let mut entry = descriptor("application/vnd.oci.image.index.v1+json", &nested);
    entry["annotations"] = json!({ "io.containerd.image.name": "docker.io/library/app:1" });
    // The other variant's blobs are left out, as tools do that save one platform only.
    let mut blobs = own.blobs();
    blobs.insert(Digest::of(&nested), nested);
    let (loaded, _) = load(&layout(&index(&[entry]), blobs)).unwrap();
    assert_eq!(loaded, [Loaded { id: own.id(), references: vec!["app:1".parse().unwrap()] }]);
}

#[test]
fn an_image_for_other_nodes_only_is_refused_with_what_there_is() {
    let (one, two) = (foreign("amd64"), foreign("s390x"));
    let images = [&one, &two].map(|platform| TestImage::built_for(platform, &[layer("1")], Packing::Plain));
    let entries = [variant(&images[0], &one), variant(&images[1], &two)];
    let archive = layout(&index(&entries), images.iter().flat_map(TestImage::blobs).collect());
    match load(&archive) {
        Err(LoadError::Platform(error)) => assert_eq!(error.offered, [one.clone(), two]),
        other => panic!("{other:?}"),
    }
    match load(&images[0].docker_archive(&["app:1"])) {
        Err(LoadError::Platform(error)) => assert_eq!(error.offered, [one]),
        other => panic!("{other:?}"),
    }
}

/// Writes a layout in which the blob of one digest has been exchanged for other bytes.
fn exchanged(image: &TestImage, digest: Digest, bytes: &[u8]) -> Vec<u8> {
    let mut blobs = image.blobs();
    blobs.insert(digest, bytes.to_vec());
    layout(&index(&[descriptor("", &image.manifest())]), blobs)
}

#[test]
fn a_blob_that_is_not_what_its_name_says_is_refused() {
    let image = TestImage::new(&[layer("1")]);
    for original in [image.manifest(), image.config.clone(), image.layers[0].clone()] {
        let expected = Digest::of(&original);
        match load(&exchanged(&image, expected, b"{}")) {
            Err(LoadError::Digest(error)) => {
                assert_eq!((error.expected, error.got), (expected, Digest::of(b"{}")))
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_config_that_is_not_what_its_name_says_is_refused() {
    let name = format!("{}.json", Digest::of(b"other").hex());
    let list = json!([{ "Config": name, "RepoTags": ["app:1"], "Layers": [] }]).to_string();
    let archive = tar_of([(name, b"{}".to_vec()), ("manifest.json".to_owned(), list.into_bytes())]);
    assert!(
        matches!(load(&archive), Err(LoadError::Digest(error)) if error.expected == Digest::of(b"other"))
    );
}

#[test]
fn a_layer_that_is_not_what_its_config_says_is_refused() {
    let mut image = TestImage::new(&[layer("1")]);
    image.layers[0] = layer("2");
    for archive in [image.docker_archive(&["app:1"]), image.oci_archive(&["app:1"])] {
        match load(&archive) {
            Err(LoadError::Layer(LayerError::DiffId { layer: blob, expected, got })) => {
                assert_eq!(blob, Digest::of(&layer("2")));
                assert_eq!(expected, DiffId(Digest::of(&layer("1"))));
                assert_eq!(got, DiffId(Digest::of(&layer("2"))));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_broken_layer_is_named_by_its_digest() {
    let mut image = TestImage::packed(&[layer("1")], Packing::Gzip);
    let length = image.layers[0].len();
    image.layers[0].truncate(length - 9);
    let broken = Digest::of(&image.layers[0]);
    match load(&image.oci_archive(&["app:1"])) {
        Err(LoadError::Layer(LayerError::Unpack { layer, source })) => {
            assert_eq!(layer, broken);
            assert!(matches!(source, UnpackError::Archive(ArchiveError::Truncated { .. })), "{source:?}");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_truncated_archive_is_refused() {
    let archive = pack(&TestImage::new(&[layer("1")]).docker_archive(&["app:1"]), Packing::Gzip);
    let found = load(&archive[..archive.len() / 2]);
    assert!(matches!(found, Err(LoadError::Archive(ArchiveError::Truncated { .. }))), "{found:?}");
}

#[test]
fn what_is_no_archive_at_all_is_called_so() {
    let found = load("this is a letter\n".repeat(100).as_bytes());
    assert!(matches!(found, Err(LoadError::Archive(ArchiveError::NotTar))), "{found:?}");
}

#[test]
fn an_archive_without_an_image_is_refused_with_what_would_be_right() {
    let error = load(&tar_of([("etc/passwd".to_owned(), b"root".to_vec())])).unwrap_err();
    assert!(matches!(error, LoadError::NoImage), "{error:?}");
    assert!(error.to_string().contains("docker save"), "{error}");
    assert!(matches!(load(&layout(&index(&[]), BTreeMap::new())), Err(LoadError::NoImage)));
    let list = json!([{ "Config": "gone.json", "RepoTags": [], "Layers": [] }]).to_string();
    let error = load(&tar_of([("manifest.json".to_owned(), list.into_bytes())])).unwrap_err();
    assert!(matches!(error, LoadError::Missing { path } if path == "gone.json"));
}

#[test]
fn a_document_larger_than_any_real_one_is_refused() {
    let huge = vec![b' '; (4 << 20) + 1];
    let error = load(&tar_of([("manifest.json".to_owned(), huge)])).unwrap_err();
    assert!(matches!(error, LoadError::Document { source: DocumentError::TooLarge { .. }, .. }), "{error:?}");
}

#[test]
fn of_several_images_all_are_loaded_or_none() {
    let (one, two) = (TestImage::new(&[layer("1")]), TestImage::new(&[layer("2")]));
    let entries = [("one:1", &one), ("two:1", &two)].map(|(name, image)| {
        let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &image.manifest());
        entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
        entry
    });
    let mut blobs: BTreeMap<Digest, Vec<u8>> = one.blobs();
    blobs.extend(two.blobs());
    let (loaded, _) = load(&layout(&index(&entries), blobs.clone())).unwrap();
    assert_eq!(loaded.len(), 2);
    blobs.remove(&Digest::of(&two.layers[0]));
    let (_folder, core) = store();
    let error = core.load(layout(&index(&entries), blobs).as_slice()).unwrap_err();
    assert!(matches!(error, LoadError::Missing { .. }), "{error:?}");
    assert_eq!(core.list().unwrap(), []);
}

#[test]
fn an_archive_damaged_on_disk_is_dropped_and_mended_by_the_next_load() {
    let (_folder, core) = store();
    let image = TestImage::packed(&[layer("1")], Packing::Gzip);
    let archive = image.oci_archive(&["app:1"]);
    core.load(archive.as_slice()).unwrap();
    let blob = core.blobs.path(Digest::of(&image.layers[0]));
    fs::remove_dir_all(core.layers.path(DiffId(Digest::of(&layer("1"))))).unwrap();
    fs::write(&blob, "rotten").unwrap();
    let error = core.load(archive.as_slice()).unwrap_err();
    assert!(matches!(error, LoadError::Layer(LayerError::Damaged { .. })), "{error:?}");
    core.load(archive.as_slice()).unwrap();
    assert_eq!(fs::read(&blob).unwrap(), image.layers[0]);
}
