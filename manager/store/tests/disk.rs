//! The disk on sled: agrees with the one in memory, and names what is wrong with a data directory.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{fs, ops::ControlFlow, path::Path};

use manager_store::disk::{
    DISK_FORMAT, Disk, DiskError, KeyRange, MAX_KEY_BYTES, MemDisk, Op, SledDisk, Table,
};
use proptest::{collection::vec, prelude::*};

const A: Table = Table::new("a");
const B: Table = Table::new("b");

#[derive(Debug, Clone)]
enum Step {
    Batch(Vec<Op>),
    Reopen,
}

fn table() -> impl Strategy<Value = Table> {
    prop_oneof![Just(A), Just(B)]
}

/// Few keys, so that they meet, with the bytes that the layout treats in a special way.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![Just(0), Just(1), Just(0xff), Just(b'k')], 0..4)
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        20 => 0usize..200,
        5 => 4_080usize..4_110,
        3 => 0usize..40_000,
        1 => 0usize..=600 << 10,
    ];
    (length, any::<u8>())
        .prop_map(|(length, first)| (0..length).map(|at| first.wrapping_add(at as u8)).collect())
}

fn range() -> impl Strategy<Value = KeyRange> {
    (key(), prop::option::of(key())).prop_map(|(from, until)| KeyRange { from, until })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (table(), key(), value()).prop_map(|(table, key, value)| Op::put(table, key, value)),
        2 => (table(), key()).prop_map(|(table, key)| Op::remove(table, key)),
        1 => (table(), range()).prop_map(|(table, keys)| Op::remove_range(table, keys)),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![8 => vec(op(), 0..8).prop_map(Step::Batch), 1 => Just(Step::Reopen)]
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn read(disk: &impl Disk, table: Table, keys: &KeyRange, most: usize) -> Rows {
    let mut rows = Rows::new();
    disk.range(table, keys, &mut |key, value| {
        rows.push((key, value));
        if rows.len() == most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .unwrap();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn sled_and_memory_hold_the_same_whatever_is_done(steps in vec(step(), 1..12), probe in range()) {
        let dir = tempfile::tempdir().unwrap();
        let memory = MemDisk::new();
        let mut sled = SledDisk::open(dir.path()).unwrap();
        for step in steps {
            match step {
                Step::Batch(ops) => {
                    sled.batch(ops.clone()).unwrap();
                    memory.batch(ops).unwrap();
                }
                Step::Reopen => {
                    drop(sled);
                    sled = SledDisk::open(dir.path()).unwrap();
                }
            }
            for table in [A, B] {
                let rows = read(&sled, table, &KeyRange::all(), usize::MAX);
                prop_assert!(rows == read(&memory, table, &KeyRange::all(), usize::MAX), "other rows");
                prop_assert!(read(&sled, table, &probe, 2) == read(&memory, table, &probe, 2), "other range");
                prop_assert!(sled.last(table).unwrap() == rows.last().cloned(), "other last");
                prop_assert!(memory.last(table).unwrap() == rows.last().cloned(), "other last in memory");
                for (key, value) in rows {
                    prop_assert!(sled.get(table, &key).unwrap() == Some(value), "other value");
                }
            }
        }
    }
}

#[test]
fn a_second_daemon_on_the_same_directory_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let _first = SledDisk::open(dir.path()).unwrap();
    let second = SledDisk::open(dir.path());
    assert!(matches!(second, Err(DiskError::InUse { .. })), "{second:?}");
}

#[test]
fn a_database_that_does_not_open_is_named_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let snapshot = fs::read_dir(dir.path().join("sled"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with("snap."))
        .unwrap();
    fs::write(snapshot, b"not what sled has written").unwrap();
    let error = SledDisk::open(dir.path()).unwrap_err();
    assert!(matches!(error, DiskError::Damaged { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains(&*dir.path().to_string_lossy()), "{message}");
    assert!(message.contains("join again"), "{message}");
}

#[test]
fn a_page_table_left_unfinished_by_a_power_cut_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    let unfinished = dir.path().join("sled/snap.FFFFFFFFFFFFFFFF.generating");
    fs::write(&unfinished, b"half").unwrap();
    let disk = SledDisk::open(dir.path()).unwrap();
    assert_eq!(disk.get(A, b"key").unwrap(), Some(vec![7; 10_000]));
    assert!(!unfinished.exists());
}

#[test]
fn data_that_sled_moves_out_of_its_log_is_never_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(dir.path()).unwrap();
    fs::write(dir.path().join("sled/blobs/1"), b"").unwrap();
    let refused = disk.batch(vec![Op::put(A, "key", "value")]);
    assert!(matches!(refused, Err(DiskError::Spilled { .. })), "{refused:?}");
    assert!(matches!(disk.get(A, b"key"), Err(DiskError::Stopped)));
    drop(disk);
    // sled itself removes what it finds there beyond the end of its log.
    let refused = {
        fs::write(dir.path().join("sled/blobs/0"), b"").unwrap();
        SledDisk::open(dir.path())
    };
    assert!(matches!(refused, Err(DiskError::Spilled { .. })), "{refused:?}");
}

#[test]
fn a_database_of_a_newer_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    edit(dir.path(), |tree| {
        tree.insert(b"\0format", &(DISK_FORMAT + 1).to_be_bytes()).unwrap();
    });
    let refused = SledDisk::open(dir.path());
    assert!(
        matches!(refused, Err(DiskError::Newer { found, .. }) if found == DISK_FORMAT + 1),
        "{refused:?}"
    );
}

#[test]
fn a_database_of_somebody_elses_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    edit(dir.path(), |tree| {
        tree.insert("theirs", "data").unwrap();
    });
    let refused = SledDisk::open(dir.path());
    assert!(matches!(refused, Err(DiskError::Damaged { .. })), "{refused:?}");
}

