//! How large a database grows whose contents stay small.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use manager_store::disk::{Disk, KeyRange, Op, SledDisk, Table};

const LOG: Table = Table::new("log");
const SNAPSHOT: Table = Table::new("snapshot");

/// Measured over 60 rounds (460 MB written, at most 12 MiB alive): between 40 and 48 MiB from the
/// tenth round on. With 500,000 entries of 300 bytes, of which at most 6,000 were alive, 7 to 9 MiB.
const BOUND: u64 = 64 << 20;

#[test]
fn a_log_that_is_purged_and_a_snapshot_that_is_replaced_do_not_grow_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let disk = SledDisk::open(dir.path()).unwrap();
    let mut written = 0;
    let mut next = 0u64;
    let mut write = |ops: Vec<Op>| {
        for op in &ops {
            if let Op::Put { value, .. } = op {
                written += value.len() as u64;
            }
        }
        disk.batch(ops).unwrap();
        written
    };
    let mut total = 0;
    for round in 0..14 {
        for _ in 0..8 {
            let entry = |index: u64| {
                let bytes = if index.is_multiple_of(50) { 200_000 } else { 600 };
                Op::put(LOG, index.to_be_bytes(), vec![round; bytes])
            };
            write((next..next + 100).map(entry).collect());
            next += 100;
        }
        for part in 0..4u8 {
            write(vec![Op::put(SNAPSHOT, [part], vec![round; 1 << 20])]);
        }
        let kept = (next - 400).to_be_bytes();
        total = write(vec![Op::remove_range(LOG, KeyRange::until(kept))]);
    }
    assert!(total > BOUND * 3 / 2, "only {total} bytes were written");
    let size = disk.size().unwrap();
    assert!(size < BOUND, "{size} bytes");
}
