//! Encryption at rest: what lies on the disk says nothing, and what was changed is not believed.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::ops::ControlFlow;

use manager_store::{
    disk::{Disk, DiskError, KeyRange, MemDisk, Op, Table},
    sealed::{DATA_KEY_BYTES, DataKey, SEAL_FORMAT, SealError, Sealed},
};

const SECRETS: Table = Table::new("secrets");
const OTHERS: Table = Table::new("others");

fn key(byte: u8) -> DataKey {
    DataKey::from_bytes([byte; DATA_KEY_BYTES])
}

fn sealed(disk: &MemDisk) -> Sealed<MemDisk> {
    Sealed::open(disk.clone(), &key(1)).unwrap()
}

fn is_tampered<T: std::fmt::Debug>(read: &Result<T, DiskError>) -> bool {
    matches!(read, Err(DiskError::Tampered { table: "secrets", key }) if key == "name")
}

#[test]
fn a_value_is_read_back_under_the_same_key_and_is_not_on_the_disk() {
    let disk = MemDisk::new();
    sealed(&disk).batch(vec![Op::put(SECRETS, "name", "hunter2")]).unwrap();
    let again = sealed(&disk);
    assert_eq!(again.get(SECRETS, b"name").unwrap(), Some(b"hunter2".to_vec()));
    assert_eq!(again.last(SECRETS).unwrap(), Some((b"name".to_vec(), b"hunter2".to_vec())));
    let stored = disk.get(SECRETS, b"name").unwrap().unwrap();
    assert!(!stored.windows(7).any(|bytes| bytes == b"hunter2"));
}

#[test]
fn the_same_value_never_looks_the_same_twice() {
    let disk = MemDisk::new();
    let sealed = sealed(&disk);
    sealed.batch(vec![Op::put(SECRETS, "name", "hunter2")]).unwrap();
    let first = disk.get(SECRETS, b"name").unwrap();
    sealed.batch(vec![Op::put(SECRETS, "name", "hunter2")]).unwrap();
    assert_ne!(disk.get(SECRETS, b"name").unwrap(), first);
}

#[test]
fn a_wrong_key_is_told_when_the_disk_is_opened() {
    let disk = MemDisk::new();
    sealed(&disk);
    let refused = Sealed::open(disk, &key(2)).err();
    assert!(matches!(refused, Some(SealError::WrongKey)), "{refused:?}");
}

#[test]
fn a_newer_format_is_refused() {
    let disk = MemDisk::new();
    sealed(&disk);
    let format = Table::new("seal");
    let mut record = disk.get(format, b"format").unwrap().unwrap();
    record[..4].copy_from_slice(&(SEAL_FORMAT + 1).to_be_bytes());
    disk.batch(vec![Op::put(format, "format", record)]).unwrap();
    let refused = Sealed::open(disk, &key(1)).err();
    assert!(
        matches!(refused, Some(SealError::Newer { found, .. }) if found == SEAL_FORMAT + 1),
        "{refused:?}"
    );
}

#[test]
fn a_changed_byte_anywhere_is_noticed_by_every_way_to_read() {
    let disk = MemDisk::new();
    let sealed = sealed(&disk);
    sealed.batch(vec![Op::put(SECRETS, "name", "hunter2")]).unwrap();
    let stored = disk.get(SECRETS, b"name").unwrap().unwrap();
    for at in 0..stored.len() {
        let mut changed = stored.clone();
        changed[at] ^= 1;
        disk.batch(vec![Op::put(SECRETS, "name", changed)]).unwrap();
        let range = sealed.range(SECRETS, &KeyRange::all(), &mut |_, _| ControlFlow::Continue(()));
        assert!(is_tampered(&sealed.get(SECRETS, b"name")), "byte {at}");
        assert!(is_tampered(&sealed.last(SECRETS)), "byte {at}");
        assert!(is_tampered(&range), "byte {at}");
    }
    disk.batch(vec![Op::put(SECRETS, "name", "short")]).unwrap();
    assert!(is_tampered(&sealed.get(SECRETS, b"name")));
}

#[test]
fn a_value_moved_to_another_key_or_table_is_noticed() {
    let disk = MemDisk::new();
    let sealed = sealed(&disk);
    sealed.batch(vec![Op::put(SECRETS, "other", "a"), Op::put(OTHERS, "name", "b")]).unwrap();
    for (table, from) in [(SECRETS, "other"), (OTHERS, "name")] {
        let moved = disk.get(table, from.as_bytes()).unwrap().unwrap();
        disk.batch(vec![Op::put(SECRETS, "name", moved)]).unwrap();
        assert!(is_tampered(&sealed.get(SECRETS, b"name")), "from {from}");
    }
}
