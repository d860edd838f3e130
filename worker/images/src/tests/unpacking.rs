//! What a layer's entries become on disk.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use tar::EntryType;
use tempfile::TempDir;

use super::archives::{Layer, Packing, pack};
use super::mounts::{in_private_mounts, mount_tmpfs};
use crate::unpack::{decompress, unpack};
use crate::{ArchiveError, FsError, Limits, UnpackError};

/// Is a fresh folder to unpack into, with another beside it that nothing may touch.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.root()).unwrap();
        place
    }

    fn root(&self) -> PathBuf {
        self.0.path().join("layer")
    }

    fn unpack(&self, archive: &[u8]) -> Result<(), UnpackError> {
        self.unpack_within(archive, &Limits::default())
    }

    fn unpack_within(&self, archive: &[u8], limits: &Limits) -> Result<(), UnpackError> {
        let reader = decompress::reader(archive)?;
        unpack(reader, &self.root(), limits)
    }

    fn look(&self, path: &str) -> Metadata {
        self.root().join(path).symlink_metadata().unwrap()
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.root().join(path)).unwrap()
    }
}

#[test]
fn owners_modes_and_times_are_those_of_the_archive() {
    let place = Place::new();
    let layer = Layer::new()
        .entry(EntryType::Directory, "./", "", b"", |header| header.set_mode(0o711))
        .entry(EntryType::Directory, "tmp/", "", b"", |header| {
            header.set_mode(0o1777);
            header.set_mtime(1_000_000);
        })
        .entry(EntryType::Regular, "tmp/su", "", b"x", |header| {
            header.set_mode(0o4755);
            header.set_uid(1234);
            header.set_gid(5678);
            header.set_mtime(2_000_000);
        })
        .entry(EntryType::Symlink, "tmp/link", "su", b"", |header| header.set_uid(42));
    place.unpack(&layer.build()).unwrap();
    assert_eq!(place.look("").mode() & 0o7777, 0o711);
    let folder = place.look("tmp");
    assert_eq!((folder.mode() & 0o7777, folder.mtime()), (0o1777, 1_000_000));
    let file = place.look("tmp/su");
    assert_eq!((file.mode() & 0o7777, file.uid(), file.gid(), file.mtime()), (0o4755, 1234, 5678, 2_000_000));
    assert_eq!(place.look("tmp/link").uid(), 42);
}

