//! Power cuts and full disks: what was acknowledged is there afterwards, and nothing half done.
//!
//! Needs root, loop devices and ext4. `SHOAL_POWER_CUTS` sets how many cuts are tried (default 12),
//! `SHOAL_POWER_CUT_SEED` repeats a seed that a failing run has printed; when the power goes is chance.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod image;
mod shutdown;
mod workload;
mod writer;

use std::{
    env, fs, thread,
    time::{Duration, SystemTime},
};

use image::{Image, leave_free, unshare_mounts};
use manager_store::disk::{Disk, DiskError, MemDisk, SledDisk};
use workload::{META, Random, batch, contents};
use writer::Writer;

/// Runs a test on a thread with mounts of its own.
fn with_own_mounts(test: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare_mounts();
        test();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn from_env(name: &str) -> Option<u64> {
    env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Returns the seed of this run, and says how to repeat it.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = from_env("SHOAL_POWER_CUT_SEED").unwrap_or(now.as_nanos() as u64);
    println!("SHOAL_POWER_CUT_SEED={seed}");
    seed
}

fn cuts() -> u64 {
    from_env("SHOAL_POWER_CUTS").unwrap_or(12)
}

/// What the writer has been told is durable.
struct Acknowledged {
    seed: u64,
    last: u64,
    contents: MemDisk,
}

impl Acknowledged {
    fn nothing(seed: u64) -> Self {
        Self { seed, last: 0, contents: MemDisk::new() }
    }

    fn add(&mut self, number: u64) {
        assert_eq!(number, self.last + 1, "acknowledgements come in order");
        self.contents.batch(batch(self.seed, number)).unwrap();
        self.last = number;
    }

    /// Cuts the power, boots again, and compares with what is found.
    fn survive(&mut self, image: &mut Image, writer: Writer) {
        image.cut_power();
        writer.kill().into_iter().for_each(|number| self.add(number));
        image.reboot();
        let what = format!("seed {}, {} acknowledged", self.seed, self.last);
        let disk = SledDisk::open(&image.data()).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let found = number(&disk);
        if found == self.last + 1 {
            // It was done, but the word did not get out.
            self.add(found);
        }
        assert_eq!(found, self.last, "{what}");
        assert!(contents(&disk) == contents(&self.contents), "{what}: other contents");
    }
}

#[test]
fn a_power_cut_loses_nothing_acknowledged_and_shows_no_half_batch() {
    with_own_mounts(|| {
        let seed = seed();
        let mut random = Random(seed);
        let mut image = Image::create(128);
        let mut acknowledged = Acknowledged::nothing(seed);
        for _ in 0..cuts() {
            let writer = Writer::start(&image.data(), seed, acknowledged.last + 1);
            for _ in 0..1 + random.below(60) {
                acknowledged.add(writer.next_ack().expect("the writer ended before its power went"));
            }
            // In the midst of a small batch or its sync, or, later, most likely in a large one.
            let longest = Duration::from_millis([6, 400][random.below(2) as usize]);
            thread::sleep(longest.mul_f64(random.below(1_000) as f64 / 1_000.0));
            acknowledged.survive(&mut image, writer);
        }
    });
}

#[test]
fn a_power_cut_while_the_database_is_created_leaves_one_that_opens() {
    with_own_mounts(|| {
        let seed = seed();
        let mut random = Random(seed);
        let mut image = Image::create(128);
        for _ in 0..cuts() {
            let writer = Writer::start(&image.data(), seed, 1);
            thread::sleep(Duration::from_micros(random.below(40_000)));
            Acknowledged::nothing(seed).survive(&mut image, writer);
            fs::remove_dir_all(image.data()).unwrap();
        }
    });
}

/// Returns the number of the last batch on the disk, 0 if there is none.
fn number(disk: &impl Disk) -> u64 {
    disk.get(META, b"number").unwrap().map_or(0, |number| u64::from_be_bytes(number.try_into().unwrap()))
}

#[test]
fn a_full_disk_is_told_loses_nothing_and_goes_on_once_there_is_room() {
    with_own_mounts(|| (0..4).for_each(fill_up_and_make_room));
}

fn fill_up_and_make_room(seed: u64) {
    let image = Image::create(48);
    let mut acknowledged = Acknowledged::nothing(seed);
    let disk = SledDisk::open(&image.data()).unwrap();
    let ballast = leave_free(&image.root(), 6 << 20);
    let full = loop {
        match disk.batch(batch(seed, acknowledged.last + 1)) {
            Ok(()) => acknowledged.add(acknowledged.last + 1),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, DiskError::Full { .. }), "{full:?}");
    assert!(matches!(disk.get(META, b"number"), Err(DiskError::Stopped)));
    drop(disk);

    fs::remove_file(ballast).unwrap();
    let disk = SledDisk::open(&image.data()).unwrap();
    let found = number(&disk);
    if found == acknowledged.last + 1 {
        // All of it had reached the disk before the room ran out.
        acknowledged.add(found);
    }
    assert_eq!(found, acknowledged.last, "seed {seed}");
    assert!(contents(&disk) == contents(&acknowledged.contents), "seed {seed}: other contents");
    disk.batch(batch(seed, found + 1)).unwrap();
    drop(disk);
    assert_eq!(number(&SledDisk::open(&image.data()).unwrap()), found + 1);
}
