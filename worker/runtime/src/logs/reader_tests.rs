//! Reading a log, at rest and while it is written.

use super::{
    files,
    line::{LogEntry, Stream},
    options::LogOptions,
    reader::{LogReader, Next, read},
    writer::LogWriter,
};
use crate::container_dir::ContainerDir;
use jiff::{SignedDuration, Timestamp};
use proto::model::service::LogConfig;
use std::{fs, io::Write};
use tempfile::TempDir;

struct Log {
    folder: TempDir,
    container: ContainerDir,
    writer: LogWriter,
}

impl Log {
    /// Files of a few lines each.
    fn new(max_files: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let container = ContainerDir::at(folder.path());
        fs::create_dir(container.logs()).unwrap();
        let limits = LogConfig { max_size_bytes: 300, max_files };
        let writer = LogWriter::create(container.logs(), limits).unwrap();
        Self { folder, container, writer }
    }

    fn write(&mut self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            let stream = if number % 2 == 0 { Stream::Stdout } else { Stream::Stderr };
            self.writer.write(stream, format!("{number}\n").as_bytes());
        }
    }

    fn read(&self, options: LogOptions) -> LogReader {
        read(&self.container, options).unwrap()
    }

    fn end(&self) {
        fs::write(self.container.exit_record(), "").unwrap();
    }
}

/// What is there now, as the numbers that were written.
fn ready(reader: &mut LogReader) -> (Vec<u32>, Next) {
    let mut numbers = Vec::new();
    loop {
        match reader.poll_next().unwrap() {
            Next::Entry(entry) => numbers.push(entry.text.trim().parse().unwrap()),
            other => return (numbers, other),
        }
    }
}

#[test]
fn a_log_is_read_over_all_its_files() {
    let mut log = Log::new(100);
    log.write(0..40);
    assert!(files::numbers(&log.container.logs()).unwrap().len() > 3);
    assert_eq!(ready(&mut log.read(LogOptions::default())), ((0..40).collect(), Next::End));
}

#[test]
fn the_tail_is_counted_over_files_and_of_what_is_wanted() {
    let mut log = Log::new(100);
    log.write(0..40);
    let tail = |count, stdout| LogOptions { tail: Some(count), stdout, ..LogOptions::default() };
    assert_eq!(ready(&mut log.read(tail(10, true))).0, (30..40).collect::<Vec<_>>());
    assert_eq!(ready(&mut log.read(tail(3, false))).0, [35, 37, 39]);
    assert_eq!(ready(&mut log.read(tail(1000, true))).0.len(), 40);
    assert_eq!(ready(&mut log.read(tail(0, true))), (vec![], Next::End));
}

#[test]
fn following_loses_and_doubles_nothing_across_rotations() {
    let mut log = Log::new(3);
    log.write(0..2);
    let mut reader = log.read(LogOptions { follow: true, ..LogOptions::default() });
    let mut seen = Vec::new();
    for from in (2..200).step_by(3) {
        let (numbers, next) = ready(&mut reader);
        assert_eq!(next, Next::Pending);
        seen.extend(numbers);
        log.write(from..from + 3);
    }
    log.end();
    let (numbers, next) = ready(&mut reader);
    seen.extend(numbers);
    assert_eq!((seen, next), ((0..200).collect(), Next::End));
}

#[test]
fn following_from_the_end_shows_only_what_is_new() {
    let mut log = Log::new(3);
    log.write(0..20);
    let mut reader = log.read(LogOptions { follow: true, tail: Some(0), ..LogOptions::default() });
    assert_eq!(ready(&mut reader), (vec![], Next::Pending));
    log.write(20..22);
    assert_eq!(ready(&mut reader), (vec![20, 21], Next::Pending));
}

#[test]
fn a_reader_that_slept_too_long_goes_on_with_what_is_left() {
    let mut log = Log::new(2);
    log.write(0..2);
    let mut reader = log.read(LogOptions { follow: true, ..LogOptions::default() });
    assert_eq!(ready(&mut reader).0, [0, 1]);
    log.write(2..60);
    let (numbers, _) = ready(&mut reader);
    assert_eq!(numbers.last(), Some(&59));
    assert!(numbers.is_sorted());
}

#[test]
fn a_torn_line_is_skipped() {
    let mut log = Log::new(100);
    log.write(0..1);
    let path = files::path(&log.container.logs(), 1);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"log\":\"torn\n").unwrap();
    log.write(1..2);
    fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"log\":\"unfinished").unwrap();
    assert_eq!(ready(&mut log.read(LogOptions::default())), (vec![0, 1], Next::End));
    drop(log.folder);
}

#[test]
fn times_limit_what_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let container = ContainerDir::at(folder.path());
    fs::create_dir(container.logs()).unwrap();
    let at = |second| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(second);
    let lines: Vec<u8> =
        (0..10).flat_map(|s| LogEntry::encode(at(s), Stream::Stdout, s.to_string().as_bytes())).collect();
    fs::write(files::path(&container.logs(), 1), lines).unwrap();
    let options =
        LogOptions { since: Some(at(3)), until: Some(at(5)), follow: true, ..LogOptions::default() };
    // The end is reached at the first entry that is too late, though the container runs.
    assert_eq!(ready(&mut read(&container, options).unwrap()), (vec![3, 4, 5], Next::End));
}