#[test]
fn extended_headers_override_the_fixed_one() {
    let place = Place::new();
    let long = format!("{}/{}", "d".repeat(120), "f".repeat(200));
    let capability = [1, 0, 0, 2, 0x0a, 0x0a, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let layer = Layer::new()
        .extended(&[
            ("path", long.as_bytes()),
            ("uid", b"3000000"),
            ("mtime", b"-1.5"),
            ("SCHILY.xattr.security.capability", &capability),
            ("SCHILY.xattr.user.note", b"a=b\nc"),
        ])
        .file("short", b"x");
    place.unpack(&layer.build()).unwrap();
    let file = place.look(&long);
    assert_eq!((file.uid(), file.mtime(), file.mtime_nsec()), (3_000_000, -2, 500_000_000));
    let attribute = |name: &str| xattr::get(place.root().join(&long), name).unwrap();
    assert_eq!(attribute("security.capability").as_deref(), Some(&capability[..]));
    assert_eq!(attribute("user.note").as_deref(), Some(&b"a=b\nc"[..]));
}

#[test]
fn attributes_that_steer_overlayfs_are_left_out() {
    let place = Place::new();
    let layer = Layer::new().extended(&[("SCHILY.xattr.trusted.overlay.redirect", b"/etc")]).folder("d/");
    place.unpack(&layer.build()).unwrap();
    assert_eq!(xattr::get(place.root().join("d"), "trusted.overlay.redirect").unwrap(), None);
}

#[test]
fn links_and_devices_are_made() {
    let place = Place::new();
    let layer = Layer::new()
        .file("a", b"content")
        .hard_link("b", "a")
        .symlink("c", "/anywhere/../at all")
        .hard_link("d", "/c")
        .entry(EntryType::Fifo, "fifo", "", b"", |_| {})
        .entry(EntryType::Char, "null", "", b"", |header| {
            header.set_mode(0o666);
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        })
        .entry(EntryType::Block, "disk", "", b"", |header| header.set_device_major(7).unwrap());
    place.unpack(&layer.build()).unwrap();
    assert_eq!(place.look("a").ino(), place.look("b").ino());
    assert_eq!(fs::read_link(place.root().join("c")).unwrap(), Path::new("/anywhere/../at all"));
    assert_eq!(place.look("c").ino(), place.look("d").ino(), "the link itself, not what it points to");
    assert!(place.look("fifo").file_type().is_fifo());
    let null = place.look("null");
    assert!(null.file_type().is_char_device());
    assert_eq!((null.rdev(), null.mode() & 0o777), (nix::libc::makedev(1, 3), 0o666));
    assert!(place.look("disk").file_type().is_block_device());
}

#[test]
fn of_entries_with_one_name_the_last_wins() {
    let place = Place::new();
    let layer = Layer::new()
        .file("a", b"first")
        .file("a", b"second")
        .folder("b/")
        .file("b/lost", b"1")
        .file("b", b"a file now")
        .symlink("c", "/etc")
        .folder("c/")
        .file("c/mine", b"1")
        .folder("d/")
        .file("d/kept", b"1")
        .entry(EntryType::Directory, "d/", "", b"", |header| header.set_mode(0o700));
    place.unpack(&layer.build()).unwrap();
    assert_eq!((place.read("a"), place.read("b")), ("second".to_owned(), "a file now".to_owned()));
    assert!(place.look("c").is_dir());
    assert_eq!(place.read("c/mine"), "1");
    assert_eq!((place.look("d").mode() & 0o777, place.read("d/kept")), (0o700, "1".to_owned()));
}

#[test]
fn a_path_may_pass_through_a_link_that_stays_inside() {
    let place = Place::new();
    let layer = Layer::new().folder("usr/lib/").symlink("lib", "usr/lib").file("lib/so", b"1");
    place.unpack(&layer.build()).unwrap();
    assert_eq!(place.read("usr/lib/so"), "1");
}

#[test]
fn missing_folders_are_made_whatever_the_umask() {
    let place = Place::new();
    place.unpack(&Layer::new().file("a/b/c", b"1").build()).unwrap();
    assert_eq!((place.look("a").mode() & 0o777, place.look("a/b").mode() & 0o777), (0o755, 0o755));
}

#[test]
fn every_compression_is_found_by_its_magic() {
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let place = Place::new();
        place.unpack(&pack(&Layer::new().file("f", b"1").build(), packing)).unwrap();
        assert_eq!(place.read("f"), "1");
    }
}

#[test]
fn a_truncated_archive_is_named_as_such() {
    let plain = Layer::new().file("big", &[7; 5000]).build();
    for packing in [Packing::Plain, Packing::Gzip, Packing::Zstd] {
        let whole = pack(&plain, packing);
        let cut = if matches!(packing, Packing::Plain) { 2000 } else { whole.len() - 12 };
        let error = Place::new().unpack(&whole[..cut]).unwrap_err();
        assert!(matches!(error, UnpackError::Archive(ArchiveError::Truncated { .. })), "{error:?}");
    }
}

#[test]
fn a_corrupt_archive_is_named_as_such() {
    let mut archive = Layer::new().file("f", b"1").build();
    archive[0] ^= 1;
    let error = Place::new().unpack(&archive).unwrap_err();
    assert!(matches!(error, UnpackError::Archive(ArchiveError::Corrupt { .. })), "{error:?}");
    let mut archive = pack(&Layer::new().file("f", &[7; 5000]).build(), Packing::Gzip);
    // Within the checksum that ends it.
    let end = archive.len() - 6;
    archive[end] ^= 1;
    let error = Place::new().unpack(&archive).unwrap_err();
    assert!(matches!(error, UnpackError::Archive(ArchiveError::Unreadable { .. })), "{error:?}");
}