#[test]
fn a_value_with_a_row_missing_is_not_taken_for_a_shorter_one() {
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path());
    edit(dir.path(), |tree| {
        let middle = tree.range(&b"a\0"[..]..).keys().nth(1).unwrap().unwrap();
        tree.remove(middle).unwrap();
    });
    let disk = SledDisk::open(dir.path()).unwrap();
    for read in [disk.get(A, b"key").map(|_| ()), disk.last(A).map(|_| ())] {
        assert!(matches!(&read, Err(DiskError::Incomplete { table: "a", key }) if key == "key"), "{read:?}");
    }
}

#[test]
fn a_key_that_is_too_long_is_refused_and_nothing_of_its_batch_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(dir.path()).unwrap();
    let refused = disk.batch(vec![Op::put(A, "key", ""), Op::put(A, vec![0; MAX_KEY_BYTES + 1], "")]);
    assert!(matches!(refused, Err(DiskError::KeyTooLong { .. })), "{refused:?}");
    assert_eq!(disk.get(A, b"key").unwrap(), None);
    disk.batch(vec![Op::put(A, vec![0; MAX_KEY_BYTES], "value")]).unwrap();
}

#[test]
fn the_longest_keys_do_not_make_sled_move_data_out_of_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(dir.path()).unwrap();
    for round in 0u16..40 {
        let ops = (0u16..200).map(|number| {
            // Zeros are what grows most in the layout.
            let mut key = vec![0; MAX_KEY_BYTES];
            key[..2].copy_from_slice(&number.to_le_bytes());
            key[2..4].copy_from_slice(&round.to_le_bytes());
            Op::put(A, key, "")
        });
        disk.batch(ops.collect()).unwrap();
    }
    assert_eq!(read(&disk, A, &KeyRange::all(), usize::MAX).len(), 8_000);
}

fn fill(dir: &Path) {
    SledDisk::open(dir).unwrap().batch(vec![Op::put(A, "key", vec![7; 10_000])]).unwrap();
    // Opened once more so that sled has written its page table.
    drop(SledDisk::open(dir).unwrap());
}

fn edit(dir: &Path, edit: impl FnOnce(&sled::Tree)) {
    // A thread of the database just closed may still hold sled's lock.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    let database = loop {
        match sled::open(dir.join("sled")) {
            Ok(database) => break database,
            Err(error) => assert!(std::time::Instant::now() < deadline, "{error}"),
        }
    };
    edit(&database);
    database.flush().unwrap();
}
