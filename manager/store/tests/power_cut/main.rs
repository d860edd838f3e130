//! Power cuts and full disks: what was acknowledged is there afterwards, and nothing half done.
//!
//! Needs root, loop devices and ext4. `SHOAL_POWER_CUTS` sets how many cuts are tried (default 12),
//! `SHOAL_POWER_CUT_SEED` repeats a seed that a failing run has printed; when the power goes is chance.

mod image;
mod shutdown;
mod workload;
mod writer;

use std::{
    env, fs,
    thread,
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

#[test]
fn a_power_cut_loses_nothing_acknowledged_and_shows_no_half_batch() {
    with_own_mounts(|| {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = from_env("SHOAL_POWER_CUT_SEED").unwrap_or(now.as_nanos() as u64);
        let cuts = from_env("SHOAL_POWER_CUTS").unwrap_or(12);
        println!("SHOAL_POWER_CUT_SEED={seed}, {cuts} cuts");
        let mut random = Random(seed);
        let mut image = Image::create(128);
        let model = MemDisk::new();
        let mut written = 0;
        for cut in 0..cuts {
            let writer = Writer::start(&image.data(), seed, written + 1);
            for _ in 0..1 + random.below(60) {
                written = writer.next_ack().expect("the writer ended before its power went");
                model.batch(batch(seed, written)).unwrap();
            }
            // In the midst of a small batch or its sync, or, later, most likely in a large one.
            let longest = Duration::from_millis([6, 400][random.below(2) as usize]);
            thread::sleep(longest.mul_f64(random.below(1_000) as f64 / 1_000.0));
            image.cut_power();
            for number in writer.kill() {
                written = number;
                model.batch(batch(seed, written)).unwrap();
            }
            image.reboot();
            let what = format!("seed {seed}, cut {cut}, {written} acknowledged");
            let disk = SledDisk::open(&image.data()).unwrap_or_else(|error| panic!("{what}: {error:?}"));
            let found = number(&disk);
            if found == written + 1 {
                // It was done, but the word did not get out.
                written += 1;
                model.batch(batch(seed, written)).unwrap();
            }
            assert_eq!(found, written, "{what}");
            assert!(contents(&disk) == contents(&model), "{what}: other contents");
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
    let model = MemDisk::new();
    let disk = SledDisk::open(&image.data()).unwrap();
    let ballast = leave_free(&image.root(), 6 << 20);
    let mut written = 0;
    let full = loop {
        match disk.batch(batch(seed, written + 1)) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        model.batch(batch(seed, written)).unwrap();
    };
    assert!(matches!(full, DiskError::Full { .. }), "{full:?}");
    assert!(matches!(disk.get(META, b"number"), Err(DiskError::Stopped { .. })));
    drop(disk);

    fs::remove_file(ballast).unwrap();
    let disk = SledDisk::open(&image.data()).unwrap();
    let found = number(&disk);
    if found == written + 1 {
        // All of it had reached the disk before the room ran out.
        written += 1;
        model.batch(batch(seed, written)).unwrap();
    }
    assert_eq!(found, written, "seed {seed}");
    assert!(contents(&disk) == contents(&model), "seed {seed}: other contents");
    disk.batch(batch(seed, written + 1)).unwrap();
    drop(disk);
    assert_eq!(number(&SledDisk::open(&image.data()).unwrap()), written + 1);
}