#[test]
fn an_archive_beyond_a_limit_is_refused_with_the_limit() {
    let refusal = |layer: Layer, limits: Limits| match Place::new().unpack_within(&layer.build(), &limits) {
        Err(UnpackError::Archive(ArchiveError::TooLarge { what, limit, .. })) => (what, limit),
        other => panic!("{other:?}"),
    };
    let limits = Limits { bytes: 10_000, entries: 3, path: 20 };
    assert_eq!(refusal(Layer::new().file("big", &[0; 20_000]), limits), ("bytes", 10_000));
    assert_eq!(
        refusal(Layer::new().file("a", b"").file("b", b"").file("c", b"").file("d", b""), limits),
        ("entries", 3)
    );
    assert_eq!(refusal(Layer::new().file("a/long/path/of/some/kind", b""), limits), ("bytes in a path", 20));
    let bomb = Layer::new().entry(EntryType::XHeader, "x", "", b"", |header| header.set_size(1 << 40));
    assert_eq!(refusal(bomb, Limits::default()), ("bytes in an extended header", 1 << 20));
}

#[test]
fn a_sparse_file_is_refused_instead_of_being_unpacked_wrongly() {
    let layer = Layer::new().extended(&[("GNU.sparse.major", b"1")]).file("f", b"1");
    let error = Place::new().unpack(&layer.build()).unwrap_err();
    assert!(matches!(error, UnpackError::Archive(ArchiveError::Unsupported { .. })), "{error:?}");
}

#[test]
fn a_full_disk_is_named_with_its_remedy() {
    // Made outside, because a folder that is mounted on cannot be removed.
    let place = Place::new();
    let error = in_private_mounts(|| {
        mount_tmpfs(&place.root(), "64k");
        place.unpack(&Layer::new().file("big", &[7; 200_000]).build()).unwrap_err()
    });
    assert!(matches!(error, UnpackError::Fs(FsError::DiskFull { .. })), "{error:?}");
    assert!(error.to_string().contains("remove unused images"), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is done to an archive's bytes, unpacking ends, and never touches anything outside.
    #[test]
    fn a_damaged_archive_never_reaches_outside(
        damage in proptest::collection::vec((0usize..6000, any::<u8>()), 1..6),
        names in proptest::collection::vec("(\\.\\./|/|\\./|link/|dir/|\\.wh\\.){0,3}(a|link|dir|victim)", 1..8),
        kinds in proptest::collection::vec(0usize..5, 8),
        is_damaged in any::<bool>(),
    ) {
        let place = Place::new();
        let outside = place.0.path().join("victim");
        fs::write(&outside, "untouched").unwrap();
        symlink(place.0.path(), place.root().join("planted")).unwrap();
        let mut layer = Layer::new().symlink("link", "..");
        for (name, kind) in names.iter().zip(&kinds) {
            layer = match kind {
                0 => layer.file(name, b"evil"),
                1 => layer.folder(name),
                2 => layer.symlink(name, "../victim"),
                3 => layer.hard_link(name, "link/victim"),
                _ => layer.file(&format!("planted/{name}"), b"evil"),
            };
        }
        let mut archive = layer.build();
        if is_damaged {
            for (at, byte) in damage {
                let at = at % archive.len();
                archive[at] = byte;
            }
        }
        let _ = place.unpack(&archive);
        let beside: Vec<_> = fs::read_dir(place.0.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        prop_assert_eq!(beside.len(), 2, "{:?}", beside);
        prop_assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
        prop_assert_eq!(outside.metadata().unwrap().nlink(), 1);
    }
}
