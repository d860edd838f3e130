//! What the writer writes: batches that follow from a seed and their number alone.

use manager_store::disk::{Disk, KeyRange, Op, Table};

/// A log that grows, loses its end and is purged, and a few keys that are overwritten all the time.
pub const LOG: Table = Table::new("log");
pub const META: Table = Table::new("meta");

/// The most entries that the log keeps.
const KEPT: u64 = 60;

/// Random numbers from a seed (splitmix64).
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length as usize + 8);
        while (bytes.len() as u64) < length {
            bytes.extend(self.next().to_le_bytes());
        }
        bytes.truncate(length as usize);
        bytes
    }

    /// Most values are small, some are as large as the largest secret and its envelope: 600 KiB.
    fn value(&mut self) -> Vec<u8> {
        let length = match self.below(40) {
            0 => 1,
            1..=25 => self.below(3_000) + 1,
            26..=33 => self.below(20_000) + 1,
            34..=38 => self.below(120_000) + 1,
            _ => self.below(600 << 10) + 1,
        };
        self.bytes(length)
    }
}

/// Returns the operations of batch number `number`.
pub fn batch(seed: u64, number: u64) -> Vec<Op> {
    let mut random = Random(seed ^ number.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut ops = vec![Op::put(META, "number", number.to_be_bytes())];
    if random.below(8) == 0 {
        // The end is cut off and written again.
        ops.push(Op::remove_range(LOG, KeyRange::from(key(number.saturating_sub(3), 0))));
    }
    for entry in 0..1 + random.below(4) {
        ops.push(Op::put(LOG, key(number, entry), random.value()));
    }
    if random.below(3) == 0 {
        let name = format!("hot-{}", random.below(5));
        ops.push(Op::put(META, name, random.value()));
    }
    if random.below(20) == 0 {
        // A batch of many of sled's 512 KiB segments, so that segments are freed and used again.
        for part in 0..6 {
            ops.push(Op::put(META, format!("bulk-{part}"), random.bytes(600 << 10)));
        }
    }
    if random.below(10) == 0 {
        ops.push(Op::remove_range(LOG, KeyRange::until(key(number.saturating_sub(KEPT), 0))));
    }
    ops
}

fn key(batch: u64, entry: u64) -> Vec<u8> {
    [batch.to_be_bytes(), entry.to_be_bytes()].concat()
}

/// Everything in the tables of a disk, in order.
pub fn contents(disk: &impl Disk) -> Vec<(Table, Vec<u8>, Vec<u8>)> {
    let mut contents = Vec::new();
    for table in [LOG, META] {
        disk.range(table, &KeyRange::all(), &mut |key, value| {
            contents.push((table, key, value));
            std::ops::ControlFlow::Continue(())
        })
        .unwrap();
    }
    contents
}
